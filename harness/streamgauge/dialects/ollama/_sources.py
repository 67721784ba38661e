"""Where the rules of this dialect were read; their quotations are from these texts."""

STREAMING = "Ollama docs, Streaming (https://docs.ollama.com/api/streaming; docs/api/streaming.mdx)"
USAGE = "Ollama docs, Usage (https://docs.ollama.com/api/usage; docs/api/usage.mdx)"
ERRORS = "Ollama docs, Errors (https://docs.ollama.com/api/errors; docs/api/errors.mdx)"
SCHEMA = "Ollama's OpenAPI specification (ollama/ollama, docs/openapi.yaml)"
