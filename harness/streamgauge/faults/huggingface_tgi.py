"""Faults of Text Generation Inference's token events: members that they may have, and that early servers lack."""

from __future__ import annotations

from typing import Any

from streamgauge.faults import fault
from streamgauge.faults._edit import rewrite
from streamgauge.script import Script
from streamgauge.wire import members

TGI = ("huggingface-tgi",)


@fault(
    "F-E32",
    "top-tokens",
    "The likeliest tokens beside the one that was taken",
    layer="dialect",
    effect="lossless",
    applies=TGI,
    expected="the same events: top_tokens is in the reference",
)
def top_tokens(script: Script, _: str) -> Script:
    """As a request with top_n_tokens gets them."""

    def change(value: dict[str, Any]) -> None:
        if token := members(value.get("token")):
            value["top_tokens"] = [dict(token), {**token, "id": 7, "text": " streamgauge", "logprob": -9.5}]

    return rewrite(script, change)


@fault(
    "F-E32b",
    "no-index",
    "Events without an index",
    layer="dialect",
    effect="lossless",
    applies=TGI,
    expected="the same events: nothing is told by it",
)
def no_index(script: Script, _: str) -> Script:
    """As servers before 1.4 send them."""

    def change(value: dict[str, Any]) -> None:
        value.pop("index", None)

    return rewrite(script, change)
