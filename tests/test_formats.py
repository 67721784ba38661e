"""Formats that are known by sight and not spoken."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from streamgauge.cli import main
from streamgauge.detect import another
from streamgauge.formats import FIRST, another_format
from streamgauge.recordings import shipped
from streamgauge.registry import get_dialect
from streamgauge.rules import rulebook


def aws(kind: str) -> bytes:
    """One message of an AWS event stream."""
    fields = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    head = b"".join(bytes([len(n)]) + n.encode() + b"\x07" + struct.pack(">H", len(v)) + v.encode() for n, v in fields)
    prelude = struct.pack(">II", 12 + len(head) + 2 + 4, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + b"{}"
    return message + struct.pack(">I", zlib.crc32(message))


SEEN = {
    "Cohere, events as lines": (
        b'{"is_finished":false,"event_type":"stream-start","generation_id":"g"}\n'
        b'{"is_finished":false,"event_type":"text-generation","text":"Hi"}\n',
        "Cohere's v1 API (chat), which streamgauge does not speak; v2 is cohere-chat",
    ),
    "Cohere, SSE": (b'data: {"event_type": "text-generation", "text": "Hi"}\n\n', "v2 is cohere-chat"),
    "AI SDK": (
        b'data: {"type":"start","messageId":"m"}\n\ndata: {"type":"text-start","id":"0"}\n\n',
        "an AI SDK UI message stream",
    ),
    "AI SDK 4": (b'f:{"messageId":"m"}\n0:"Hi"\n0:" there"\n', "an AI SDK data stream (version 4)"),
    "LangServe": (b'event: metadata\r\ndata: {"run_id": "1"}\r\n\r\nevent: data\r\ndata: "Hi"\r\n\r\n', "LangServe"),
    "LangChain": (b'event: data\ndata: {"event":"on_chat_model_stream","run_id":"1"}\n\n', "LangServe or LangGraph"),
    "Replicate": (b"event: output\nid: 1690212292:0\ndata: Once upon a time\n\n", "Replicate's event stream"),
    "Assistants": (b'event: thread.run.created\ndata: {"id":"r","object":"thread.run"}\n\n', "Assistants API"),
    "Assistants, no names": (b'data: {"id":"m","object":"thread.message.delta"}\n\n', "Assistants API"),
    "Realtime": (
        b'data: {"type":"session.created","event_id":"e"}\n\ndata: {"type":"response.created","event_id":"f"}\n\n',
        "Realtime API",
    ),
    "AG-UI": (b'data: {"type":"RUN_STARTED","threadId":"t","runId":"r"}\n\n', "events of AG-UI"),
    "llama.cpp": (
        b'data: {"index":0,"content":"-","tokens":[29],"stop":false,"tokens_predicted":1,"tokens_evaluated":1}\n\n',
        "llama.cpp's own /completion",
    ),
    "MCP": (b'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n', "JSON-RPC messages"),
    "curl -v": (b"* Host: x\n> POST /v1 HTTP/1.1\n>\n< HTTP/1.1 200 OK\n<\ndata: {}\n\n", "what curl -v prints"),
    "Transcribe": (aws("TranscriptEvent"), "an AWS event stream of Amazon Transcribe"),
}


@pytest.mark.parametrize("name", SEEN)
def test_each_is_named_and_not_judged(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of it is refused by its name, by both commands, with a dialect or without: exit code 2."""
    body, words = SEEN[name]
    path = tmp_path / "stream"
    path.write_bytes(body)
    for options in ([], ["--dialect", "openai-responses"], ["--dialect", "bedrock-converse"]):
        for command in ("check", "decode"):
            assert main([command, str(path), *options]) == 2
            out, err = capsys.readouterr()
            assert not out
            assert err.count("\n") == 1
            assert words in err


def test_no_stream_that_is_spoken_is_one() -> None:
    """Neither a shipped recording nor an example of a rule looks like any of them."""
    examples = [example for rule in rulebook().values() for example in (rule.good, rule.bad) if example is not None]
    bodies = [e.body if isinstance(e.body, bytes) else e.body.encode() for e in examples]
    bodies += [recording.trace.body for recording in shipped().values()]
    assert len(bodies) > 300
    assert [body[:200] for body in bodies if another_format(body)] == []


def test_what_a_model_says_does_not_count() -> None:
    """A text that quotes such an event is a text, and what comes late in a stream is not looked at."""
    event = r"{\"type\":\"RUN_STARTED\"}"
    chunk = b'data: {"choices":[{"index":0,"delta":{"content":"data: %b"}}]}\n\n' % event.encode()
    assert another_format(chunk) is None
    assert another(get_dialect("openai-chat"), chunk) is None
    assert another_format(b": " + b"x" * FIRST + b"\n\n" + SEEN["AG-UI"][0]) is None
    assert another_format(aws("messageStart")) is None
    verbose = b'data: {"choices":[],"__verbose":{"content":"Hi","stop":false,"tokens_predicted":1}}\n\n'
    assert another_format(verbose) is None


@pytest.mark.shared
def test_no_real_stream_is_one(shared: Path) -> None:
    """None of the streams that real services sent looks like any of them."""
    files = [path for path in (shared / "streams").glob("*/*") if path.is_file()]
    assert len(files) > 300
    assert [path.name for path in files if another_format(path.read_bytes()[:FIRST])] == []
