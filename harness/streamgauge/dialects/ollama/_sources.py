"""Where the rules of this dialect were read; their quotations are from these texts."""

STREAMING = "Ollama docs, Streaming (https://docs.ollama.com/api/streaming; docs/api/streaming.mdx)"
USAGE = "Ollama docs, Usage (https://docs.ollama.com/api/usage; docs/api/usage.mdx)"
ERRORS = "Ollama docs, Errors (https://docs.ollama.com/api/errors; docs/api/errors.mdx)"
TOOLS = (
    "Ollama docs, Tool calling (https://docs.ollama.com/capabilities/tool-calling), whose examples show arguments as "
    "an "
    "object; ollama 0.6.3, Message.ToolCall.Function.arguments: Mapping[str, Any]"
)
