"""What bytes look like."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.cli import main
from streamgauge.detect import BINARY, another, detect, guesses, kind_of, means_something, not_a_stream
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.registry import get_dialect

CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
INVENTED = b'event: invented.start\ndata: {"type":"invented.start","message":{"id":"m"}}\n\n'


@pytest.fixture
def chat() -> Dialect:
    return get_dialect("openai-chat")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"data: a\n\n", "event-stream"),
        (b"\xef\xbb\xbfdata: a\n\n", "event-stream"),
        (b"\r\n\r\nevent: x\n", "event-stream"),
        (b": a comment\n\n", "event-stream"),
        (b"da", "event-stream"),
        (b"id: \x00\x01\x02\n\n", "event-stream"),
        (b"color: blue\n\ndata: a\n\n", "event-stream"),
        (b"color: blue\n\n", "text"),
        (b"Hello", "text"),
        (b"", "empty"),
        (gzip.compress(b"data: a\n\n", mtime=0), "compressed"),
        (b"  <!DOCTYPE html>\n<p>data: a", "markup"),
        (b"<Error>no</Error>", "markup"),
        (b'{"error": {"message": "no"}}', "json"),
        (b'[{\n  "candidates": []}]', "json"),
        (b'{"a": 1}\n{"a": 2}\n', "json-lines"),
        (bytes(range(256)), "binary"),
        (b"\x00\x00\x1f\x50" + b"text" * 2000, "binary"),
        ("data: a\n\n".encode("utf-16"), "binary"),
        (b"\x89PNG\r\n\x1a\n", "file"),
        (b"%PDF-1.4\n", "file"),
        (b"interactions:\n- request:\n", "file"),
        (b"---\nhttp_interactions:\n", "file"),
        (b'{"version": 1, "interactions": [', "file"),
        (b'{"log": {"version": "1.2", "entries": [', "file"),
    ],
)
def test_kinds(head: bytes, kind: str) -> None:
    """Each kind of bytes is told by its beginning."""
    assert kind_of(head)[0] == kind


def test_says_what_a_json_error_says() -> None:
    """The words for a JSON error quote its message, wherever the vendor puts it."""
    assert "'no such model'" in kind_of(b'{"error": {"message": "no such model"}}')[1]
    assert "'no'" in kind_of(b'{"error": "no"}')[1]
    assert "'Not Found'" in kind_of(b'{"detail": "Not Found"}')[1]


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("cut", [64, 301])
def test_utf_16_is_called_by_its_name(coding: str, cut: int) -> None:
    """Text in UTF-16, with or without a byte order mark and cut inside a character, is not just binary data."""
    assert "UTF-16" in kind_of(CHUNK.decode().encode(coding)[:cut])[1]


def test_zeros_are_no_text() -> None:
    """A file of nothing but zeros, as a download that was given up leaves it, is binary data."""
    assert kind_of(bytes(500)) == ("binary", BINARY)


def test_a_whole_answer_is_told_from_other_json() -> None:
    """An answer without streaming is called one; a JSON object of something else is not."""
    whole = b'{"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}'
    assert "without streaming" in kind_of(whole)[1]
    assert "without streaming" not in kind_of(b'{"status": "ok"}')[1]


def test_says_how_to_decompress() -> None:
    """Compressed bytes come with the command that helps."""
    assert "gunzip" in kind_of(gzip.compress(b"x", mtime=0))[1]


def test_each_framing_takes_its_own_kind() -> None:
    """What is no event stream may be what another framing needs."""
    assert not_a_stream(CHUNK, "sse") is None
    assert not_a_stream(CHUNK, "ndjson")
    assert not_a_stream(b'{"a": 1}\n{"a": 2}\n', "ndjson") is None
    assert not_a_stream(b'[{"a": 1}', "json-array") is None
    assert not_a_stream(b'[{"a": 1}]', "ndjson")
    assert not_a_stream(bytes(range(256)), "eventstream") is None
    assert not_a_stream(bytes(range(256)) * 4, "eventstream") == BINARY
    assert not_a_stream(b"\0\0\0\x99\x0b:event-type\7\0" + bytes(600), "eventstream") is None
    assert not_a_stream(b"hello", None) is None
    assert not_a_stream(b"<html>", None)


def test_detects_with_a_reason() -> None:
    """A dialect that is sure says why."""
    guess = detect(CHUNK)
    assert guess.dialect == "openai-chat"
    assert "chat.completion.chunk" in guess.reason


def test_an_error_alone_is_anthropics_where_its_type_is() -> None:
    """A request that met an overloaded service has one event; an error of a type that others have too tells nothing."""
    alone = b'event: error\ndata: {"type": "error", "error": {"type": "%s", "message": "no"}}\n\n'
    assert detect(alone % b"overloaded_error").dialect == "anthropic-messages"
    with pytest.raises(StreamgaugeError):
        detect(alone % b"invalid_request_error")


GOOGLE = b'{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}'


@pytest.mark.parametrize(
    ("head", "content_type", "dialect", "why"),
    [
        (b"data: %b\r\n\r\n" % GOOGLE, "", "gemini-generate", "google.rpc, RESOURCE_EXHAUSTED"),
        (b"[%b\n]" % GOOGLE, "", "gemini-generate", "google.rpc"),
        (b'data:{"error":"no","error_type":"generation"}\n\n', "", "huggingface-tgi", '"error_type"'),
        (b'{"error":"no"}\n', "application/x-ndjson; charset=utf-8", "ollama-chat", "/api/generate says it"),
    ],
)
def test_an_error_alone_is_the_vendor_s_whose_shape_it_is(
    head: bytes, content_type: str, dialect: str, why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What only one vendor sends is detected, with the reason, and judged without an accusation."""
    guess = detect(head, content_type)
    assert guess.dialect == dialect
    assert why in guess.reason
    path = tmp_path / "answer"
    path.write_bytes(
        b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n\r\n" % content_type.encode() + head if content_type else head
    )
    assert main(["check", str(path)]) == 0
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    "head",
    [
        GOOGLE,
        GOOGLE + b"\n",
        b'data: {"error": {"code": 429, "message": "quota", "status": "exhausted"}}\n\n',
        b'data: {"error": {"code": "429", "message": "quota", "status": "RESOURCE_EXHAUSTED"}}\n\n',
        b'data: {"error": {"message": "no", "type": "server_error", "param": null, "code": null}}\n\n',
        b'[{"error": {"message": "no", "type": "server_error"}}]',
        b'data: {"error": "no"}\n\n',
        b'data: {"error": {"message": "no"}, "error_type": "generation"}\n\n',
        b'{"error": "no", "error_type": "generation"}',
        b'{"error": "no"}',
        b'{"error": {"message": "no"}}\n',
    ],
)
def test_an_error_that_others_send_too_tells_nothing(head: bytes) -> None:
    """OpenAI's and what it inspired, and the body of any refused request, are nobody's stream."""
    with pytest.raises(StreamgaugeError):
        detect(head)
    with pytest.raises(StreamgaugeError):
        detect(head, "application/json")


def test_an_error_is_no_argument_against_the_caller(chat: Dialect) -> None:
    """Gateways pass a vendor's error on in another dialect: who names that is believed."""
    assert another(chat, b"data: %b\n\n" % GOOGLE) is None
    assert another(chat, b'data: {"error":"no","error_type":"generation"}\n\n') is None


def test_a_line_that_may_be_ollama_s_says_how_to_have_it_judged() -> None:
    """One line with an error is what many refuse a request with: the way out is named, and nothing is guessed."""
    with pytest.raises(StreamgaugeError, match=r"JSON error and not a stream.*--dialect ollama-chat or"):
        detect(b'{"error": "no"}\n')
    with pytest.raises(StreamgaugeError) as refused:
        detect(b'{"error": {"message": "no"}}\n')
    assert "ollama" not in str(refused.value)


@pytest.mark.parametrize(
    "head", [b"", b"data: a\n\n", b"hello", gzip.compress(b"x", mtime=0), b"<html>", b'{"error": "no"}']
)
def test_what_is_not_sure_raises(head: bytes) -> None:
    """Nothing is guessed: the error says what it looks like."""
    with pytest.raises(StreamgaugeError, match=r"looks like|is empty"):
        detect(head)


def test_an_unsure_event_stream_asks_for_the_option() -> None:
    """An event stream of no known dialect names the option and the dialects there are."""
    with pytest.raises(StreamgaugeError, match=r"--dialect \(.*openai-chat"):
        detect(b"data: a\n\n")


def test_another_dialects_stream_is_told(chat: Dialect) -> None:
    """Events that mean nothing in the dialect, and have a type of their own, are another's."""
    assert another(chat, CHUNK) is None
    assert "invented.start" in (another(chat, INVENTED) or "")


def test_too_little_to_tell_is_admitted(chat: Dialect) -> None:
    """One silent event without a type of its own may be the beginning of a good stream (Azure sends such a one)."""
    assert another(chat, b'data: {"choices":[],"prompt_filter_results":[]}\n\n') is None
    assert another(chat, b": OPENROUTER PROCESSING\n\n") is None
    assert another(chat, b"data: not json\n\n") is None
    assert another(chat, b'data: {"x":1}\n\ndata: {"x":2}\n\n')


def test_meaning_is_more_than_a_name(chat: Dialect) -> None:
    """An id and a count of tokens are in every dialect; text, an error or nonsense are this one's."""
    assert means_something(chat, CHUNK)
    assert means_something(chat, b"data: nonsense\n\n")
    assert means_something(chat, b"data: [DONE]\n\n")
    assert not means_something(chat, b'data: {"id":"x","model":"m","usage":{"prompt_tokens":1}}\n\n')


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_have_a_kind(head: bytes) -> None:
    """No bytes at all make a guess fail, and every kind has words."""
    assert kind_of(head)[1]
    guesses(head)
    another(get_dialect("openai-chat"), head)


@pytest.mark.shared
def test_no_real_stream_is_refused(shared: Path, chat: Dialect) -> None:
    """Every real stream of the dialect is admitted, whole and cut behind its first event."""
    lines = (shared / "streams" / "index.jsonl").read_text().splitlines()
    for entry in (json.loads(line) for line in lines):
        if entry["dialect"] == chat.name:
            body = (shared / "streams" / entry["file"]).read_bytes()
            for head in (body, body[: body.find(b"\n\n") + 2], body[:1], body[:40]):
                assert not_a_stream(head, chat.framing) is None, entry["file"]
                assert another(chat, head) is None, entry["file"]


def test_two_dialects_that_are_both_sure_are_not_guessed_from(monkeypatch: pytest.MonkeyPatch, chat: Dialect) -> None:
    """Where two recognise the bytes, the call must say which; where only another does, it is named."""
    twin = dataclasses.replace(chat, name="twin-chat")
    blind = dataclasses.replace(chat, detect=lambda head: None)
    monkeypatch.setattr("streamgauge.detect.all_dialects", lambda: {chat.name: chat, twin.name: twin})
    with pytest.raises(StreamgaugeError, match="openai-chat and twin-chat: say which with --dialect"):
        detect(CHUNK)
    assert "a stream of twin-chat" in (another(blind, CHUNK) or "")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (("naïve text " * 4 + "\0").encode() * 20, "text"),
        (b"caf\xe9\0" * 20, "binary"),
        ("é".encode() * 4000 + b"\0", "text"),
        (b"x" * 4095 + "é".encode(), "text"),
        (b"\n{" + b"[" * 5000, "json"),
    ],
)
def test_odd_texts(head: bytes, kind: str) -> None:
    """A NUL alone makes no binary data, nor does a character that is cut at the end of the sample."""
    assert kind_of(head)[0] == kind
