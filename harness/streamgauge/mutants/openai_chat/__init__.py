"""Chat completion chunks, damaged as services that call themselves OpenAI-compatible do."""
