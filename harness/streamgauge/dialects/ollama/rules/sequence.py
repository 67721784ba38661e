"""The order of objects: new text in each, then one that is the last, or an error."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.dialects.ollama._samples import HELLO, chat, end, lines
from streamgauge.dialects.ollama._sources import ERRORS, SCHEMA
from streamgauge.dialects.ollama._view import objects_of, said
from streamgauge.evidence import brief, whole
from streamgauge.increments import Told
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule

APPLIES = ("ollama-chat", "ollama-generate")


@server_rule(
    "OLL-002",
    "done is false until the last object",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{SCHEMA}, ChatStreamEvent: done is of type boolean, "True for the final event in the stream"; '
    'GenerateStreamEvent: "Indicates whether the stream has finished". One without it, before the last, counts as '
    "non-strict: no member is required",
    applies=APPLIES,
    known=("https://github.com/ollama/ollama-vscode/issues/61",),
    good=lines(*HELLO),
    bad=lines(HELLO[0], {**HELLO[1], "done": 0}, HELLO[2]),
)
def done_is_last(exchange: Exchange) -> Iterator[Finding]:
    """Every object has done; only the last has done:true."""
    objects = objects_of(exchange)
    failed = any("error" in value for value, _ in objects)
    for number, (value, span) in enumerate(objects):
        if "error" in value:
            continue
        done = value.get("done")
        if not isinstance(done, bool):
            yield Finding("done: true or false", f"done {brief(done)}", span, mild="done" not in value)
        elif done and number + 1 < len(objects):
            yield Finding("done: true in the last object only", f"{len(objects) - number - 1} more behind it", span)
    if not failed and objects[-1][0].get("done", False) is False:
        whole(exchange)
        yield Finding("done: true in the last object", "the end of the body without it", objects[-1][1])


@server_rule(
    "OLL-008",
    "objects hold increments, not snapshots",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{SCHEMA}, ChatStreamEvent.message.content: "Partial assistant message text"; '
    'GenerateStreamEvent.response: "The model\'s generated text response for this chunk"',
    applies=APPLIES,
    good=lines(*HELLO),
    bad=lines(chat("Hello"), chat("Hello there"), chat("Hello there, how are you?"), end()),
)
def increments(exchange: Exchange) -> Iterator[Finding]:
    """Each object has only new text; the full answer is never re-sent."""
    told = Told()
    for value, span in objects_of(exchange):
        piece = said(value)
        if piece and (again := told.repeats(piece)):
            yield Finding("only new text", f"{again}: {brief(piece)}", span)


@server_rule(
    "ERR-008",
    "Ollama error object",
    group="errors",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{ERRORS}: "If an error occurs mid-stream, the error will be returned as an object in the '
    '`application/x-ndjson` format with an `error` property."; "with the error message in the `error` property". What '
    "comes behind it counts as non-strict: no sentence forbids it",
    applies=APPLIES,
    known=("https://github.com/use-agent-os/agent-os/issues/2215",),
    good=lines(HELLO[0], {"error": "an error was encountered while running the model"}),
    bad=lines(HELLO[0], {"error": {"message": "boom"}}),
)
def error_object(exchange: Exchange) -> Iterator[Finding]:
    """The last line is {"error": string}; no done:true object follows."""
    objects = objects_of(exchange)
    errors = [(number, value["error"], span) for number, (value, span) in enumerate(objects) if "error" in value]
    if not errors:
        raise NotApplicable("the stream reports no error")
    for number, error, span in errors:
        if not isinstance(error, str):
            yield Finding('{"error": string}', f"error {brief(error)}", span)
        if number + 1 < len(objects):
            yield Finding("nothing behind the error", brief(objects[number + 1][0]), objects[number + 1][1], mild=True)
