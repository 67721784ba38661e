"""What a server rule may take for granted: each guard raises NotApplicable, with the reason, where it may not."""

from __future__ import annotations

import reprlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from streamgauge.events import OUTPUT, Span
from streamgauge.rules import Exchange, NotApplicable
from streamgauge.wire import Undecodable, members, parse

_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxstring = _REPR.maxother = 160
_REPR.maxdict = _REPR.maxlist = 8


def brief(value: Any) -> str:
    """A value of unknown size and depth, shown short and printable; never raises."""
    try:
        return _REPR.repr(value)
    except (ValueError, RecursionError):
        return f"a value of type {type(value).__name__} that can't be shown"


def status(exchange: Exchange) -> int:
    """The HTTP status."""
    if exchange.trace.status is None:
        raise NotApplicable("only the body is known, not the HTTP status")
    return exchange.trace.status


def header(exchange: Exchange, name: str) -> str | None:
    """A header of the response, which must be known."""
    if exchange.trace.headers is None:
        raise NotApplicable("the response headers are not known")
    return exchange.trace.header(name)


def media_type(exchange: Exchange) -> str:
    """The essence of the Content-Type in lower case, "" where the header is missing."""
    return (header(exchange, "Content-Type") or "").partition(";")[0].strip().lower()


def answered(exchange: Exchange) -> None:
    """The answer is no HTTP error (nothing is known against it)."""
    code = exchange.trace.status
    if code is not None and not 200 <= code < 300:
        raise NotApplicable(f"the answer is not a success (HTTP {code})")


def is_stream(exchange: Exchange) -> bool:
    """Whether the body has anything of the dialect's framing in it."""
    # To a framer of binary messages any bytes are one, damaged: JSON's or HTML's first one would say gigabytes.
    text = exchange.framing == "eventstream" and exchange.body[:64].lstrip()[:1] in (b"{", b"[", b"<")
    return bool(exchange.frames) and not text


def streamed(exchange: Exchange) -> None:
    """The answer is a stream: neither an HTTP error nor a body of another kind."""
    answered(exchange)
    request = exchange.trace.request
    if not exchange.streams or (request is not None and request.get("stream") is False):
        raise NotApplicable("the request asked for no stream")
    if not is_stream(exchange):
        raise NotApplicable(f"the body is no {exchange.dialect.framing} stream (see HTTP-004)")


def whole(exchange: Exchange) -> None:
    """The stream was read to the end that the server gave it."""
    streamed(exchange)
    ended = exchange.trace.ended
    if ended in ("timeout", "closed"):
        raise NotApplicable(f"the stream was not read to its end ({ended})")
    if ended != "eof":
        raise NotApplicable(f"the connection broke ({ended}); see HTTP-006 and ERR-001")


def timed(exchange: Exchange) -> None:
    """The times of the arrivals mean something."""
    if not exchange.trace.timed or not exchange.trace.arrivals:
        raise NotApplicable("no arrival times are known")


def times_of(exchange: Exchange, spans: Iterable[Span]) -> list[float]:
    """When the last byte of each span arrived, in seconds since the request was sent."""
    arrivals = exchange.trace.arrivals
    ends = list(accumulate(len(a.data) for a in arrivals))
    return [arrivals[min(bisect_left(ends, end), len(ends) - 1)].at for _, end in spans]


def output_times(exchange: Exchange) -> list[float]:
    """When each event that carries output arrived."""
    return times_of(exchange, (e.span for e in exchange.events if isinstance(e, OUTPUT)))


def as_json(exchange: Exchange) -> Any:
    """The body as one JSON value, or `Undecodable`."""
    try:
        return parse(exchange.body.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Undecodable(str(error))


_SETTINGS = ("options", "generationConfig", "generation_config", "inferenceConfig", "parameters")
"""Where Ollama, Gemini (in either spelling), Bedrock and Text Generation Inference put them."""


def settings(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects of a request that may say how to sample: itself, and the one its dialect has for that."""
    yield dict(request)
    for name in _SETTINGS:
        yield members(request.get(name))


def deterministic(exchange: Exchange) -> None:
    """The request, as far as it is known, asks for the same answer each time."""
    request = exchange.trace.request
    if request is not None and not any(
        s.get("temperature") == 0 or s.get("seed") is not None for s in settings(request)
    ):
        raise NotApplicable("the request is not deterministic: neither temperature 0 nor a seed")


def option(exchange: Exchange, *path: str) -> Any:
    """A member of the known request by its path, None where it is not set."""
    value: Any = exchange.request
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
