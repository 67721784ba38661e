"""Builds the example streams of rules: the events of a correct stream, to make incorrect ones of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Event = dict[str, Any]
DONE = "data: [DONE]\n\n"
USAGE: dict[str, Any] = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 5,
}


def snapshot(status: str, output: list[Event], **members: Any) -> Event:
    """A response object."""
    head = {"id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status, "model": "m"}
    rest = {"error": None, "incomplete_details": None, "output": output, "usage": None}
    return {**head, **rest, **members}


def message(index: int, *pieces: str, kind: str = "output_text", status: str = "completed") -> list[Event]:
    """The events of one message item."""
    at = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
    member = "refusal" if kind == "refusal" else "text"
    extra: Event = {"logprobs": []} if kind == "output_text" else {}
    noted: Event = {"annotations": []} if kind == "output_text" else {}
    said = "".join(pieces)
    item = {"id": f"msg_{index}", "type": "message", "role": "assistant"}
    part = {"type": kind, member: said, **noted}
    return [
        _item("added", index, {**item, "status": "in_progress", "content": []}),
        {"type": "response.content_part.added", **at, "part": {**part, member: ""}},
        *({"type": f"response.{kind}.delta", **at, "delta": piece, **extra} for piece in pieces),
        {"type": f"response.{kind}.done", **at, member: said, **extra},
        {"type": "response.content_part.done", **at, "part": part},
        _item("done", index, {**item, "status": status, "content": [part]}),
    ]


def call(index: int, name: str, *pieces: str) -> list[Event]:
    """The events of one function call item."""
    at = {"item_id": f"fc_{index}", "output_index": index}
    item = {"id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}", "name": name}
    said = "".join(pieces)
    return [
        _item("added", index, {**item, "arguments": "", "status": "in_progress"}),
        *({"type": "response.function_call_arguments.delta", **at, "delta": piece} for piece in pieces),
        {"type": "response.function_call_arguments.done", **at, "arguments": said},
        _item("done", index, {**item, "arguments": said, "status": "completed"}),
    ]


def _item(verb: str, index: int, item: Event) -> Event:
    return {"type": f"response.output_item.{verb}", "output_index": index, "item": item}


def stream(*parts: list[Event], status: str = "completed", **members: Any) -> list[Event]:
    """A whole stream around the events of items, numbered."""
    said = [event for part in parts for event in part]
    output = [e["item"] for e in said if e["type"] == "response.output_item.done"]
    usage = {"usage": USAGE} if status != "failed" else {}
    return numbered(
        [
            {"type": "response.created", "response": snapshot("in_progress", [])},
            {"type": "response.in_progress", "response": snapshot("in_progress", [])},
            *said,
            {"type": f"response.{status}", "response": snapshot(status, output, **usage, **members)},
        ]
    )


def numbered(events: list[Event]) -> list[Event]:
    """The events with sequence numbers."""
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def body(events: list[Event], *, done: bool = False) -> str:
    """The events as they are sent, with their names; done: with the terminator of Open Responses."""
    return "".join(_sse(event) for event in events) + (DONE if done else "")


def _sse(event: Event) -> str:
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n"


def without(events: list[Event], kind: str) -> list[Event]:
    """The events but those of one type, numbered again."""
    return numbered([e for e in events if e["type"] != kind])


def changed(events: list[Event], kind: str, **members: Any) -> list[Event]:
    """The first event of a type with members set, or taken away where they are given as `...`."""
    done = False

    def edited() -> Iterator[Event]:
        nonlocal done
        for event in events:
            if event["type"] == kind and not done:
                done = True
                yield {name: value for name, value in {**event, **members}.items() if value is not ...}
            else:
                yield event

    return list(edited())


HELLO = stream(message(0, "Hello", " there"))
CALLS = stream(call(0, "f", '{"a":', "1}"), call(1, "g", "{}"))
