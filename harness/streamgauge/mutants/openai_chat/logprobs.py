"""Log probabilities of the tokens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants._places import Path, always, leaves
from streamgauge.mutants.openai_chat._walk import (
    CHAT,
    edit_at,
)
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members


@operator("lost-logprob", "The log probability of a token is missing", applies=CHAT, noticed_by=("OAC-025", "AGG-005"))
def lost_logprob(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in _logprobs(stream):
        yield edit_at(stream, number, path, "one lost", lambda found: found[1:])
        yield edit_at(stream, number, path, "one twice", lambda found: [*found, found[0]])


def _logprobs(stream: Stream) -> Iterator[tuple[int, Path, list[Any]]]:
    if not (stream.request or {}).get("logprobs"):
        return
    for number, value in stream.objects:
        for path, leaf in leaves(value):
            if path[-2:] == ("logprobs", "content") and isinstance(leaf, list) and leaf:
                yield number, path, leaf


@operator(
    "no-logprobs",
    "A delta without the log probabilities that were asked for",
    applies=CHAT,
    noticed_by=("OAC-025", "AGG-005"),
)
def no_logprobs(stream: Stream) -> Iterator[Edit]:
    for number, path, _ in _logprobs(stream):
        values: tuple[dict[str, Any] | None, ...] = (None, {"content": None}, {"content": []})
        for value in values:
            yield edit_at(stream, number, path[:-1], str(value), always(value), str(value))


@operator("other-logprob", "The log probability of another token", applies=CHAT, noticed_by=("OAC-025", "AGG-005"))
def other_logprob(stream: Stream) -> Iterator[Edit]:
    for number, path, listed in _logprobs(stream):
        change = always([{**members(listed[0]), "token": "?", "bytes": [63]}, *listed[1:]])
        yield edit_at(stream, number, path, "token '?'", change)


@operator(
    "lost-token", "A token is missing, with its text and its log probability", applies=CHAT, noticed_by=("AGG-005",)
)
def lost_token(stream: Stream) -> Iterator[Edit]:
    for number, _, _ in _logprobs(stream):
        yield Edit(f"frame {number}", partial(stream.instead, number))
