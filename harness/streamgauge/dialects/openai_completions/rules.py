"""Server rules of legacy completion chunks; what they share with chat chunks is judged by the rules beside those."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from streamgauge.dialects.openai_chat._samples import CREATED, DONE, sse
from streamgauge.dialects.openai_chat._view import chunks
from streamgauge.dialects.openai_chat.profiles import FINISH_REASONS
from streamgauge.evidence import brief
from streamgauge.rules import Exchange, Finding, server_rule

OBJECT = "text_completion"
TOGETHER = ("text.completion", "completion.chunk")
REASONS = ("stop", "length", "content_filter")
COMPLETION = (
    "OpenAI API reference, The completion object (https://platform.openai.com/docs/api-reference/completions/object), "
    'whose "streamed and non-streamed response objects share the same shape"; read as generated in openai 3.54.0, '
    "types/completion.py and types/completion_choice.py"
)
APPLIES = ("openai-completions",)


def _chunk(text: Any = "", finish: str | None = None, **members: Any) -> str:
    """One event; a member given as `...` is left out."""
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
    value = {"id": "cmpl-1", "object": OBJECT, "created": CREATED, "model": "m", "choices": [choice], **members}
    return sse({name: member for name, member in value.items() if member is not ...})


HELLO = _chunk("Hello") + _chunk(" there") + _chunk("", "stop") + DONE


@server_rule(
    "OCP-001",
    "object is text_completion",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{COMPLETION}: "The object type, which is always "text_completion"". Together\'s words for its own service '
    "(togethercomputer/together-python, types/common.py) count as non-strict",
    applies=APPLIES,
    good=HELLO,
    bad=_chunk("Hello", object="completion") + HELLO,
)
def object_type(exchange: Exchange) -> Iterator[Finding]:
    """object is exactly text_completion."""
    for value, span in chunks(exchange).plain:
        if "object" in value and value["object"] != OBJECT:
            yield Finding(OBJECT, brief(value["object"]), span, mild=value["object"] in TOGETHER)


@server_rule(
    "OCP-002",
    "choices[] members",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{COMPLETION}: required are finish_reason, index, logprobs, text. A missing finish_reason or logprobs "
    "counts as non-strict: null says the same",
    applies=APPLIES,
    known=("measured: Traceloop's hub ends with a chat delta, LiteLLM leaves text out of the last chunk",),
    good=HELLO,
    bad=HELLO.replace('"text":" there",', ""),
)
def choice_members(exchange: Exchange) -> Iterator[Finding]:
    """Each choice has index, text, logprobs and finish_reason (null until the end)."""
    for value, span in chunks(exchange).chunks:
        listed = value.get("choices", [])
        if not isinstance(listed, list):
            yield Finding("an array of choices", brief(listed), span)
            continue
        for entry in listed:
            if not isinstance(entry, dict):
                yield Finding("a choice that is an object", brief(entry), span)
                continue
            if type(entry.get("index")) is not int:
                yield Finding("an integer index", f"index {brief(entry.get('index'))}", span)
            if not isinstance(entry.get("text"), str):
                yield Finding("a text that is a string", f"text {brief(entry.get('text'))}", span)
            if not isinstance(entry.get("logprobs"), (dict, NoneType)):
                yield Finding("logprobs that are an object or null", brief(entry["logprobs"]), span)
            if missing := [name for name in ("logprobs", "finish_reason") if name not in entry]:
                yield Finding("logprobs and finish_reason, or null", f"no {', '.join(missing)}", span, mild=True)


@server_rule(
    "OCP-003",
    "finish_reason is null or one of the enum",
    group="chunk-schema",
    keyword="MUST",
    basis="vendor-doc",
    source=f"{COMPLETION}: finish_reason is one of {', '.join(REASONS)}. Words that another vendor documents for its "
    'own service count as non-strict, and so does "" in the place of null',
    applies=APPLIES,
    good=HELLO,
    bad=HELLO.replace('"stop"', '"eos_token"'),
)
def finish_reason_enum(exchange: Exchange) -> Iterator[Finding]:
    """finish_reason is null, stop, length or content_filter."""
    for finishes in chunks(exchange).finishes.values():
        for reason, span in finishes:
            if not isinstance(reason, str) or reason not in REASONS:
                documented = isinstance(reason, str) and (reason in FINISH_REASONS or not reason)
                yield Finding(" | ".join(REASONS), brief(reason), span, mild=documented)


@server_rule(
    "OCP-004",
    "id, created and model are the same in every chunk",
    group="chunk-schema",
    keyword="SHOULD",
    basis="vendor-doc",
    source=f'{COMPLETION}: id is "A unique identifier for the completion.", created "The Unix timestamp (in seconds) '
    'of when the completion was created.", model "The model used for completion."',
    applies=APPLIES,
    known=("measured: Traceloop's hub states created in milliseconds",),
    good=HELLO,
    bad=HELLO.replace('"cmpl-1"', '"cmpl-2"', 1),
)
def identity(exchange: Exchange) -> Iterator[Finding]:
    """The identity of the completion does not change within its stream; created is in seconds."""
    first: dict[str, Any] = {}
    for value, span in chunks(exchange).plain:
        for name, kind in (("id", str), ("created", int), ("model", str)):
            if name in value and (type(value[name]) is not kind or value[name] == ""):
                yield Finding(f"{name}, a number" if kind is int else f"a non-empty {name}", brief(value[name]), span)
            elif name in value and first.setdefault(name, value[name]) != value[name]:
                yield Finding(f"{name} {brief(first[name])} as before", f"{name} {brief(value[name])}", span)
    created = first.get("created")
    if isinstance(created, (int, float)) and created > 1e11:
        yield Finding("created in seconds", f"created {brief(created)}", chunks(exchange).chunks[0][1])
