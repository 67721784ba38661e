"""Faults of loss: the answer ends before it is whole."""

from __future__ import annotations

from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, number, one_of, output_frames
from streamgauge.script import Script

COUNT = "the number of events that are kept (negative: all but so many; without one: half)"


@fault(
    "F-C01",
    "truncate",
    "A clean end of the message without the rest of the stream",
    layer="loss",
    effect="truncated",
    argument=COUNT,
    expected="an error that says the stream is incomplete, with what had come; never success",
)
def truncate(script: Script, argument: str) -> Script:
    """Only the dialect's missing terminator can tell."""
    return script.with_body(script.frames()[: halfway(script, argument)])


@fault(
    "F-C02",
    "fin",
    "The connection is closed without the last chunk",
    layer="loss",
    effect="broken",
    argument=COUNT,
    expected="the library's connection error, with what had come",
)
def fin(script: Script, argument: str) -> Script:
    """RFC 9112 8: "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that
    terminates the encoding has not been received"."""
    return script.with_body(script.frames()[: halfway(script, argument)]).but(framing="chunked", ending="fin")


@fault(
    "F-C03",
    "reset",
    "The connection is reset (TCP RST)",
    layer="loss",
    effect="broken",
    argument=COUNT,
    expected="the library's connection error, with what had come",
)
def reset(script: Script, argument: str) -> Script:
    """What a killed server or a load balancer does."""
    return script.with_body(script.frames()[: halfway(script, argument)]).but(ending="reset")


@fault(
    "F-C04",
    "truncate-mid-event",
    "A clean end in the middle of an event",
    layer="loss",
    effect="truncated",
    argument="the number of bytes that are kept (without one: half of an event in the middle)",
    expected="an error that says the stream is incomplete; the half event is not delivered",
)
def truncate_mid_event(script: Script, argument: str) -> Script:
    """WHATWG HTML 9.2.6: "Once the end of the file is reached, any pending data must be discarded"."""
    if argument:
        return script.with_body([script.body[: int(argument)]])
    frames = script.frames()
    half_way = halfway(script)
    kept = next((n for n in output_frames(script) if n >= half_way), half_way)
    half = frames[kept][: len(frames[kept]) // 2] if kept < len(frames) else b""
    return script.with_body([*frames[:kept], half])


@fault(
    "F-C05",
    "close-truncate",
    "A body that only the end of the connection ends, cut",
    layer="loss",
    effect="truncated",
    argument=COUNT,
    expected="an error that says the stream is incomplete: only the dialect's terminator can tell",
)
def close_truncate(script: Script, argument: str) -> Script:
    """RFC 9112 8: such a message can't be told from a complete one."""
    return script.with_body(script.frames()[: halfway(script, argument)]).but(framing="close", keep_alive=False)


@fault(
    "F-C06",
    "length-too-long",
    "A Content-Length that the body does not reach",
    layer="loss",
    effect="broken",
    argument="the number of bytes that are missing (without one: from half of the events on)",
    expected="the library's connection error, with what had come",
)
def length_too_long(script: Script, argument: str) -> Script:
    """RFC 9112 8: "incomplete if the size of the message body received (in octets) is less than the value given"."""
    declared = len(script.body)
    if argument:
        missing = number(argument, 0)
        return script.but(framing="length", declared_length=declared + missing, ending="fin")
    kept = script.with_body(script.frames()[: halfway(script)])
    return kept.but(framing="length", declared_length=declared, ending="fin")


@fault(
    "F-C07",
    "length-too-short",
    "A Content-Length that ends before the body does",
    layer="loss",
    effect="truncated",
    argument="the Content-Length (without one: half of the events)",
    expected="the client stops at the length and says that the stream is incomplete",
)
def length_too_short(script: Script, argument: str) -> Script:
    """RFC 9112 6.3: the length is the message's; what follows is not part of it."""
    length = int(argument) if argument else sum(map(len, script.frames()[: halfway(script)]))
    if not 0 <= length <= len(script.body):
        raise ValueError(f"the body has {len(script.body)} bytes")
    return script.but(framing="length", declared_length=length)


@fault(
    "F-C09",
    "truncated-coding",
    "A compressed body whose end is missing",
    layer="loss",
    effect="truncated",
    argument="gzip, deflate, br or zstd",
    variants=("gzip", "deflate", "br", "zstd"),
    expected="the library's error: the body can't be decoded to its end",
)
def truncated_coding(script: Script, argument: str) -> Script:
    """Half of the events, then a clean end of the message without the end of the gzip member (RFC 1952 2.3)."""
    kept = script.with_body(script.frames()[: halfway(script)])
    return kept.but(coding=one_of(argument, "gzip", "deflate", "br", "zstd"), coding_cut=True)
