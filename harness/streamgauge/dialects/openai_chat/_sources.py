"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

CHUNK = (
    "OpenAI API reference, The chat completion chunk object "
    "(https://platform.openai.com/docs/api-reference/chat-streaming); openai/openai-openapi openapi.yaml "
    "CreateChatCompletionStreamResponse; read as generated in openai 3.54.0, types/chat/chat_completion_chunk.py"
)
DELTA = (
    "openai/openai-openapi openapi.yaml ChatCompletionStreamResponseDelta and ChatCompletionMessageToolCallChunk; "
    "read as generated in openai 3.54.0, types/chat/chat_completion_chunk.py"
)
OPTIONS = (
    "openai/openai-openapi openapi.yaml ChatCompletionStreamOptions.include_usage; read as generated in openai 3.54.0, "
    "types/chat/chat_completion_stream_options_param.py"
)
PRACTICE = "de facto: what OpenAI's service does and its SDKs rely on"
EXAMPLE = "de facto: the example of the chat completion chunk object in OpenAI's reference"
