"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

STREAMING = "Cohere docs, A Guide to Streaming Responses (https://docs.cohere.com/v2/docs/streaming)"
REFERENCE = (
    "Cohere API v2 reference, Chat with streaming (https://docs.cohere.com/v2/reference/chat-stream); read as "
    "generated in cohere 7.3.1, v2/types/v2chat_stream_response.py and types"
)
PRACTICE = "de facto: what Cohere's service does and its SDKs rely on"
