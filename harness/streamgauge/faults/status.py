"""Faults of the answer as a whole: an error status, no stream at all, or an error inside the stream."""

from __future__ import annotations

from streamgauge.faults import fault
from streamgauge.faults._edit import halfway, one_of
from streamgauge.script import ELSEWHERE, Script
from streamgauge.trace import Headers

MESSAGE = "streamgauge: this failure is part of the test"
HTML = (
    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
    b"<body><h1>502 Bad Gateway</h1><p>streamgauge: this failure is part of the test</p></body></html>"
)
_STATUSES = ("400", "401", "403", "404", "408", "409", "413", "422", "429", "500", "502", "503", "504", "529")


@fault(
    "F-F01",
    "status",
    "An HTTP error before the stream",
    layer="status",
    effect="refused",
    argument="a status from 400 to 599, then json, text, html or empty behind a comma",
    variants=(*_STATUSES, "500,text", "502,html", "503,empty"),
    expected="the library's status error, with the status and the body",
)
def status(script: Script, argument: str) -> Script:
    """By default 500 with the dialect's error body."""
    code, _, kind = (argument or "500").partition(",")
    if not 400 <= int(code) <= 599:
        raise ValueError("not a status of an error")
    return _error(script, int(code), one_of(kind, "json", "text", "html", "empty"))


@fault(
    "F-F02",
    "retry-after",
    "429 with Retry-After",
    layer="status",
    effect="refused",
    argument="the header's value: seconds or a date (without one: 1), or none",
    variants=("", "0", "Wed, 21 Oct 2099 07:28:00 GMT", "99999999", "none"),
    expected="the library's rate-limit error, or a bounded number of retries before the first event, not sooner",
)
def retry_after(script: Script, argument: str) -> Script:
    """RFC 9110 10.2.3."""
    value = argument or "1"
    headers: Headers = () if value == "none" else (("Retry-After", value),)
    return _error(script, 429, "json", headers)


@fault(
    "F-F02b",
    "retry-then-success",
    "One 503 with Retry-After: 0, then the stream",
    layer="status",
    effect="refused",
    expected="the library's status error where retries are off; the whole stream where they are on",
)
def retry_then_success(script: Script, _: str) -> Script:
    """The second request to the same mount gets the stream."""
    return _error(script, 503, "json", (("Retry-After", "0"),)).but(then=script)


@fault(
    "F-F03",
    "not-a-stream",
    "200 with a JSON error, an HTML page or nothing",
    layer="status",
    effect="refused",
    argument="json, html or empty",
    variants=("json", "html", "empty"),
    expected="an error that shows status, type and body; never an empty success",
)
def not_a_stream(script: Script, argument: str) -> Script:
    """What gateways send when their upstream fails."""
    return _error(script, 200, one_of(argument, "json", "html", "empty"))


@fault(
    "F-F03b",
    "wrong-content-type",
    "The stream under another media type",
    layer="status",
    effect="damaged",
    argument="the media type (without one: text/plain)",
    expected="an error that shows the type, or the same events",
)
def wrong_content_type(script: Script, argument: str) -> Script:
    """The bytes are right; only their label is not."""
    others = tuple(h for h in script.headers if h[0].lower() != "content-type")
    return script.but(headers=(("Content-Type", argument or "text/plain"), *others))


@fault(
    "F-F04",
    "error-frame",
    "The stream reports an error",
    layer="status",
    effect="error",
    argument="middle, first (before any output) or terminated (middle, with the terminator behind it)",
    variants=("middle", "first", "terminated"),
    expected="the library's error with the message, what had come is kept, no retry of its own",
)
def error_frame(script: Script, argument: str) -> Script:
    """The dialect's own form of an error inside a stream that began with 200."""
    where = one_of(argument, "middle", "first", "terminated")
    kept = [] if where == "first" else script.frames()[: halfway(script)]
    end = script.dialect.terminator if where == "terminated" else b""
    return script.with_body([*kept, script.dialect.error_frame(MESSAGE, "server_error"), end])


@fault(
    "F-F05",
    "redirect",
    "A redirect to the stream",
    layer="status",
    effect="damaged",
    argument="301, 302, 303, 307, 308, loop (307 for ever), or elsewhere (307 to another host's name)",
    variants=("307", "308", "301", "302", "303", "loop", "elsewhere"),
    expected="307 and 308 keep the POST and its body; otherwise, and after a bounded number, an error; no key goes to "
    "another host",
)
def redirect(script: Script, argument: str) -> Script:
    """RFC 9110 15.4; the second request to the same mount gets the stream, unless it is a loop."""
    code = one_of(argument, "307", "308", "301", "302", "303", "loop", "elsewhere")
    to = (("Location", "?redirected"),)
    if code == "elsewhere":
        return _error(script, 307, "empty", (("Location", ELSEWHERE),)).but(then=script)
    if code == "loop":
        return _error(script, 307, "empty", to)
    return _error(script, int(code), "empty", to).but(then=script)


@fault(
    "F-F06",
    "empty-status",
    "A status that has no stream",
    layer="status",
    effect="refused",
    argument="204, 205, 206 or 304",
    variants=("204", "205", "206", "304"),
    expected="an error, not an empty success",
)
def empty_status(script: Script, argument: str) -> Script:
    """RFC 9110 15.3.5-15.3.7, 15.4.5."""
    return _error(script, int(one_of(argument, "204", "205", "206", "304")), "empty")


_TYPES = {"json": "application/json", "text": "text/plain; charset=utf-8", "html": "text/html; charset=utf-8"}


def _error(script: Script, code: int, kind: str, headers: Headers = ()) -> Script:
    if kind == "json":
        body = script.dialect.error_body(code, MESSAGE)
    else:
        body = {"text": MESSAGE.encode(), "html": HTML, "empty": b""}[kind]
    media = (("Content-Type", _TYPES.get(kind, script.dialect.media_type)),)
    return script.with_body([body]).but(status=code, headers=(*media, *headers), framing="length", ending="complete")
