"""Amazon Bedrock: ConverseStream, and InvokeModelWithResponseStream, whose payloads are another dialect's events."""

from __future__ import annotations

from streamgauge.dialect import Auth, Dialect
from streamgauge.dialects.bedrock.decoder import BedrockInterpreter, read_answer
from streamgauge.dialects.bedrock.encoder import encode, encode_error_body, encode_error_frame, encode_request
from streamgauge.eventstream import EventStreamDecoder

STOP_REASONS = (
    "end_turn",
    "tool_use",
    "max_tokens",
    "stop_sequence",
    "guardrail_intervened",
    "content_filtered",
    "malformed_model_output",
    "malformed_tool_use",
    "model_context_window_exceeded",
)


def _detect(head: bytes) -> str | None:
    if len(head) < 12 or head[0] != 0 or (b":event-type" not in head[:400] and b":message-type" not in head[:400]):
        return None
    return "it begins with an AWS event stream message"


DIALECTS = (
    Dialect(
        name="bedrock-converse",
        title="Amazon Bedrock ConverseStream",
        framing="eventstream",
        media_type="application/vnd.amazon.eventstream",
        framer=EventStreamDecoder,
        interpreter=BedrockInterpreter,
        encode=encode,
        request=encode_request,
        message=read_answer,
        error_frame=encode_error_frame,
        error_body=encode_error_body,
        detect=_detect,
        paths=(r"/model/[^/]+/converse-stream$", r"/model/[^/]+/invoke-with-response-stream$"),
        auth=Auth(env="AWS_BEARER_TOKEN_BEDROCK"),
        finish_reasons=STOP_REASONS,
    ),
)
