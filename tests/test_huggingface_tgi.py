"""TGI's own API: tokens, the last event, errors, and what was recorded of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamgauge.events import End, Finish, Start, StreamError, TextDelta, Usage
from streamgauge.registry import get_dialect

TGI = get_dialect("huggingface-tgi")
SAID = (Start(), TextDelta("Hi"), TextDelta(" 中"), Finish("eos_token"), Usage(3, 2), End("complete"))


def test_what_is_encoded_comes_back() -> None:
    """Text, reason and counts survive; the special end token is no text."""
    message = TGI.read(b"".join(TGI.encode(SAID)))
    assert message.choices[0].text == "Hi 中"
    assert message.choices[0].finish_reason == "eos_token"
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 2)
    assert message.ended == "complete"


def test_without_the_last_event_it_is_truncated() -> None:
    """Tokens alone don't end a stream."""
    assert TGI.read(b"".join(TGI.encode(SAID)[:-1])).ended == "truncated"


def test_an_error_is_reported() -> None:
    """An error event is the stream's own word for failure."""
    body = TGI.encode(SAID)[0] + TGI.error_frame("overloaded", "overloaded")
    message = TGI.read(body)
    assert message.ended == "error"
    assert message.errors[0].type == "overloaded"
    assert any(isinstance(e, StreamError) for e in TGI.decode(body))


def test_the_answer_in_one_piece() -> None:
    """/generate says in one object what the stream says in events."""
    answer = [
        {"generated_text": "Hi 中", "details": {"finish_reason": "length", "generated_tokens": 2, "prefill": [{}]}}
    ]
    message = TGI.message(answer)
    assert (message.choices[0].text, message.choices[0].finish_reason) == ("Hi 中", "length")
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (1, 2)


@pytest.mark.shared
def test_real_streams(shared: Path) -> None:
    """Each recorded stream is complete, with the text of its tokens."""
    files = sorted((shared / "streams" / "huggingface-tgi").glob("*.sse"))
    assert files
    for file in files:
        body = file.read_bytes()
        tokens = [json.loads(line[5:])["token"]["text"] for line in body.splitlines() if line.startswith(b"data:")]
        message = TGI.read(body)
        assert (message.ended, message.malformed) == ("complete", 0), file.name
        assert message.choices[0].text == "".join(tokens), file.name
