"""The faults of Anthropic, Bedrock and Cohere do to a recording what their titles say."""

from __future__ import annotations

import json

import pytest

from streamgauge.events import End, KeepAlive, Malformed, StreamError, Usage
from streamgauge.eventstream import EventMessage
from streamgauge.faults import apply_faults
from streamgauge.message import Message
from streamgauge.recordings import get_recording
from streamgauge.script import Script, script_of


def played(case: str, spec: str) -> Script:
    return apply_faults(script_of(get_recording(case)), spec)


def read(case: str, spec: str) -> Message:
    script = played(case, spec)
    return script.dialect.read(script.delivered)


def kinds(script: Script) -> list[str]:
    """The types of all events of a stream of server-sent events."""
    return [json.loads(f.data)["type"] for f in script.dialect.framer().feed(script.body) if f.data != "[DONE]"]


def test_pings() -> None:
    """Before the first event, or before each."""
    assert kinds(played("anthropic-messages/plain-text", "pings:first"))[:2] == ["ping", "message_start"]
    everywhere = kinds(played("anthropic-messages/length", "pings"))
    assert everywhere[::2] == ["ping"] * (len(everywhere) // 2)


def test_gaps_in_the_index_keep_calls_apart() -> None:
    """0, 1, 2 become 1, 3, 5; our own decoder reads the same calls."""
    case = "anthropic-messages/parallel-tools"
    assert b'"index":5' in played(case, "block-index-gap").body
    assert read(case, "block-index-gap") == get_recording(case).message


def test_text_as_thinking() -> None:
    """The second half of the text comes under the other name, in a block of text."""
    message = read("anthropic-messages/plain-text", "wrong-delta")
    whole = get_recording("anthropic-messages/plain-text").message.choices[0].text
    assert message.choices[0].text
    assert message.choices[0].text + message.choices[0].reasoning == whole


@pytest.mark.parametrize(
    ("spec", "gone"), [("no-block-stop", "content_block_stop"), ("no-message-stop", "message_stop")]
)
def test_missing_stops(spec: str, gone: str) -> None:
    """The named events are gone, and no others."""
    before = kinds(played("anthropic-messages/parallel-tools", ""))
    assert kinds(played("anthropic-messages/parallel-tools", spec)) == [k for k in before if k != gone]


def test_novel_types() -> None:
    """A block behind the others with the next index; a delta behind each delta."""
    script = played("anthropic-messages/parallel-tools", "novel-blocks:block")
    [start] = [f for f in script.frames() if b"streamgauge_block" in f]
    assert b'"index":4' in start
    assert kinds(script)[-4:] == ["content_block_start", "content_block_stop", "message_delta", "message_stop"]
    deltas = kinds(played("anthropic-messages/length", "novel-blocks:delta")).count("content_block_delta")
    assert deltas == 2 * kinds(played("anthropic-messages/length", "")).count("content_block_delta")


def test_typed_errors() -> None:
    """The error is of the type that was asked for, behind half of the answer."""
    message = read("anthropic-messages/plain-text", "typed-error:rate_limit_error")
    assert (message.ended, message.errors[0].type) == ("error", "rate_limit_error")
    assert message.choices[0].text


@pytest.mark.parametrize(("argument", "reason"), [("message", "the message's CRC"), ("prelude", "the prelude's CRC")])
def test_wrong_checksums(argument: str, reason: str) -> None:
    """One message is malformed, and nothing behind it is read."""
    script = played("bedrock-converse/plain-text", f"wrong-crc:{argument}")
    events = script.dialect.decode(script.body)
    assert isinstance(events[-2], Malformed)
    assert events[-2].reason.startswith(reason)
    assert isinstance(events[-1], End)
    assert events[-1].ended == "malformed"


@pytest.mark.parametrize("spec", ["exception-frame:throttlingException", "unmodelled-error"])
def test_exceptions(spec: str) -> None:
    """The last message is no event, and is told as an error with its name."""
    script = played("bedrock-converse/plain-text", spec)
    last = script.dialect.framer().feed(script.body)[-1]
    assert last.kind in ("exception", "error")
    [error] = [e for e in script.dialect.decode(script.body) if isinstance(e, StreamError)]
    assert error.error_type == last.type


def test_no_metadata() -> None:
    """The answer is whole, its usage is unknown."""
    message = read("bedrock-converse/plain-text", "no-metadata")
    assert (message.ended, message.usage) == ("complete", None)


def test_more_headers() -> None:
    """Each message has one more header, before the others, which are the other way round."""
    script = played("bedrock-converse/plain-text", "more-headers")
    for frame in script.dialect.framer().feed(script.body):
        assert isinstance(frame, EventMessage)
        assert [n for n, _ in frame.headers] == ["streamgauge", ":message-type", ":content-type", ":event-type"]


def test_cohere_s_end() -> None:
    """Nothing behind message-end; a failed one in the middle; only billed units."""
    assert played("cohere-chat/plain-text", "no-done").frames()[-1].startswith(b"event: message-end")
    message = read("cohere-chat/plain-text", "failed-end:TIMEOUT")
    assert (message.ended, message.choices[0].finish_reason) == ("error", "TIMEOUT")
    script = played("cohere-chat/plain-text", "billed-only")
    assert not [e for e in script.dialect.decode(script.body) if isinstance(e, Usage)]
    assert b"billed_units" in script.body


def test_cohere_s_extras() -> None:
    """They stand in the middle and say nothing."""
    for name in ("citations", "debug"):
        script = played("cohere-chat/plain-text", f"documented-extras:{name}")
        told = {e.text for e in script.dialect.decode(script.body) if isinstance(e, KeepAlive)}
        assert told & {"citation-start", "debug"}
