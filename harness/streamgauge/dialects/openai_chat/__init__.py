"""OpenAI Chat Completions, and what speaks it: Azure, OpenRouter, Mistral, DeepSeek, vLLM, llama.cpp, g4f ...

Sources: OpenAI API reference, "The chat completion chunk object"
(https://platform.openai.com/docs/api-reference/chat-streaming) and the error reference
(https://platform.openai.com/docs/guides/error-codes).
"""

from __future__ import annotations

import re

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.openai_chat.decoder import ChatInterpreter, read_completion
from streamgauge.dialects.openai_chat.encoder import (
    encode,
    encode_error_body,
    encode_error_frame,
    encode_models,
    encode_request,
)
from streamgauge.dialects.openai_chat.profiles import PROFILES
from streamgauge.sse import SSEDecoder

_CHUNK = re.compile(rb'"object"\s*:\s*"chat\.completion\.chunk"')
_WHOLE = re.compile(rb'^data:.*"choices"\s*:\s*\[.*"message"\s*:\s*\{', re.MULTILINE)
_DELTA = re.compile(rb'"choices"\s*:\s*\[.*"delta"\s*:', re.DOTALL)


def _detect(head: bytes) -> str | None:
    if _CHUNK.search(head):
        return 'an event has "object": "chat.completion.chunk"'
    if b"data:" in head and _DELTA.search(head):
        return 'an event has "choices" with a "delta"'
    if _WHOLE.search(head):
        return 'an event has "choices" with a "message"'
    return None


DIALECTS = (
    Dialect(
        name="openai-chat",
        title="OpenAI Chat Completions",
        framing="sse",
        media_type="text/event-stream",
        framer=SSEDecoder,
        interpreter=ChatInterpreter,
        encode=encode,
        request=encode_request,
        message=read_completion,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r"/chat/completions$",),
        terminator=b"data: [DONE]\n\n",
        keepalive=b": keep-alive\n\n",
        base_path="/v1",
        models_path="/models",
        models=encode_models,
        auth=Auth(env="OPENAI_API_KEY"),
        finish_reasons=("stop", "length", "tool_calls", "content_filter", "function_call"),
        profiles=PROFILES,
    ),
)
