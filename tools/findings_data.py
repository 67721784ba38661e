"""What the pages of `tools/findings.py` say by hand: what each defect is, and what is no defect although it fails.

A finding is a verdict of the conformance matrix on a library of `findings_libraries.py` under a rule named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import findings_bodies as b
from findings_bodies import chat, gemini, ollama, piece, said

from streamgauge.events import Start, TextDelta
from streamgauge.registry import get_dialect


@dataclass(frozen=True, slots=True)
class Reply:
    """What a reproducer's server answers: a body, in one write or in several, and what is odd about its head.

    more: bytes that Content-Length promises and that do not come. interim: an answer before the answer.
    """

    body: bytes | tuple[bytes, ...]
    status: int = 200
    media: str = ""
    more: int = 0
    interim: bytes = b""


@dataclass(frozen=True, slots=True)
class Defect:
    """A rule seen from the user: `happens` and `matters` are sentences, `replies` show it, by dialect or subject.

    shown: whether an output is that of the defect. fault: the fault that a verdict must be of, "" for any. source: where
    it is not the rule's.
    """

    rule: str
    slug: str
    title: str
    severity: str
    happens: str
    matters: str
    expected: str
    replies: dict[str, Reply]
    shown: Callable[[str], bool] = lambda out: not out.startswith(("Hello\nno error", "Hello[stop]\nno error"))
    fault: str = ""
    source: str = ""


def _events(*texts: str) -> bytes:
    """The beginning of a Bedrock stream."""
    return b"".join(get_dialect("bedrock-converse").encode([Start("", "m"), *map(TextDelta, texts)]))


SUCCESS: Callable[[str], bool] = lambda out: out.endswith("no error")  # noqa: E731
BEDROCK = _events("Hel", "lo")
EVENT_STREAM = "application/vnd.amazon.eventstream"
END_OF_BODY = (
    "The body ends where its Content-Length says, but the event that ends the stream has not come. The library hands "
    "over what there is as if nothing were missing."
)
REPLACED = (
    "The server is wrong to send it (RFC 8259 8.1), but the standard says what a client then does: it replaces "
    "ill-formed bytes by U+FFFD and goes on. Model servers that cut a character between tokens do send such bytes."
)

DEFECTS = (
    Defect(
        "SEQ-010",
        "truncated-is-success",
        "a stream that breaks off is handed over as a complete answer",
        "high: an answer that was cut is used as if it were whole",
        END_OF_BODY,
        "Servers that are stopped and proxies that time out end bodies so. A caller could look whether a finish reason "
        "has come, but nothing asks for it, and no documentation of the library does.",
        "an exception, or any other sign, that the stream is incomplete",
        {
            "openai-chat": Reply(said(chat("Hel"))),
            "anthropic-messages": Reply(b.START + piece("Hel")),
            "gemini-generate": Reply(said(gemini("Hel"))),
            "ollama-chat": Reply(ollama("Hel")),
            "cohere-chat": Reply(b.COHERE_START + b.cohere("Hel")),
        },
        SUCCESS,
    ),
    Defect(
        "SEQ-010",
        "half-a-message-is-dropped",
        "a body that ends inside an event-stream message is handed over as complete",
        "high: an answer that was cut is used as if it were whole",
        "The body ends in the middle of a message: its prelude states a length that has not come. The decoder drops what "
        "it holds, and the iteration ends as if nothing were missing.",
        "The message's own length says that it is incomplete, whatever the API. AWS's SDK for JavaScript raises in the "
        'same place: "Truncated event message received."',
        "an exception: the message is incomplete",
        {"boto3": Reply(BEDROCK[:-20], media=EVENT_STREAM)},
        SUCCESS,
        "truncate-mid-event",
        "Amazon Event Stream Specification (https://smithy.io/2.0/aws/amazon-eventstream.html): the prelude of a message "
        "states its total byte length",
    ),
    Defect(
        "HTTP-030",
        "short-body-is-success",
        "a body that is shorter than its Content-Length is handed over as complete",
        "high: a connection that breaks is taken for the end of the answer",
        "Content-Length promises 100 bytes more than come before the connection is closed. The iteration ends as if "
        "nothing were missing.",
        "This is what any broken connection looks like; urllib3 can tell (`IncompleteRead`), and is not asked.",
        "an exception: the response is incomplete",
        {"boto3": Reply(BEDROCK, media=EVENT_STREAM, more=100)},
        SUCCESS,
        "length-too-long",
    ),
    Defect(
        "SSE-006",
        "invalid-utf8-ends-the-stream",
        "one ill-formed byte ends the stream with a decoding error",
        "medium: a half character from a model's tokenizer loses the rest of the answer",
        "One byte of the second event is no UTF-8. The iteration raises, and what follows is lost.",
        REPLACED,
        "Hel, then l, U+FFFD and o, and the end",
        {
            "openai-chat": Reply(said(chat("Hel")) + b.ill_formed(lambda text: said(chat(text))) + b.CHAT_END),
            "anthropic-messages": Reply(b.START + piece("Hel") + b.ill_formed(piece) + b.STOP),
        },
        lambda out: "no error" not in out,
    ),
    Defect(
        "SSE-008",
        "byte-order-mark-loses-the-first-event",
        "a byte order mark before the first event loses that event",
        "low: servers that write a byte order mark are rare, but the loss is silent",
        "The body begins with a byte order mark, which the standard's grammar allows. The first event is lost, or fails.",
        "The standard strips one leading byte order mark, so browsers and conforming parsers read the stream.",
        "Hello",
        {
            "openai-chat": Reply(b.BOM + said(chat("Hel")) + said(chat("lo")) + b.CHAT_END),
            # It strips a byte order mark that comes whole, and loses the first event when it comes in two reads.
            "mistralai": Reply((b.BOM[:1], b.BOM[1:] + said(chat("Hel")) + said(chat("lo")) + b.CHAT_END)),
            "gemini-generate": Reply(b.BOM + said(gemini("Hel")) + said(b.GEMINI_LAST)),
        },
    ),
    Defect(
        "SSE-014",
        "block-without-data-is-an-event",
        "a block without data is handed to the JSON parser",
        "medium: any server or proxy that sets retry, or id and keep-alives, kills the stream",
        "A block that has only a retry field stands between two events. It is taken for an event with empty data, and "
        "parsing that as JSON fails.",
        'The standard: "If the data buffer is an empty string, set the data buffer and the event type buffer to the empty '
        'string and return." Once an id was set, a comment between two blank lines does the same.',
        "Hello",
        {"openai-chat": Reply(said(chat("Hel")) + b"retry: 3000\n\n" + said(chat("lo")) + b.CHAT_END)},
    ),
    Defect(
        "SSE-013",
        "comments-are-parsed",
        "a comment, which servers send to keep a connection alive, breaks the stream",
        "high: keep-alive comments are what the standard advises and what proxies insert",
        "A line that begins with a colon stands between two events. It is read as data, and what follows is lost.",
        'The standard: "If the line starts with a U+003A COLON character (:): Ignore the line."',
        "Hello",
        {"gemini-generate": Reply(said(gemini("Hel")) + b": keep-alive\n\n" + said(b.GEMINI_LAST))},
    ),
    Defect(
        "SSE-012",
        "space-behind-the-colon-is-required",
        "`data:` without a space behind the colon is not understood",
        "medium: the space is optional, and there are servers that leave it out",
        "The fields are written without the optional space. The events are lost, or fail.",
        'The standard: "If value starts with a U+0020 SPACE character, remove it from value" - the space is optional.',
        "Hello",
        {
            "openai-chat": Reply(
                b"".join(said(d, b"data:") for d in (chat("Hel"), chat("lo"), chat("", "stop"), b"[DONE]"))
            ),
            "gemini-generate": Reply(said(gemini("Hel"), b"data:") + said(b.GEMINI_LAST, b"data:")),
        },
    ),
    Defect(
        "SSE-011",
        "data-lines-are-not-joined",
        "an event whose data is in two lines fails",
        "low: few servers split data, but a proxy may",
        "The JSON of one event stands in two data lines. Each line is parsed on its own, and fails.",
        "The standard joins the data lines of one event with a line feed, which JSON allows between its tokens.",
        "Hello",
        {
            "openai-chat": Reply(
                said(chat("Hel")) + said(chat("lo").replace(b',"choices"', b',\ndata: "choices"', 1)) + b.CHAT_END
            ),
        },
    ),
    Defect(
        "SSE-001",
        "line-separator-in-text-cuts-the-event",
        "a U+2028 inside the text cuts the event in two",
        "medium: a character of the answer's own text ends the stream",
        "The text of the second event holds U+2028, raw, as JSON allows (RFC 8259 7). The event is cut there, and fails.",
        "By the standard only LF, CR and CRLF end a line; Python's str.splitlines() also cuts at U+2028, U+0085 and others.",
        "Hel, U+2028 and lo",
        {"openai-chat": Reply(said(chat("Hel")) + said(chat("\u2028lo")) + b.CHAT_END)},
        lambda out: "no error" not in out,
        "injection:separators",
    ),
    Defect(
        "OLL-021",
        "next-line-in-text-cuts-the-object",
        "a U+0085 inside the text cuts the object in two",
        "medium: a character of the answer's own text ends the stream",
        "The text of the second object holds U+0085, raw, as JSON allows (RFC 8259 7) and as Go's encoder, and so Ollama, "
        "writes it. The line is cut there, and parsing its half fails.",
        "Only LF ends a line of NDJSON; Python's str.splitlines(), and httpx's iter_lines(), also cut at U+0085.",
        "Hel, U+0085 and lo",
        {"ollama-chat": Reply(ollama("Hel") + ollama("\x85lo") + b.OLLAMA_LAST)},
        lambda out: "no error" not in out,
    ),
    Defect(
        "HTTP-033",
        "early-hints-are-the-answer",
        "a 103 (Early Hints) is taken for the answer",
        "medium: whatever stands behind a proxy that sends hints is never read, and no error says so",
        "An interim response comes before the final one. It is handed over as the final one, with an empty body.",
        "An interim response has no body, and the request is not answered by it. http.client, which reads the status "
        "line, skips a 100 only; whoever reads a stream by requests sees one without events.",
        "200 hello",
        {"requests": Reply(b"hello", interim=b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")},
        lambda out: out.startswith("103"),
        fault="http-extras:interim",
    ),
    Defect(
        "HTTP-014",
        "html-page-raises-unbound-local-error",
        "an HTML page in place of the stream raises UnboundLocalError",
        "low: the user of a failing gateway sees a bug of the library's in place of what the gateway said",
        "A 200 with an HTML page comes in place of the stream, as from a gateway that fails. The library trips over a "
        "variable of its own that was never set.",
        "Nobody means to raise UnboundLocalError.",
        "an error that says what came",
        {"g4f": Reply(b"<html>Bad Gateway</html>", media="text/html")},
        lambda out: "UnboundLocalError" in out,
        "not-a-stream:html",
    ),
    Defect(
        "HTTP-037",
        "empty-error-body-raises-response-not-read",
        "an error status with an empty body raises httpx2.ResponseNotRead, without the status",
        "medium: handlers of the library's errors don't see a 503, and what they do see doesn't name it",
        "The answer is 503 with an empty body. What is raised is an error about how the library used its HTTP client, not "
        "`SDKError` with the status, as for the same status with a body.",
        'The library\'s README: "`MistralError` is the base class for all HTTP error responses", with `status_code`.',
        "mistralai.client.errors.sdkerror.SDKError: API error occurred: Status 503",
        {"mistralai": Reply(b"", 503, "application/json")},
        lambda out: "ResponseNotRead" in out,
        "status:503,empty",
    ),
)

NOT_FINDINGS = {
    ("anthropic", "SSE-008"): "the event that is lost is message_start, which carries no text",
    ("anthropic-helper", "SSE-008"): "the same as on the plain path",
    ("anthropic-helper", "SSE-006"): "the same as on the plain path",
    ("openai-helper", "SSE-006"): "the same as on the plain path",
    ("openai-helper", "SSE-008"): "the same as on the plain path",
    ("openai-helper", "SSE-014"): "the same as on the plain path",
    ("openai", "SEQ-010"): "shown by the helper, whose documentation promises the end of the stream",
    ("anthropic", "SEQ-010"): "shown by the helper, whose documentation promises the end of the stream",
    ("google-genai", "SSE-014"): "the same as its comments",
    ("google-genai", "SSE-006"): "only its aiohttp path; the sync path passes",
    ("httpx-sse", "SSE-014"): "its events carry retry, which is how its users get at it: a matter of design",
    ("sseclient-py", "SEQ-010"): "it knows nothing of terminators, and does not claim to",
    ("httpx-sse", "SEQ-010"): "it knows nothing of terminators, and does not claim to",
    ("litellm-gemini", "SSE-014"): "the same as its comments",
    **dict.fromkeys(
        (("huggingface-text", rule) for rule in ("SEQ-010", "SSE-001", "SSE-008", "SSE-011")),
        "the same lines are read as for its chat",
    ),
}
"""What fails by the matrix and has no page, and why. Nor have line ends of CR alone, half events at the end of the
bytes and TLS without close_notify, which no service sends today or which whole platforms take so."""

REPORTED = {
    ("openai", "SSE-014"): ("https://github.com/openai/openai-python/issues/2722",),
    ("openai", "SSE-008"): ("https://github.com/openai/openai-python/pull/3819",),
    ("huggingface-hub", "SSE-012"): ("https://github.com/huggingface/huggingface_hub/issues/4536",),
    ("google-genai", "SSE-012"): ("https://github.com/googleapis/python-genai/pull/2584",),
    ("google-genai", "SSE-013"): ("https://github.com/googleapis/python-genai/pull/487",),
    ("requests", "HTTP-033"): (
        "https://github.com/python/cpython/issues/42550",
        "https://github.com/urllib3/urllib3/issues/3336",
    ),
}
"""Where others have told the project of the same."""
