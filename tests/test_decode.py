"""`streamgauge decode`."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamgauge.capture import is_capture, read_capture
from streamgauge.cli import main
from streamgauge.cli._inputs import admitted
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.message import Message
from streamgauge.recordings import Recording, save
from streamgauge.registry import get_dialect
from streamgauge.trace import Trace

CHUNKS = [
    '{"id":"c1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"Hé"}}]}',
    '{"id":"c1","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    "[DONE]",
]
BODY = "".join(f"data: {c}\n\n" for c in CHUNKS).encode()
EVENTS = ["start", "text", "finish", "end"]


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "chat.sse"
    path.write_bytes(BODY)
    return path


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def decode(capfdbinary: pytest.CaptureFixture[bytes], *words: str) -> list[dict[str, Any]]:
    assert main(["decode", *words]) == 0
    return objects(capfdbinary.readouterr().out.decode())


def given_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_one_event_a_line(stream: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Each event has its type first, its choice and the span of bytes that it came from."""
    events = decode(capfdbinary, "--dialect", "openai-chat", str(stream))
    assert [e["type"] for e in events] == EVENTS
    assert events[1] == {"type": "text", "text": "Hé", "choice": 0, "span": [0, len(f"data: {CHUNKS[0]}\n\n".encode())]}
    assert events[-1]["ended"] == "complete"
    assert next(iter(events[0])) == "type"


def test_output_is_utf8_lines(stream: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Characters come out as UTF-8, and a line ends at LF only."""
    main(["decode", "--dialect", "openai-chat", str(stream)])
    out = capfdbinary.readouterr().out
    assert "Hé".encode() in out
    assert out.count(b"\n") == len(EVENTS)
    assert b"\r" not in out


def test_a_lone_surrogate_is_an_escape(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Half of a surrogate pair, which UTF-8 can't carry, is printed as its JSON escape."""
    path = tmp_path / "half.sse"
    path.write_bytes(b'data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"\\ud83d"}}]}\n\n')
    main(["decode", "--dialect", "openai-chat", str(path)])
    assert b'"text":"\\ud83d"' in capfdbinary.readouterr().out


def test_a_line_is_a_line_to_everyone(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Characters that some take for line ends are printed as JSON escapes, and mean the same."""
    path = tmp_path / "ends.sse"
    said = "a\u2028b\u2029c\x85d\x0be\x1cf\x7f"
    path.write_text("data: " + json.dumps(said, ensure_ascii=False) + "\n\n", encoding="utf-8")
    main(["decode", "--dialect", "sse", str(path)])
    (line,) = capfdbinary.readouterr().out.decode().splitlines()
    assert json.loads(json.loads(line)["data"]) == said


def test_the_message(stream: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`--message` prints the object of the contract, member for member."""
    assert decode(capfdbinary, "--message", "--dialect", "openai-chat", str(stream)) == [
        {
            "dialect": "openai-chat",
            "ended": "complete",
            "choices": [{"text": "Hé", "reasoning": "", "refusal": "", "tool_calls": [], "finish_reason": "stop"}],
            "usage": None,
            "errors": [],
            "malformed": 0,
            "model": "m",
            "id": "c1",
        }
    ]


def test_several_files_are_named(stream: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """With several files each object says which it is of, with and without --message."""
    other = tmp_path / "other.sse"
    other.write_bytes(BODY[: BODY.index(b"data: [DONE]")])
    words = ("--dialect", "openai-chat", str(stream), str(other))
    assert [m["file"] for m in decode(capfdbinary, "--message", *words)] == [str(stream), str(other)]
    assert {e["file"] for e in decode(capfdbinary, *words)} == {str(stream), str(other)}


def test_a_bad_file_does_not_stop_the_others(
    stream: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What can be read is read; each refusal is a line on standard error, and the exit code is 2."""
    page = tmp_path / "page.html"
    page.write_text("<html></html>")
    assert main(["decode", "--message", "--dialect", "openai-chat", str(page), "missing", str(stream)]) == 2
    out, err = capfdbinary.readouterr()
    assert len(objects(out.decode())) == 1
    assert [b"page.html" in line or b"missing" in line for line in err.splitlines()] == [True, True]


def test_the_dialect_is_seen(stream: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without --dialect the bytes say it, and standard error says why."""
    assert main(["decode", str(stream)]) == 0
    out, err = capfdbinary.readouterr()
    assert [e["type"] for e in objects(out.decode())] == EVENTS
    assert b"openai-chat, as an event has" in err


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`-` is standard input, with or without a dialect."""
    for words in (["--dialect", "openai-chat"], []):
        given_stdin(monkeypatch, BODY)
        assert [e["type"] for e in decode(capfdbinary, *words, "-")] == EVENTS


def test_events_come_out_as_bytes_come_in() -> None:
    """Each event is printed before the next bytes are there."""
    command = [sys.executable, "-m", "streamgauge", "decode", "--dialect", "openai-chat", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for chunk, kinds in zip(CHUNKS, (["start", "text"], ["finish"], ["end"]), strict=True):
            process.stdin.write(f"data: {chunk}\n\n".encode())
            process.stdin.flush()
            assert [json.loads(process.stdout.readline())["type"] for _ in kinds] == kinds
        process.stdin.close()
        assert process.wait(60) == 0


def test_sse_prints_dispatched_events_only(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The framing alone: type, data and the last event ID, by the WHATWG rules; comments are no events."""
    given_stdin(monkeypatch, b": c\nid: 7\nevent: x\ndata: a\r\ndata\n\nid\n\ndata:b\n\ndata: cut")
    assert decode(capfdbinary, "--dialect", "sse", "-") == [
        {"type": "x", "data": "a\n", "id": "7"},
        {"type": "message", "data": "b", "id": ""},
    ]


def test_sse_gives_any_text_a_meaning(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Lines that are no fields are ignored, as the standard says, and not refused."""
    given_stdin(monkeypatch, b'{"error": {"message": "no"}}\n\ncolor: blue\n\n')
    assert decode(capfdbinary, "--dialect", "sse", "-") == []


def test_past_the_limit_is_malformed(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A line over --limit is one malformed event, and what follows is read again."""
    data = b"data: " + b"a" * 200 + b"\n\ndata: b\n\n"
    given_stdin(monkeypatch, data)
    events = decode(capfdbinary, "--dialect", "sse", "--limit", "100", "-")
    assert [e["type"] for e in events] == ["malformed", "message"]
    assert "100 bytes" in events[0]["reason"]
    given_stdin(monkeypatch, data)
    events = decode(capfdbinary, "--dialect", "openai-chat", "--limit", "100", "-")
    assert events[0]["type"] == "malformed"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (gzip.compress(BODY), "gunzip"),
        (b"<!doctype html><title>502</title>", "HTML page"),
        (b'{"error":{"message":"bad key"}}', "'bad key'"),
        (b"\x00\xff\xfe\x01" * 100, "binary data"),
        (b"Not Found\n", "plain text ('Not Found')"),
        (b'event: invented.start\ndata: {"type":"invented.start"}\n\n', "invented.start"),
        (b'{"a":1}\n{"a":2}\n', "NDJSON"),
        (b'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n\r\n{"error":"no key"}', "'no key'"),
        (b"HTTP/1.1 200 OK\r\nContent-", "header section"),
    ],
)
@pytest.mark.parametrize("words", [["--dialect", "openai-chat"], ["--message"]])
def test_what_is_no_stream_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    data: bytes,
    said: str,
    words: list[str],
) -> None:
    """Exit code 2, one line that says what the bytes look like, and nothing on standard output."""
    given_stdin(monkeypatch, data)
    assert main(["decode", *words, "-"]) == 2
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert len(err.splitlines()) == 1
    if words == ["--message"] and said in ("invented.start", "NDJSON"):
        assert b"--dialect" in err
    else:
        assert said in err.decode()


@pytest.mark.parametrize("size", [1, 3, 40, len(BODY) - 14, len(BODY) - 1])
def test_a_cut_stream_is_decoded(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], size: int
) -> None:
    """A stream that is cut anywhere is no bad call: its message says how it ended."""
    given_stdin(monkeypatch, BODY[:size])
    (message,) = decode(capfdbinary, "--dialect", "openai-chat", "--message", "-")
    assert message["ended"] == ("truncated" if size <= 40 else "complete")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dialect", "openai-chta", "x"], "did you mean 'openai-chat'?"),
        (["--dialect", "ss", "x"], "did you mean 'sse'?"),
        (["--dialect", "sse", "--message", "x"], "no messages"),
        (["no/such/file"], "no such file: no/such/file"),
        (["."], "is a directory"),
    ],
)
def test_bad_calls(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that says what is wrong."""
    assert main(["decode", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def chunked(pieces: list[bytes], last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + last


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "raw", [HEAD + chunked([BODY[:50], BODY[50:]]), HEAD + BODY, HEAD.replace(b"\r\n", b"\n") + BODY]
)
def test_an_http_capture_is_unwrapped(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], raw: bytes
) -> None:
    """The body of a socket dump is de-chunked; `curl -i` keeps the header of a coding that it has undone."""
    given_stdin(monkeypatch, raw)
    assert [e["type"] for e in decode(capfdbinary, "-")] == EVENTS


def test_a_capture_keeps_status_headers_and_cuts() -> None:
    """A capture is a trace: one arrival for each chunk, and whether the last chunk came."""
    assert is_capture(HEAD)
    whole = read_capture(b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + chunked([b"ab", b"c"]))
    assert (whole.status, whole.header("content-type"), whole.ended) == (200, "text/event-stream", "eof")
    assert [a.data for a in whole.arrivals] == [b"ab", b"c"]
    for raw in (chunked([b"ab", b"c"], b""), chunked([b"ab"], b"5\r\nc"), chunked([b"ab"], b"zz\r\nc")):
        assert read_capture(HEAD + raw).ended == "incomplete"
    short = read_capture(b"HTTP/1.0 500 No\r\nContent-Length: 9\r\n\r\nshort")
    assert (short.status, short.ended, short.body, short.http_version) == (500, "incomplete", b"short", "HTTP/1.0")
    assert read_capture(b"HTTP/2 204 \r\n\r\n").arrivals == ()


@pytest.mark.parametrize(
    "before",
    [
        b"HTTP/1.1 200 Connection established\r\n\r\n",
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /v1/\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_the_last_head_of_a_capture_counts(before: bytes) -> None:
    """`curl -i` shows the heads of a proxy's CONNECT, of redirects and challenges that it went on from, too."""
    assert read_capture(before + HEAD + b"data: x\n\n") == read_capture(HEAD + b"data: x\n\n")


def test_a_recording_is_read_by_its_json_file(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Our own recordings bring their dialect with them."""
    body = BODY
    recording = Recording(
        name="case", dialect="openai-chat", trace=Trace.of(body), message=Message("openai-chat", "complete")
    )
    path = save(recording, tmp_path)
    assert [e["type"] for e in decode(capfdbinary, str(path))] == EVENTS


def test_comments_are_not_held_back() -> None:
    """While nothing but comments has come they are passed on, and the rest is still looked at."""
    chat = get_dialect("openai-chat")
    chunks = iter([b": wait\n\n", b": wait\n\n", b'data: {"type":"invented.start"}\n\n'])
    seen = admitted(chunks, chat, "x")
    assert next(seen) == b": wait\n\n"
    assert next(seen) == b": wait\n\n"
    with pytest.raises(StreamgaugeError, match=r"invented\.start"):
        list(seen)


def test_nothing_is_lost_while_it_is_looked_at() -> None:
    """Whatever the cut, the admitted bytes are the bytes."""
    chat = get_dialect("openai-chat")
    for size in (1, 2, 7, 100, 1000):
        pieces = [BODY[i : i + size] for i in range(0, len(BODY), size)]
        assert b"".join(admitted(pieces, chat, "x")) == BODY


def test_a_dialect_without_limit_says_so(
    monkeypatch: pytest.MonkeyPatch, stream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--limit with a framing that has none is a wrong call."""
    import dataclasses

    chat = get_dialect("openai-chat")
    unlimited = dataclasses.replace(chat, framer=lambda: chat.framer())
    monkeypatch.setattr("streamgauge.cli.decode.named_dialect", lambda name: unlimited)
    assert main(["decode", "--dialect", "openai-chat", "--limit", "5", str(stream)]) == 2
    assert "--limit does not apply" in capsys.readouterr().err


def expected_messages(shared: Path, dialect: Dialect) -> Iterator[tuple[Path, dict[str, Any]]]:
    lines = (shared / "streams" / "expected.jsonl").read_text().splitlines()
    expected = {e["sha256"]: e for e in map(json.loads, lines)}
    for entry in map(json.loads, (shared / "streams" / "index.jsonl").read_text().splitlines()):
        known = expected.get(entry["sha256"])
        if known and known["dialect"] == dialect.name:
            yield shared / "streams" / entry["file"], known


def plain(value: Any) -> Any:
    """A value as the shared expectations state it: long strings by hash, and null, "" and absent are the same."""
    if isinstance(value, str) and len(value) > 2000:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        return {"sha256": digest, "len": len(value)}
    return value or None


def comparable(message: dict[str, Any], skip: list[str]) -> dict[str, Any]:
    """What two messages must have in common."""
    usage = message.get("usage") or {}
    shown: dict[str, Any] = {k: plain(message.get(k)) for k in ("ended", "id", "model") if k not in skip}
    if "usage" not in skip:
        shown["usage"] = [usage.get(k) for k in ("input_tokens", "output_tokens")]
    shown["malformed"] = message.get("malformed", 0)
    shown["errors"] = len(message.get("errors") or [])
    shown["choices"] = [
        {
            **{k: plain(c.get(k)) for k in ("text", "reasoning", "refusal", "finish_reason") if k not in skip},
            "calls": [
                [plain(t.get("id")), plain(t.get("name")), plain(t.get("arguments") or "{}")]
                for t in c.get("tool_calls") or []
            ],
        }
        for c in message.get("choices") or [{}]
    ]
    return shown


@pytest.mark.shared
def test_real_streams_carry_the_expected_messages(shared: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`decode --message` over every real stream of the dialect agrees with what was worked out by other means."""
    known = list(expected_messages(shared, get_dialect("openai-chat")))
    assert len(known) > 100
    messages = decode(capfdbinary, "--message", "--dialect", "openai-chat", *(str(path) for path, _ in known))
    for (path, expected), message in zip(known, messages, strict=True):
        skip = expected.get("ambiguous_fields") or []
        assert message["file"] == str(path)
        assert comparable(message, skip) == comparable(expected, skip), path.name


@pytest.mark.shared
def test_real_captures_are_unwrapped(shared: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Socket dumps of real servers, each with its own HTTP framing, give the text that the model is known to say."""
    raws = [shared / "captures" / server / "chat.raw" for server in ("xllamacpp", "vllm", "hf-serve", "litellm")]
    messages = decode(capfdbinary, "--message", *map(str, raws))
    texts = {m["choices"][0]["text"] for m in messages}
    assert len(messages) == len(raws)
    assert len(texts) == 1
    assert "中" in texts.pop()


@pytest.mark.shared
def test_every_vector_of_the_standard_goes_through(
    shared: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """No text of the shared WHATWG vectors is refused, and what is printed are the events that they state."""

    def data_of(value: Any) -> str:
        if isinstance(value, str):
            return value
        if "repeat" in value:
            return str(value["repeat"] * value["count"])
        return str(value["join"].join([value["unit"]] * value["count"]))

    for vector in json.loads((shared / "catalogue" / "sse_vectors.json").read_text())["vectors"]:
        given_stdin(monkeypatch, b"".join(base64.b64decode(part) * count for part, count in vector["input"]))
        got = decode(capfdbinary, "--dialect", "sse", "-")
        expected = [(e["type"], data_of(e["data"]), e["lastEventId"]) for e in vector["expect"]["events"]]
        assert [(e["type"], e["data"], e["id"]) for e in got] == expected, vector["id"]
