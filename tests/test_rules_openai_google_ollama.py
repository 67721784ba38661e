"""The rules of Responses, completions, Gemini and Ollama on real streams, on real servers' streams, and on anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamgauge.capture import read_capture
from streamgauge.dialects.anthropic_messages import _samples as anthropic
from streamgauge.dialects.gemini_generate import _samples as gemini
from streamgauge.dialects.gemini_generate.rules.code import RAN, RUN
from streamgauge.dialects.ollama import _samples as ollama
from streamgauge.dialects.openai_chat import _samples as chat
from streamgauge.dialects.openai_responses import _samples as responses
from streamgauge.engine import judge
from streamgauge.recordings import Recording, shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import Exchange, Verdict, get_rule, rulebook
from streamgauge.trace import Arrival, Trace

SHIPPED = (
    *("openai-responses", "open-responses", "openai-completions", "gemini-generate"),
    *("ollama-chat", "ollama-generate"),
)

CAPTURED = {
    ("hf-serve", "OAR-010"): "two items at output_index 1",
    ("litellm", "OAR-002"): "no sequence_number",
    ("litellm", "OAR-012"): "no output_index",
    ("litellm", "USE-009"): "no output_tokens_details",
    ("vllm", "OAR-017"): "response.completed with status incomplete",
    ("vllm-qwen3reasoning", "OAR-017"): "the same",
    ("xllamacpp", "OAR-002"): "no sequence_number",
    ("xllamacpp", "OAR-012"): "no output_index",
    ("xllamacpp", "USE-009"): "no output_tokens_details",
}
"""What real servers of the dialect truly do otherwise than OpenAI's reference says, each looked at."""


@pytest.mark.shared
def test_real_servers_fail_where_they_truly_depart(shared: Path) -> None:
    """llama.cpp, vLLM, transformers and LiteLLM, by the rules of Responses."""
    found = set()
    for path in sorted((shared / "captures").glob("*/responses*.raw")):
        for verdict in judge(Exchange(get_dialect("openai-responses"), read_capture(path.read_bytes()))):
            assert verdict.verdict != "error", verdict
            if verdict.verdict == "fail" and get_rule(verdict.rule).applies == ("openai-responses",):
                found.add((path.parent.name, verdict.rule))
    assert found == set(CAPTURED)


@pytest.mark.parametrize(
    "recording", [r for r in shipped().values() if r.dialect in SHIPPED], ids=lambda r: r.dialect + "/" + r.name
)
def test_recordings_are_good(recording: Recording) -> None:
    """What is shipped is what it says, and breaks no rule but the one about a header for nginx."""
    assert recording.get_dialect().read(recording.trace.body) == recording.message
    verdicts = judge(Exchange(recording.get_dialect(), recording.trace))
    assert {v.rule for v in verdicts if v.verdict in ("fail", "non-strict", "error")} <= {"HTTP-009"}
    assert sum(v.verdict == "pass" for v in verdicts) > 10


def verdicts(dialect: str, body: str | bytes, **known: Any) -> dict[str, Verdict]:
    data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    trace = Trace(arrivals=(Arrival(0.0, data),), **known)
    return {v.rule: v for v in judge(Exchange(get_dialect(dialect), trace))}


def altered(events: list[dict[str, Any]], kind: str, **members: Any) -> str:
    return responses.body(responses.changed(events, kind, **members))


def ended(events: list[dict[str, Any]], change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    """The stream with every item changed in the terminal event's output."""
    *rest, last = events
    output = [change(item) for item in last["response"]["output"]]
    return responses.body([*rest, {**last, "response": {**last["response"], "output": output}}])


NOTED = {
    "type": "response.output_text.annotation.added",
    "item_id": "msg_0",
    "output_index": 0,
    "content_index": 0,
    "annotation_index": 0,
    "annotation": {"type": "url_citation"},
}
TWO = responses.stream(responses.message(0, "One"), responses.message(1, "Two"))
SPLIT = [*responses.HELLO[:4], responses.HELLO[6], *responses.HELLO[4:6], *responses.HELLO[7:]]
ERROR = {"type": "error", "code": "c", "message": "x", "param": None}
NO_ARGUMENTS = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f"}}]}

BROKEN: dict[str, tuple[str, str, str | bytes, str]] = {
    "a number that goes back": (
        "OAR-003",
        "openai-responses",
        altered(TWO, "response.content_part.done", sequence_number=0),
        "0",
    ),
    "a number inside the response": (
        "OAR-003",
        "openai-responses",
        responses.body([{"type": "response.created", "response": {"sequence_number": 0}}, *responses.HELLO[1:]]),
        "inside another object",
    ),
    "an item before response.in_progress": (
        "OAR-004",
        "openai-responses",
        responses.body(responses.without(responses.HELLO, "response.in_progress")),
        "response.output_item.added",
    ),
    "an event behind the terminal one": (
        "OAR-005",
        "openai-responses",
        responses.body([*responses.HELLO, {**responses.HELLO[2], "sequence_number": 9}]),
        "response.output_item.added",
    ),
    "no terminal event": ("OAR-005", "openai-responses", responses.body(responses.HELLO[:-1]), "the end of the body"),
    "two sentinels": (
        "OAR-006",
        "open-responses",
        responses.body(responses.HELLO, done=True) + responses.DONE,
        "2 of them",
    ),
    "an item that is closed twice": (
        "OAR-008",
        "open-responses",
        responses.body(
            responses.numbered([*responses.HELLO[:-1], responses.HELLO[-2], responses.HELLO[-1]]), done=True
        ),
        "two for item 0",
    ),
    "a delta behind its done event": (
        "OAR-009",
        "open-responses",
        responses.body(responses.numbered(SPLIT), done=True),
        "response.output_text.delta",
    ),
    "an item that is not in the output": (
        "OAR-010",
        "openai-responses",
        altered(
            TWO, "response.completed", response={**TWO[-1]["response"], "output": TWO[-1]["response"]["output"][:1]}
        ),
        "msg_0",
    ),
    "arguments that the item says otherwise": (
        "OAR-011",
        "openai-responses",
        altered(
            responses.CALLS,
            "response.output_item.done",
            item={**responses.CALLS[6]["item"], "arguments": '{"a":2}'},
        ),
        '{"a":2}',
    ),
    "text that the response says otherwise": (
        "OAR-011",
        "openai-responses",
        responses.body(responses.HELLO).replace(
            '"text":"Hello there","annotations":[]}]}]', '"text":"x","annotations":[]}]}]'
        ),
        "'x' in response.completed",
    ),
    "a call without a call_id": (
        "OAR-013",
        "openai-responses",
        altered(responses.CALLS, "response.output_item.done", item={**responses.CALLS[6]["item"], "call_id": None}),
        "call_id None",
    ),
    "a part that is not what was said": (
        "OAR-011",
        "openai-responses",
        altered(
            responses.HELLO,
            "response.content_part.done",
            part={"type": "output_text", "text": "Hello", "annotations": []},
        ),
        "'Hello' in response.content_part.done",
    ),
    "a call without a name in the output": (
        "OAR-013",
        "openai-responses",
        ended(responses.CALLS, lambda item: {**item, "name": ""}),
        "in response.completed",
    ),
    "a call of another name in the output": (
        "OAR-023",
        "openai-responses",
        ended(responses.CALLS, lambda item: {**item, "name": "h"}),
        "name 'h'",
    ),
    "an item of another type in the end": (
        "OAR-023",
        "openai-responses",
        ended(responses.HELLO, lambda item: {**item, "type": "reasoning"}),
        "type 'reasoning'",
    ),
    "an annotation without its place": (
        "OAR-012",
        "openai-responses",
        responses.body(
            responses.numbered([*responses.HELLO[:5], {**NOTED, "content_index": None}, *responses.HELLO[5:]])
        ),
        "without content_index",
    ),
    "an item behind an incomplete one": (
        "OAR-015",
        "open-responses",
        responses.body(
            responses.stream(
                responses.message(0, "One", status="incomplete"), responses.message(1, "Two"), status="incomplete"
            ),
            done=True,
        ),
        "message",
    ),
    "an item type without a prefix": (
        "OAR-016",
        "open-responses",
        altered(
            responses.HELLO,
            "response.output_item.added",
            item={"id": "msg_0", "type": "telemetry", "status": "completed"},
        ),
        "telemetry",
    ),
    "a flat error in Open Responses": (
        "OAR-014",
        "open-responses",
        responses.body([*responses.HELLO[:2], {**ERROR, "sequence_number": 2}]),
        "no type",
    ),
    "an array under an event stream's name": (
        "GEM-001",
        "gemini-generate",
        gemini.array(*gemini.HELLO),
        "one JSON array",
    ),
    "an array with a comma too many": (
        "GEM-001",
        "gemini-generate",
        gemini.array(*gemini.HELLO).replace("\n]", ",\n]"),
        "",
    ),
    "two calls of one id": (
        "GEM-008",
        "gemini-generate",
        gemini.sse(*[gemini.response({"functionCall": {"name": "f", "args": {}, "id": "x"}})] * 2, gemini.HELLO[1]),
        "'x' of another call",
    ),
    "a signature that is no text": (
        "GEM-002",
        "gemini-generate",
        gemini.sse(gemini.response({"text": "Hi", "thoughtSignature": 3}), gemini.HELLO[1]),
        "3",
    ),
    "a rating that is no object's": (
        "GEM-002",
        "gemini-generate",
        gemini.sse({"candidates": [{"safetyRatings": [{"category": ["x"]}]}]}, gemini.HELLO[1]),
        "['x']",
    ),
    "parts that are no array": (
        "GEM-002",
        "gemini-generate",
        gemini.sse({"candidates": [{"content": {"parts": [{"text": 3}]}}]}),
        "3",
    ),
    "candidates that are no array": ("GEM-002", "gemini-generate", gemini.sse({"candidates": 1}, *gemini.HELLO), "1"),
    "another finishReason": (
        "GEM-003",
        "gemini-generate",
        gemini.sse(*gemini.HELLO, gemini.response(finish="SAFETY")),
        "again",
    ),
    "no candidate at all": ("GEM-004", "gemini-generate", gemini.sse({"usageMetadata": {}}), "neither"),
    "a call without a name": (
        "GEM-008",
        "gemini-generate",
        gemini.sse(gemini.response({"functionCall": {"args": {}}}), gemini.CALL[1]),
        "args",
    ),
    "usage before the text": ("OAC-011", "openai-chat", chat.usage() + chat.HELLO, "another chunk behind it"),
    "usage twice": (
        "OAC-011",
        "openai-chat",
        chat.chat(chat.text("Hi"), tail=chat.usage() * 2 + chat.DONE),
        "another chunk behind it",
    ),
    "reasoning that is no text": (
        "OAC-027",
        "openai-chat",
        chat.chat(chat.chunk({"reasoning_content": ["Hm."]})),
        "['Hm.']",
    ),
    "a count that is a text": (
        "USE-015",
        "gemini-generate",
        gemini.sse(gemini.HELLO[0], {**gemini.HELLO[1], "usageMetadata": gemini.usage(promptTokenCount="3")}),
        "'3'",
    ),
    "a count below 0 in a message": (
        "USE-015",
        "anthropic-messages",
        anthropic.start(usage={"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": -2}),
        "-2",
    ),
    "a duration below 0": (
        "OLL-003",
        "ollama-chat",
        ollama.lines(*ollama.HELLO[:2], ollama.end(eval_duration=-1)),
        "no eval_duration",
    ),
    "a time that is none": (
        "OLL-007",
        "ollama-chat",
        ollama.lines(ollama.HELLO[0], {**ollama.HELLO[1], "created_at": "now"}, ollama.HELLO[2]),
        "'now'",
    ),
    "a time before the last": (
        "OLL-007",
        "ollama-chat",
        ollama.lines({**ollama.HELLO[0], "created_at": "2026-01-01T00:00:00.000000001Z"}, *ollama.HELLO[1:]),
        "2026-01-01T00:00:00Z",
    ),
    "two last objects": (
        "OLL-002",
        "ollama-chat",
        ollama.lines(ollama.HELLO[0], ollama.end(), ollama.end()),
        "1 more behind it",
    ),
    "no last object": ("OLL-002", "ollama-chat", ollama.lines(*ollama.HELLO[:2]), "the end of the body"),
    "a byte order mark": ("OLL-001", "ollama-chat", "\ufeff" + ollama.lines(*ollama.HELLO), "one"),
    "a call without a function's name": (
        "OLL-005",
        "ollama-chat",
        ollama.lines({**ollama.called({}), "message": {"tool_calls": [{"function": {"arguments": {}}}]}}, ollama.end()),
        "arguments",
    ),
    "another model in the middle": (
        "OLL-007",
        "ollama-chat",
        ollama.lines(ollama.HELLO[0], {**ollama.HELLO[1], "model": "other"}, ollama.HELLO[2]),
        "other",
    ),
}


def test_a_stream_without_an_event_has_no_end() -> None:
    """A stream of keep-alives alone ended before it began: its end is missing like any other's."""
    for rule, dialect in (("OAR-005", "openai-responses"), ("TGI-003", "huggingface-tgi"), ("SEQ-006", "openai-chat")):
        assert verdicts(dialect, ": waiting\n\n")[rule].verdict == "fail"


ARRAY = gemini.array(*gemini.HELLO)


@pytest.mark.parametrize(
    "body", [ARRAY.replace("\n]", ",\n]"), ARRAY.replace("\n]", ""), ARRAY + "{}", ARRAY.replace("\n,", "\n", 1)]
)
def test_an_array_in_a_file_is_json(body: str) -> None:
    """Where no header is known the body tells that it is meant as an array, and is judged as one."""
    assert verdicts("gemini-generate", ARRAY)["GEM-001"].verdict == "pass"
    assert verdicts("gemini-generate", body)["GEM-001"].verdict == "fail"


def test_a_stream_without_sentinel_still_says_why() -> None:
    """Who promised no [DONE] is asked for the finish_reason at the end of the body; who did has lost both at once."""
    strange = chat.text("Hi").replace('"delta"', '"graph_data":[],"delta"')
    assert verdicts("openai-chat", strange)["SEQ-002"].verdict == "non-strict"
    assert verdicts("openai-chat", chat.text("Hi"))["SEQ-002"].verdict == "skip"


@pytest.mark.parametrize(
    ("events", "verdict"),
    [
        ((RUN, RAN, RUN, RAN, *gemini.HELLO), "pass"),
        ((RUN, RUN, RAN, RAN, *gemini.HELLO), "pass"),
        ((RUN, RAN, RAN, *gemini.HELLO), "non-strict"),
        ((RUN, *gemini.HELLO), "non-strict"),
        ((RUN,), "pass"),
        (({"candidates": [{**RAN["candidates"][0], "index": 1}]}, RUN, RAN, *gemini.HELLO), "fail"),
        (gemini.HELLO, "skip"),
    ],
)
def test_code_and_results(events: tuple[dict[str, Any], ...], verdict: str) -> None:
    """A result needs code of its own candidate before it; code without a result is told where the answer ends."""
    assert verdicts("gemini-generate", gemini.sse(*events))["GEM-015"].verdict == verdict


def test_a_role_that_there_is_not() -> None:
    """Google's reference knows two roles; another one accuses nobody."""
    odd = {"candidates": [{"content": {"role": "assistant", "parts": [{"text": "Hi"}]}}]}
    assert verdicts("gemini-generate", gemini.sse(odd, gemini.HELLO[1]))["GEM-002"].verdict == "non-strict"


UNPROMISED: dict[str, tuple[str, str]] = {
    "[DONE] before the end": (
        "OAR-005",
        responses.body(responses.HELLO[:-1], done=True) + responses.body(responses.HELLO[-1:]),
    ),
    "an output without what was said": (
        "OAR-010",
        altered(responses.HELLO, "response.completed", response={**responses.HELLO[-1]["response"], "output": []}),
    ),
    "an item without what was said": ("OAR-011", ended(responses.HELLO, lambda item: {**item, "content": []})),
    "an id of nothing": ("OAR-012", altered(responses.HELLO, "response.output_text.delta", item_id="")),
    "another time": (
        "OAR-021",
        altered(responses.HELLO, "response.in_progress", response={**responses.HELLO[1]["response"], "created_at": 7}),
    ),
    "a new status": (
        "OAR-021",
        altered(responses.HELLO, "response.created", response={**responses.HELLO[0]["response"], "status": "waiting"}),
    ),
}


@pytest.mark.parametrize("name", UNPROMISED)
def test_what_no_sentence_forbids_is_not_strict(name: str) -> None:
    """What OpenAI's reference only shows otherwise is told, and accuses nobody."""
    rule, body = UNPROMISED[name]
    assert verdicts("openai-responses", body)[rule].verdict == "non-strict"
    assert all(v.verdict != "fail" for v in verdicts("openai-responses", body).values())


COUNTED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"prompt_tokens_details": {"cached_tokens": None}}, "pass"),
        ({"cost": -0.5, "cost_details": {"input_tokens": 0.25}, "queue_time": 0.1}, "pass"),
        ({"video_tokens": 2.0}, "pass"),
        ({"video_tokens": 2.5}, "info"),
        ({"completion_tokens_details": {"reasoning_tokens": True}}, "non-strict"),
        ({"completion_tokens_details": {"reasoning_tokens": [1]}}, "non-strict"),
        ({"completion_tokens_details": "none"}, "non-strict"),
        ({"completion_tokens_details": None}, "pass"),
    ],
)
def test_what_is_a_count_of_tokens(more: dict[str, Any], verdict: str) -> None:
    """Null is none, prices and times are none; a fraction is noted, and what is no number is not strict."""
    tail = chat.sse({**chat.whole_chunk([]), "usage": {**COUNTED, **more}}) + chat.DONE
    assert verdicts("openai-chat", chat.chat(chat.text("Hi"), tail=tail))["USE-015"].verdict == verdict


@pytest.mark.parametrize("name", BROKEN)
def test_departures(name: str) -> None:
    """Each way to break a rule that its own example does not show is found, at its severity, and shown."""
    rule, dialect, body, shown = BROKEN[name]
    headers = (("Content-Type", get_dialect(dialect).media_type),)
    verdict = verdicts(dialect, body, status=200, headers=headers)[rule]
    assert verdict.verdict == get_rule(rule).severity, verdict
    assert shown in verdict.got


MILD: dict[str, tuple[str, str, str | bytes, str]] = {
    "snapshots": (
        "GEM-002",
        "gemini-generate",
        gemini.sse(*(gemini.text("Hello there, how are you?"[:n]) for n in (5, 12, 20, 25))),
        "the delta before, with more",
    ),
    "an object behind the error": (
        "ERR-008",
        "ollama-chat",
        ollama.lines(ollama.HELLO[0], {"error": "x"}, ollama.end()),
        "done",
    ),
    "an array that calls itself something else": (
        "GEM-001",
        "gemini-generate",
        gemini.array(*gemini.HELLO),
        "text/plain",
    ),
    "a call without arguments": (
        "OLL-005",
        "ollama-chat",
        ollama.lines({**ollama.chat(""), "message": NO_ARGUMENTS}, ollama.end()),
        "None",
    ),
    "an object in the middle that has no done": (
        "OLL-002",
        "ollama-chat",
        ollama.lines({k: v for k, v in ollama.HELLO[0].items() if k != "done"}, *ollama.HELLO[1:]),
        "done None",
    ),
}
"""Departures from what vendors do, which no sentence of theirs forbids."""


@pytest.mark.parametrize("name", MILD)
def test_what_only_practice_forbids(name: str) -> None:
    """What no document forbids is told, and fails nobody."""
    rule, dialect, body, shown = MILD[name]
    kind = "text/plain" if shown == "text/plain" else get_dialect(dialect).media_type
    verdict = verdicts(dialect, body, status=200, headers=(("Content-Type", kind),))[rule]
    assert verdict.verdict == "non-strict", verdict
    assert shown in verdict.got


SILENT: dict[str, tuple[str, str, str | bytes]] = {
    "unfinished items of a response that failed": (
        "OAR-008",
        "open-responses",
        responses.body(
            [*responses.HELLO[:4], {"type": "response.failed", "response": responses.snapshot("failed", [])}], done=True
        ),
    ),
    "a stream that begins with an error": (
        "OAR-004",
        "openai-responses",
        responses.body([{**ERROR, "sequence_number": 0}]),
    ),
    "a stream that is resumed": ("OAR-003", "openai-responses", responses.body(responses.HELLO[3:])),
    "a stream that is resumed between two deltas": ("OAR-011", "openai-responses", responses.body(responses.HELLO[5:])),
    "a surrogate pair that is cut between two deltas": (
        "OAR-011",
        "openai-responses",
        responses.body(responses.stream(responses.message(0, "\ud83d", "\ude00"))).replace(
            "\\ud83d\\ude00", "\U0001f600"
        ),
    ),
    "an implementor's own event": (
        "OAR-016",
        "open-responses",
        responses.body([{"type": "acme:x", "sequence_number": 0}], done=True),
    ),
    "a prompt that was blocked": ("GEM-004", "gemini-generate", gemini.sse(gemini.BLOCKED)),
    "an error in the stream": ("GEM-004", "gemini-generate", gemini.sse(gemini.HELLO[0], {"error": {"code": 500}})),
    "arguments that are streamed": (
        "GEM-008",
        "gemini-generate",
        gemini.sse(
            gemini.response({"functionCall": {"name": "f", "willContinue": True}}),
            gemini.response({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}}),
            gemini.response({"functionCall": {}}),
            gemini.CALL[1],
        ),
    ),
    "usage behind the last candidate": (
        "GEM-003",
        "gemini-generate",
        gemini.sse(*gemini.HELLO, {"usageMetadata": gemini.usage()}),
    ),
    "an answer without text": (
        "USE-010",
        "ollama-chat",
        ollama.lines(ollama.end(eval_count=..., prompt_eval_count=...)),
    ),
    "an error is the last object": ("OLL-002", "ollama-chat", ollama.lines(ollama.HELLO[0], {"error": "x"})),
}


@pytest.mark.parametrize("name", SILENT)
def test_no_departures(name: str) -> None:
    """What the references allow is not accused."""
    rule, dialect, body = SILENT[name]
    assert verdicts(dialect, body)[rule].verdict in ("pass", "skip")


def test_mild_where_only_open_responses_speaks() -> None:
    """What OpenAI's own reference does not say is non-strict for OpenAI's dialect, and fails for Open Responses."""
    for rule, kind in (
        ("OAR-007", "output_item.added"),
        ("OAR-008", "output_item.done"),
        ("OAR-009", "content_part.added"),
    ):
        events = responses.without(responses.HELLO, f"response.{kind}")
        assert verdicts("openai-responses", responses.body(events))[rule].verdict == "non-strict"
        assert verdicts("open-responses", responses.body(events, done=True))[rule].verdict == "fail"


def test_an_error_as_openai_itself_sends_it() -> None:
    """The error's members in `error`, against its reference, are non-strict; incomplete they fail."""
    nested = {"type": "t", "code": None, "message": "x", "param": None}
    for error, verdict in ((nested, "non-strict"), ({"message": "x"}, "fail")):
        events = [*responses.HELLO[:2], {"type": "error", "error": error, "sequence_number": 2}]
        assert verdicts("openai-responses", responses.body(events))["OAR-014"].verdict == verdict
    assert verdicts("open-responses", responses.body([*events[:2], {**events[2], "error": nested}]))[
        "OAR-014"
    ].verdict == ("pass")


def test_the_array_is_judged_by_no_rule_of_events() -> None:
    """Rules of server-sent events have nothing to say of a JSON array, and say why."""
    found = verdicts("gemini-generate", gemini.array(*gemini.HELLO), status=200, headers=())
    assert {found[rule].verdict for rule in found if get_rule(rule).applies == ("sse",)} == {"skip"}
    assert "json-array" in found["SSE-021"].reason
    assert found["GEM-004"].verdict == "pass"


def test_an_ollama_error_has_no_code() -> None:
    """A dialect whose errors are texts is not asked for a code."""
    found = verdicts("ollama-chat", ollama.lines(ollama.HELLO[0], {"error": "x"}))["ERR-011"]
    assert (found.verdict, "without a code" in found.reason) == ("skip", True)


NAMES = [
    *(
        "type",
        "item",
        "item_id",
        "output_index",
        "content_index",
        "delta",
        "text",
        "arguments",
        "part",
        "response",
        "status",
    ),
    *("output", "usage", "input_tokens", "error", "message", "code", "sequence_number", "id", "content", "candidates"),
    *("parts", "functionCall", "args", "finishReason", "usageMetadata", "promptTokenCount", "index", "promptFeedback"),
    *("blockReason", "model", "created_at", "done", "done_reason", "tool_calls", "function", "eval_count", "choices"),
]
KINDS = [
    *("response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta"),
    *("response.output_text.done", "response.function_call_arguments.done", "response.content_part.added", "error"),
    *(
        "response.completed",
        "response.failed",
        "response.incomplete",
        "message",
        "function_call",
        "reasoning",
        "acme:x",
    ),
    *("output_text", "STOP", "stop", "incomplete", "completed", "text_completion"),
]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 3), st.floats(), st.sampled_from([*KINDS, 10**30, "\ud83d", 1e308])
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(NAMES), v, max_size=5), max_leaves=12
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.one_of(VALUES, st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6))),
    max_size=6,
)


@given(events=EVENTS)
def test_any_json_is_judged(events: list[tuple[str, Any]]) -> None:
    """Members of any type in any place are judged, and never make a rule fail itself."""
    values = [{"type": kind, **value} if isinstance(value, dict) else value for kind, value in events]
    pairs = zip(events, values, strict=True)
    sent = "".join(f"event: {kind}\ndata: {json.dumps(value)}\n\n" for (kind, _), value in pairs).encode()
    lines = "".join(json.dumps(value) + "\n" for value in values).encode()
    known: dict[str, Any] = {
        "status": 200,
        "headers": (("Content-Type", "application/json"),),
        "request": {"max_output_tokens": 1, "temperature": 0, "n": 2},
        "timed": True,
        "ended_at": 9.0,
    }
    for dialect in SHIPPED:
        bodies = [lines] if dialect.startswith("ollama") else [sent]
        bodies += [json.dumps(values).encode()] if dialect == "gemini-generate" else []
        for body in bodies:
            for verdict in verdicts(dialect, body, **known).values():
                assert verdict.verdict != "error", verdict
                assert 0 <= verdict.span[0] <= verdict.span[1] <= len(body)


@given(body=st.binary(max_size=300))
def test_any_bytes_are_judged(body: bytes) -> None:
    """No bytes make a rule fail itself."""
    for dialect in SHIPPED:
        assert all(v.verdict != "error" for v in verdicts(dialect, body).values())


def test_every_rule_of_these_dialects_is_here() -> None:
    """The prefixes of these dialects' rules belong to no other."""
    for rule in rulebook().values():
        if rule.id.startswith(("OAR-", "OCP-", "GEM-", "OLL-")):
            assert set(rule.applies) <= set(SHIPPED)
