"""The binary messages: checksums, headers, exceptions, payloads."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator

from streamgauge.dialects.bedrock._samples import (
    HELLO,
    INVOKED,
    START,
    delta,
    event,
    exception,
    flipped,
    message,
    metadata,
    stopped,
    text,
)
from streamgauge.dialects.bedrock._sources import CONVERSE, SMITHY
from streamgauge.dialects.bedrock._view import view
from streamgauge.evidence import brief, whole
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import members, parse
from streamgauge.wire import text as text_of

BEDROCK = ("bedrock-converse",)
EVENTSTREAM = ("eventstream",)
MODELLED = (
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
)
AGENTS = (
    "accessDeniedException",
    "badGatewayException",
    "conflictException",
    "dependencyFailedException",
    "modelNotReadyException",
    "resourceNotFoundException",
    "serviceQuotaExceededException",
)
NAMED = {"event": (":event-type",), "exception": (":exception-type",), "error": (":error-code", ":error-message")}
BROKEN = START + delta(text="Hello")


@server_rule(
    "BRK-001",
    "messages have a right prelude and right checksums",
    group="chunk-schema",
    keyword="MUST",
    basis="standard",
    source=f'{SMITHY}: "Both sections end with a four-byte unsigned integer representing a CRC32 checksum"; "If either '
    'checksum is invalid, the stream MUST be terminated"',
    applies=EVENTSTREAM,
    good=HELLO,
    bad=START + flipped(text("Hello"), 120) + stopped() + metadata(),
)
def checksums(exchange: Exchange) -> Iterator[Finding]:
    """Each frame has total length, header length, prelude CRC32, headers, payload, message CRC32; both CRCs fit, and no
    message is cut by the end of the body.
    """
    found = view(exchange)
    for bad in found.broken:
        yield Finding("a message with right lengths and CRCs", bad.reason, bad.span)
    if found.cut:
        whole(exchange)
        yield Finding("a message as long as its prelude says", "the end of the body inside it", found.cut[0])


@server_rule(
    "BRK-006",
    "headers say what a message is",
    group="chunk-schema",
    keyword="MUST",
    basis="standard",
    source=f'{SMITHY}: ":message-type", and ":event-type", ":exception-type" or ":error-code" and ":error-message" are '
    'each "Required"; "Any given header name MUST only appear once in a message"; "Header names MUST be at least one '
    'byte long"',
    applies=EVENTSTREAM,
    good=HELLO,
    bad=HELLO.replace(START, START + message({":message-type": "event"}, {})),
)
def headers_are_there(exchange: Exchange) -> Iterator[Finding]:
    """:message-type is event, exception or error, and the headers that it requires are there; no name comes twice."""
    for frame in view(exchange).messages:
        names = Counter(name for name, _ in frame.headers)
        kind = dict(frame.headers).get(":message-type")
        if kind not in NAMED:
            yield Finding(":message-type event, exception or error", f":message-type {brief(kind)}", frame.span)
        elif missing := [name for name in NAMED[kind] if name not in names]:
            yield Finding(f"{' and '.join(NAMED[kind])} beside {kind}", f"no {', '.join(missing)}", frame.span)
        if repeated := [name for name, times in names.items() if times > 1]:
            yield Finding("each header once", f"{', '.join(repeated)} again", frame.span)
        if "" in names:
            yield Finding("a name of each header", "a header without one", frame.span)


@server_rule(
    "ERR-009",
    "Bedrock's exceptions are exception frames",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{CONVERSE}: {', '.join(MODELLED)} are members of the output that are exceptions; {SMITHY}: such a "
    'member\'s ":message-type" is "exception". Names that are not modelled, and a message that is missing, count as '
    "non-strict",
    applies=BEDROCK,
    known=(
        "https://github.com/anomalyco/opencode/issues/38712",
        "https://github.com/floci-io/floci/issues/3043",
    ),
    good=BROKEN + exception("throttlingException"),
    bad=BROKEN + event("throttlingException", message="slow down"),
)
def exceptions_are_frames(exchange: Exchange) -> Iterator[Finding]:
    """modelStreamErrorException, throttlingException ... arrive as messages of the type exception."""
    found = view(exchange)
    if not found.errors:
        raise NotApplicable("the stream reports no error")
    for frame in found.errors:
        if frame.kind == "event":
            yield Finding(":message-type exception", f"{frame.type} as an event", frame.span)
        elif frame.kind == "exception" and frame.type not in (*MODELLED, *AGENTS):
            yield Finding(" | ".join(MODELLED), brief(frame.type), frame.span, mild=True)
        if frame.kind != "error" and not text_of(members(parse(frame.data)).get("message")):
            yield Finding("message, a string", brief(frame.data), frame.span, mild=True)


@server_rule(
    "BRK-012",
    "a chunk carries base64 bytes",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source="AWS, Bedrock Runtime API reference, PayloadPart "
    '(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_PayloadPart.html): "Base64-encoded bytes of '
    'payload data."',
    applies=BEDROCK,
    good=INVOKED,
    bad=INVOKED + event("chunk", bytes="not base64!"),
)
def chunks_are_base64(exchange: Exchange) -> Iterator[Finding]:
    """The payload of a chunk has `bytes`, a base64 string."""
    chunks = view(exchange).of("chunk")
    if not chunks:
        raise NotApplicable("the stream has no chunk: no model was invoked")
    for told in chunks:
        value = told.value.get("bytes")
        try:
            base64.b64decode(value if isinstance(value, str) else "%", validate=True)
        except (binascii.Error, ValueError):
            yield Finding("bytes, a base64 string", brief(told.value), told.span)
