"""When things come: held back, late, silent for long."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.events import OUTPUT
from streamgauge.mutants import Edit, operator
from streamgauge.mutants.stream import FIRST, STEP, Stream

ENOUGH = 20
"""Output events from which on an answer counts as long enough to be spread over time."""


def _times(stream: Stream) -> list[float]:
    return [FIRST + STEP * n for n in range(len(stream.pieces))]


def _is_long(stream: Stream) -> bool:
    return sum(isinstance(e, OUTPUT) for e in stream.events) >= ENOUGH


@operator("held-back", "The whole answer comes at its end", applies=("all",), noticed_by=("TIM-001",))
def held_back(stream: Stream) -> Iterator[Edit]:
    if _is_long(stream):
        last = _times(stream)[-1] + 1.0
        count = len(stream.pieces)
        yield Edit("all in one read", partial(stream.but, times=(last,) * count))
        close = tuple(last + n * 1e-5 for n in range(count))
        yield Edit("all within a moment", partial(stream.but, times=close))


@operator("late-headers", "The headers come with the end of the answer", applies=("all",), noticed_by=("TIM-002",))
def late_headers(stream: Stream) -> Iterator[Edit]:
    if _is_long(stream):
        last = _times(stream)[-1]
        yield Edit(
            "headers with the last byte", partial(stream.but, headers_at=last, times=(last,) * len(stream.pieces))
        )


@operator("slow-start", "The first output after more than ten seconds", applies=("all",), noticed_by=("TIM-003",))
def slow_start(stream: Stream) -> Iterator[Edit]:
    if any(isinstance(e, OUTPUT) for e in stream.events):
        yield Edit("11 s later", partial(stream.but, times=tuple(t + 11 for t in _times(stream))))


@operator("silence", "Twenty seconds without a byte", applies=("sse",), noticed_by=("SSE-023",))
def silence(stream: Stream) -> Iterator[Edit]:
    times = _times(stream)
    for number in range(len(times)):
        made = partial(stream.but, times=tuple(t + 20 * (n >= number) for n, t in enumerate(times)))
        yield Edit(f"before frame {number}", made)


@operator(
    "late-end", "The connection stays open behind the terminator", applies=("openai-chat",), noticed_by=("SEQ-007",)
)
def late_end(stream: Stream) -> Iterator[Edit]:
    if any(b"[DONE]" in piece.raw for piece in stream.pieces):
        yield Edit("5 s later", partial(stream.but, over=_times(stream)[-1] + 5))
