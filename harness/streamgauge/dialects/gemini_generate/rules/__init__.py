"""Server rules of streamGenerateContent."""
