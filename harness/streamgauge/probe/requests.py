"""The requests that an endpoint is judged by, as far as its dialect can express them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.dialect import Dialect
from streamgauge.probe.endpoint import NO_SUCH_MODEL

WEATHER = Tool(
    "get_weather",
    "The present weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)
ENOUGH = 128
"""Tokens that an ordinary answer may have: a model that rambles must not make the run long."""
FEW = 16
"""Tokens that cut an answer short: OpenAI's Responses API takes no fewer."""
DISCONNECT_AFTER = 3
"""Events after which the `disconnect` request goes away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request; `name` is the case of its verdicts.

    twin: it is asked without streaming too, and the answers are compared. spoil: what is sent instead of its JSON.
    bare: the query of the dialect's path is left off, which asks for its other framing.
    """

    name: str
    request: ChatRequest
    twin: bool = False
    stop_after: int | None = None
    spoil: Callable[[bytes], bytes] | None = None
    bare: bool = False


def probes(dialect: Dialect, model: str) -> tuple[Probe, ...]:
    """The requests for a dialect, without those that it can't express."""
    plain = ChatRequest(
        messages=(ChatMessage("user", "Say hello in one short sentence."),),
        model=model,
        max_tokens=ENOUGH,
        temperature=0.0,
        seed=1,
    )
    asked = _asking(plain)
    weather = replace(asked("What is the weather in Paris? Use the tool."), tools=(WEATHER,))
    cities = replace(weather, messages=(ChatMessage("user", "Use the tool for the weather in Paris, and in Tokyo."),))
    count = asked("Count from one to two hundred in words.")
    wanted = (
        Probe(name="plain", request=plain, twin=True),
        Probe(name="no-usage", request=replace(plain, include_usage=False)),
        Probe(name="unicode", request=asked("Repeat exactly: café, 中文, Ω, 🦙."), twin=True),
        Probe(name="long", request=replace(count, max_tokens=4 * ENOUGH)),
        Probe(name="length", request=replace(count, max_tokens=FEW), twin=True),
        Probe(name="stop", request=replace(asked("Count from one to ten in words."), stop=("four",)), twin=True),
        Probe(name="tools", request=weather, twin=True),
        Probe(name="parallel-tools", request=cities),
        Probe(name="two-choices", request=replace(plain, n=2), twin=True),
        Probe(name="logprobs", request=replace(plain, logprobs=True), twin=True),
        Probe(name="no-query", request=plain, bare=True),
        Probe(name="bad-json", request=plain, spoil=lambda content: content[: len(content) // 2]),
        Probe(name="unknown-model", request=replace(plain, model=NO_SUCH_MODEL)),
        Probe(name="no-messages", request=replace(plain, messages=())),
        Probe(name="disconnect", request=count, stop_after=DISCONNECT_AFTER),
        # The last one shows that the server got over the requests before it.
        Probe(name="after-disconnect", request=plain),
    )
    return tuple(_expressible(wanted, dialect))


def _asking(plain: ChatRequest) -> Callable[[str], ChatRequest]:
    return lambda prompt: replace(plain, messages=(ChatMessage("user", prompt),))


def _expressible(wanted: tuple[Probe, ...], dialect: Dialect) -> Iterator[Probe]:
    """Probes whose point is in what they send: without it another request would only be sent again."""
    plain = wanted[0].request
    without: dict[str, dict[str, Any]] = {
        "no-usage": {"include_usage": True},
        "length": {"max_tokens": None},
        "stop": {"stop": ()},
        "tools": {"tools": ()},
        "parallel-tools": {"tools": ()},
        "two-choices": {"n": 1},
        "logprobs": {"logprobs": False},
        "unknown-model": {"model": plain.model},
    }
    for probe in wanted:
        if probe.bare and "?" not in dialect.request(plain).path:
            continue
        bare = replace(probe.request, **without.get(probe.name, {}))
        if probe.name not in without or dialect.request(bare) != dialect.request(probe.request):
            yield probe
