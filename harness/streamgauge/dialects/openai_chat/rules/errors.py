"""Errors of this dialect."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType

from streamgauge.dialects.openai_chat._samples import chat, sse, text
from streamgauge.dialects.openai_chat._view import view
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import members

BOOM = {"error": {"message": "The server had an error", "type": "server_error", "param": None, "code": "internal"}}


@server_rule(
    "ERR-002",
    "OpenAI chat error frame",
    group="errors",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto: OpenAI's SDKs raise on a top-level error member; OpenRouter sends the same with code and message",
    applies=("openai-chat", "openai-completions"),
    known=(
        "https://github.com/BerriAI/litellm/issues/39748",
        "https://github.com/vllm-project/vllm/issues/16805",
    ),
    good=chat(text("Hello"), sse(BOOM), finish=None),
    bad=chat(text("Hello"), sse({"error": "boom"}), finish=None),
    also_breaks=("ERR-011",),
)
def error_frame(exchange: Exchange) -> Iterator[Finding]:
    """The frame is data: {"error":{"message","type","code"}} followed by data: [DONE]; message and type are strings,
    code is one, a number or null.
    """
    found = view(exchange)
    if not found.errors:
        raise NotApplicable("the stream reports no error")
    for error, span in found.errors:
        missing = [name for name in ("message", "type", "code") if name not in members(error)]
        if missing:
            yield Finding('{"error":{"message","type","code"}}', f"{brief(error)} without {', '.join(missing)}", span)
            continue
        odd = [name for name in ("message", "type") if not isinstance(error[name], str)]
        odd += [] if type(error["code"]) in (str, int, NoneType) else ["code"]
        for name in odd:
            yield Finding(f"a text as the error's {name}", f"{name} {brief(error[name])}", span)
    if not found.done:
        yield Finding("data: [DONE] behind the error", "the end of the body", found.errors[-1][1])
