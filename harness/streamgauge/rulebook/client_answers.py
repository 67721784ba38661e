"""Client rules for answers that are no stream: another media type, an error status, nothing (RFC 9110)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import claims_success, merged, must_tell, outcome, prerequisite
from streamgauge.rules import Finding, client_rule
from streamgauge.wire import members, parse, text

_http = partial(client_rule, group="transport", applies=("all",))
PROCESSING = (
    "WHATWG HTML 9.2.3 Processing model "
    "(https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model)"
)
TEXT = ("plain-text",)


@_http(
    "HTTP-014",
    "a client rejects a 200 that is not the expected media type",
    keyword="SHOULD",
    basis="standard",
    source=PROCESSING + " (fail the connection if the type is not text/event-stream)",
    statement="A client that gets 200 with another media type (text/html, application/json) raises an error that "
    "shows the body, and does not return an empty successful stream.",
    known=("https://github.com/langchain-ai/langgraphjs/issues/2718",),
    faults=("not-a-stream:json", "not-a-stream:html", "wrong-content-type"),
    cases=TEXT,
    broken=claims_success,
)
def other_media_type(seen: Observation) -> Iterator[Finding]:
    """A stream under a wrong label may also be read for what it is."""
    yield from prerequisite(seen)
    if seen.run.succeeded:
        whole = seen.baseline is not None and merged(seen.run.said) == merged(seen.baseline.said)
        if not (whole and seen.run.said):
            yield Finding("an error that shows the body", outcome(seen.run))
    elif not _shows(seen):
        yield Finding("an error that shows the body", outcome(seen.run))


def _shows(seen: Observation) -> bool:
    """Whether the exception's message holds something of the body: its error's message, or its first words."""
    said = seen.run.raised.message if seen.run.raised else outcome(seen.run)
    body = seen.body.decode("utf-8", "replace").strip()
    answer = members(parse(body))
    stated = answer.get("error", answer)  # Ollama's error is a text, Cohere's and Bedrock's message stands at the top
    error = text(stated) or text(members(stated).get("message"))
    readable = "\0" not in body[:24]  # nothing of a binary stream can be shown
    return not body or not readable or (error or body[:24]) in said or bool(seen.run.raised and "event-stream" in said)


@_http(
    "HTTP-037",
    "an error status is an error that shows itself",
    keyword="MUST",
    basis="standard",
    source='RFC 9110 15: "a client MUST understand the class of any status code, as indicated by the first digit"; '
    '"4xx (Client Error): The request contains bad syntax or cannot be fulfilled", "5xx (Server Error): The server '
    'failed to fulfill an apparently valid request"',
    statement="A 4xx or 5xx before the stream is raised as an error that shows the status and the body.",
    faults=(
        "status:400",
        "status:401",
        "status:403",
        "status:404",
        "status:429",
        "status:500",
        "status:529",
        "status:500,text",
        "status:502,html",
        "status:503,empty",
        "retry-after",
        "retry-after:99999999",
    ),
    cases=TEXT,
    broken=claims_success,
)
def error_status(seen: Observation) -> Iterator[Finding]:
    """That it is an error is the standard's; that it shows status and body is only what helps."""
    code = seen.fault.partition(":")[2].partition(",")[0] if seen.fault.startswith("status") else "429"
    told = outcome(seen.run) if seen.run.raised is None else seen.run.raised.message
    if seen.run.succeeded or seen.run.hung:
        yield Finding(f"an error for the status {code}", outcome(seen.run))
    elif code not in told:
        yield Finding(f"an error that names the status {code}", outcome(seen.run), mild=True)
    elif not seen.fault.endswith("html") and not _shows(seen):
        yield Finding("an error that shows the body", outcome(seen.run), mild=True)


@_http(
    "HTTP-038",
    "a status without a stream is no empty success",
    keyword="SHOULD",
    basis="de-facto",
    source="de facto; RFC 9110 15.3.5 to 15.3.7 and 15.4.5 say that these statuses carry no such answer, and 15.4: "
    '"A client SHOULD detect and intervene in cyclical redirections"',
    statement="204, 205, 206, 304 and a redirect to itself are reported as errors.",
    faults=("empty-status:204", "empty-status:205", "empty-status:206", "empty-status:304", "redirect:loop"),
    cases=TEXT,
    broken=claims_success,
)
def empty_status(seen: Observation) -> Iterator[Finding]:
    """Nothing was answered."""
    yield from must_tell(seen, "an error: there is no answer")
