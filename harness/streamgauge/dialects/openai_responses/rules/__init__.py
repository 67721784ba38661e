"""Server rules of Responses streams."""
