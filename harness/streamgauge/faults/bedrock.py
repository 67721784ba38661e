"""Faults of AWS event streams: checksums, exceptions, headers, events that are missing."""

from __future__ import annotations

from streamgauge.dialects.bedrock.encoder import EXCEPTIONS, exception
from streamgauge.eventstream import EventMessage, EventStreamDecoder, encode_message
from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, middle_output, one_of
from streamgauge.faults.status import MESSAGE
from streamgauge.script import Script

BEDROCK = ("bedrock-converse",)
EVENTSTREAM = ("eventstream",)


@fault(
    "F-E12",
    "wrong-crc",
    "A message whose checksum is wrong",
    layer="dialect",
    effect="damaged",
    applies=EVENTSTREAM,
    argument="message or prelude",
    variants=("message", "prelude"),
    expected='an error: "If either checksum is invalid, the stream MUST be terminated"',
)
def wrong_crc(script: Script, argument: str) -> Script:
    """One bit of a message in the middle of the output: of its last byte, or of its length."""
    at = {"message": -1, "prelude": 3}[one_of(argument, "message", "prelude")]
    index = middle_output(script)
    frames = script.frames()
    if index is None:
        return script
    damaged = bytearray(frames[index])
    damaged[at] ^= 1
    return script.with_body([*frames[:index], bytes(damaged), *frames[index + 1 :]])


@fault(
    "F-E12b",
    "exception-frame",
    "A modelled exception in the middle",
    layer="dialect",
    effect="error",
    applies=BEDROCK,
    argument=f"one of {', '.join(EXCEPTIONS)}",
    variants=EXCEPTIONS,
    expected="the library's error with the exception's name and message, what had come is kept",
)
def exception_frame(script: Script, argument: str) -> Script:
    """`:message-type` exception, the name in `:exception-type`."""
    failed = exception(one_of(argument, *EXCEPTIONS), MESSAGE)
    return script.with_body([*script.frames()[: halfway(script)], failed])


@fault(
    "F-E12c",
    "unmodelled-error",
    "An error message without a payload, in the middle",
    layer="dialect",
    effect="error",
    applies=EVENTSTREAM,
    expected="the library's error with the code and the message of the headers",
)
def unmodelled_error(script: Script, _: str) -> Script:
    """Smithy: "servers MAY serialize unmodeled error events. These generally represent unexpected errors." """
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": MESSAGE}
    return script.with_body([*script.frames()[: halfway(script)], encode_message(headers, b"")])


@fault(
    "F-E12d",
    "no-metadata",
    "The metadata event is missing",
    layer="dialect",
    effect="damaged",
    applies=BEDROCK,
    expected="the same answer; its usage is unknown, not zero",
)
def no_metadata(script: Script, _: str) -> Script:
    """Gateways leave it out."""
    return script.edit(lambda frames: [f for f in frames if b"metadata" not in f[12:40]])


@fault(
    "F-E12e",
    "more-headers",
    "Headers in another order, with one more of another type",
    layer="dialect",
    effect="lossless",
    applies=EVENTSTREAM,
    expected="the same events",
)
def more_headers(script: Script, _: str) -> Script:
    """Smithy: "An event MAY have any number of headers. The order in which headers are encoded is meaningless"."""

    def change(frame: bytes) -> bytes:
        found = EventStreamDecoder().feed(frame)
        if len(found) != 1 or not isinstance(message := found[0], EventMessage):
            return frame
        headers = {"streamgauge": "x", **dict(reversed(message.headers))}
        return encode_message(headers, message.data.encode())

    return script.edit(lambda frames: [change(f) for f in frames])
