"""Token counts: where they stand, and that they add up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from streamgauge.mutants import Edit, operator
from streamgauge.mutants.openai_chat._walk import (
    BOTH,
    CHAT,
    edit_at,
    finishes,
    updated,
)
from streamgauge.mutants.stream import Stream
from streamgauge.wire import members


def _usages(stream: Stream) -> list[int]:
    return [n for n, value in stream.objects if value.get("usage")]


@operator("wrong-total", "A total that is not the sum", applies=BOTH, noticed_by=("USE-004",))
def wrong_total(stream: Stream) -> Iterator[Edit]:
    for number in _usages(stream):
        for name in ("total_tokens", "prompt_tokens", "completion_tokens"):
            for more in (1, -1):
                change = partial(_plus, more)
                yield edit_at(stream, number, ("usage", name), f"{more:+}", change, f"{name} {more}")


def _plus(more: int, count: int) -> int:
    return count + more


@operator("wrong-details", "Details that exceed what they are part of", applies=BOTH, noticed_by=("USE-004",))
def wrong_details(stream: Stream) -> Iterator[Edit]:
    for number in _usages(stream):
        for table, name in (
            ("prompt_tokens_details", "cached_tokens"),
            ("completion_tokens_details", "reasoning_tokens"),
        ):
            change = partial(updated, {table: {name: 1_000_000}})
            yield edit_at(stream, number, ("usage",), name, change, name)


@operator("no-usage", "Usage was asked for, and does not come", applies=BOTH, noticed_by=("USE-001", "AGG-004"))
def no_usage(stream: Stream) -> Iterator[Edit]:
    if found := _usages(stream):
        kept = [p for n, p in enumerate(stream.pieces) if n not in found or p.value.get("choices")]
        bare = [replace_usage(stream, p) for p in kept]
        yield Edit("nowhere", partial(stream.with_pieces, bare))


def replace_usage(stream: Stream, piece: Any) -> Any:
    """The piece without usage."""
    value = piece.value
    if not isinstance(value, dict) or not value.get("usage"):
        return piece
    return stream.say({n: v for n, v in value.items() if n != "usage"}, piece)


@operator("early-usage", "The usage before the finish_reason", applies=BOTH, noticed_by=("USE-001", "USE-002"))
def early_usage(stream: Stream) -> Iterator[Edit]:
    ends = [n for n, _, _ in finishes(stream)]
    for number in _usages(stream)[-1:]:
        if ends and number > ends[-1] and _asked(stream):
            moved = [p for n, p in enumerate(stream.pieces) if n != number]
            for place in range(1, ends[-1] + 1):
                made = [*moved[:place], stream.pieces[number], *moved[place:]]
                yield Edit(f"before frame {place}", partial(stream.with_pieces, made))


@operator(
    "strewn-usage",
    "The usage chunk twice, or not last; nobody knows the request",
    applies=CHAT,
    noticed_by=("OAC-011",),
)
def strewn_usage(stream: Stream) -> Iterator[Edit]:
    for number in _usages(stream)[-1:]:
        if stream.pieces[number].value.get("choices"):
            continue
        bare = stream.but(bare=True)
        yield Edit("twice", partial(bare.inserted, number, stream.pieces[number]), group="twice")
        moved = [p for n, p in enumerate(stream.pieces) if n != number]
        for place in range(number):
            made = [*moved[:place], stream.pieces[number], *moved[place:]]
            yield Edit(f"before frame {place}", partial(bare.with_pieces, made), group="early")


def _asked(stream: Stream) -> bool:
    return members((stream.request or {}).get("stream_options")).get("include_usage") is True


@operator("usage-everywhere", "Usage in every chunk", applies=BOTH, noticed_by=("USE-002", "USE-003"))
def usage_everywhere(stream: Stream) -> Iterator[Edit]:
    made = stream
    count = 0
    for number, value in stream.objects:
        if value.get("choices") and not value.get("usage"):
            count += 1
            usage = {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": count + 1}
            made = made.changed(number, partial(_put_usage, usage))
    if count and stream.request is not None:
        yield Edit(f"{count} chunks", made.but)


def _put_usage(usage: dict[str, int], value: dict[str, Any]) -> None:
    value["usage"] = usage


@operator("usage-unasked", "Usage though it was not asked for", applies=BOTH, noticed_by=("USE-003",))
def usage_unasked(stream: Stream) -> Iterator[Edit]:
    if stream.request is not None and _usages(stream):
        request = {n: v for n, v in stream.request.items() if n not in ("stream_options", "usage")}
        yield Edit("no stream_options in the request", partial(stream.but, request=request))
