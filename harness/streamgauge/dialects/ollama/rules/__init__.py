"""Server rules of Ollama's native API."""
