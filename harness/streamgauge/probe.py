"""The requests that an endpoint is judged by, and the exchanges that they give.

A server can only be judged by what it was asked: text, text that is cut short, tools, several choices, usage or none,
what is not a request at all, and a caller who goes away. Each request is sent once, one after the other.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urljoin

import httpx2

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.detect import not_a_stream
from streamgauge.dialect import Dialect
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.message import Message
from streamgauge.rules import Exchange
from streamgauge.trace import Trace
from streamgauge.transport import (
    NEVER_SENT,
    Recorder,
    advice,
    ending,
    fetch,
    fetch_json,
    is_loopback,
    join_url,
    masked,
    outgoing,
    shown,
    trust,
    unreachable,
)
from streamgauge.wire import Undecodable, elements, members, parse, text

WEATHER = Tool(
    "get_weather",
    "The present weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)
ENOUGH = 128
"""Tokens that an ordinary answer may have: a model that rambles must not make the run long."""
DISCONNECT_AFTER = 3
"""Events after which the `disconnect` request goes away."""
NO_SUCH_MODEL = "streamgauge-no-such-model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The endpoint. timeout: seconds of silence after which a read ends; five times that is each request's limit."""

    base_url: str
    dialect: Dialect
    model: str
    api_key: str = ""
    timeout: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request; `name` is the case of its verdicts.

    twin: it is asked without streaming too, and the answers are compared. spoil: what is sent instead of its JSON.
    """

    name: str
    request: ChatRequest
    twin: bool = False
    stop_after: int | None = None
    spoil: Callable[[bytes], bytes] | None = None


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
        Probe(name="length", request=replace(count, max_tokens=5), twin=True),
        Probe(name="stop", request=replace(asked("Count from one to ten in words."), stop=("four",)), twin=True),
        Probe(name="tools", request=weather, twin=True),
        Probe(name="parallel-tools", request=cities),
        Probe(name="two-choices", request=replace(plain, n=2)),
        Probe(name="logprobs", request=replace(plain, logprobs=True), twin=True),
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
        bare = replace(probe.request, **without.get(probe.name, {}))
        if probe.name not in without or dialect.request(bare) != dialect.request(probe.request):
            yield probe


def first_model(base_url: str, dialect: Dialect, *, api_key: str = "", timeout: float = 60.0) -> str:
    """The first model that the endpoint lists; "" where requests of the dialect name none.

    Raises BackendError where it lists none, StreamgaugeError where the dialect has no list: it says what to do.
    """
    if dialect.request(ChatRequest.of("", model="")) == dialect.request(ChatRequest.of("", model=NO_SUCH_MODEL)):
        return ""
    if not dialect.models_path:
        raise StreamgaugeError(f"{dialect.name} has no list of models: name the --model")
    url = join_url(base_url, dialect.models_path)
    key = {dialect.auth.header: dialect.auth.prefix + api_key} if api_key else {}
    try:
        answer = httpx2.get(url, headers=key, timeout=timeout, trust_env=not is_loopback(url), verify=trust())
    except NEVER_SENT as error:
        raise unreachable(url, error) from None
    except httpx2.RequestError as error:
        raise BackendError(f"{shown(url)} gives no answer: {error or type(error).__name__}; name the --model") from None
    listed = members(parse(answer.text))
    entries = [members(e) for e in elements(listed.get("data") or listed.get("models"))]
    names = [name for e in entries if (name := text(e.get("id")) or text(e.get("name")) or text(e.get("model")))]
    if answer.is_success and names:
        return names[0]
    hint = advice(base_url, dialect, answer.status_code) or _key_hint(dialect, answer.status_code) or "name the --model"
    raise BackendError(f"{shown(url)} lists no models (HTTP {answer.status_code}): {hint}")


def exchanges(target: Target, wanted: tuple[Probe, ...] | None = None) -> Generator[Exchange]:
    """Send the requests and yield their exchanges as they end, those of the non-streaming twins included.

    All of one run are each other's `siblings`, by name; a twin's name has `.twin` behind it, and the exchange whose
    twin it is knows it as `non-stream` too.
    Raises BackendError where nothing answers, and where the plain request, which is the first, shows that this is no
    endpoint of the dialect: it says what to do.
    """
    siblings: dict[str, Exchange] = {}
    for number, probe in enumerate(wanted or probes(target.dialect, target.model)):
        trace = _send(target, probe)
        if number == 0:
            _require_endpoint(target, trace)
        reference = None
        own: dict[str, Exchange] = {}
        if probe.twin:
            reply = fetch_json(
                target.base_url, target.dialect, probe.request, api_key=target.api_key, timeout=target.timeout
            )
            reference = _message(target.dialect, reply)
            own["non-stream"] = _kept(siblings, Exchange(target.dialect, reply, None, siblings, f"{probe.name}.twin"))
            yield own["non-stream"]
        related = ChainMap(own, siblings)
        yield _kept(siblings, Exchange(target.dialect, trace, reference, related, probe.name))
    if wanted is None and target.base_url.lower().startswith("https://") and find_spec("h2"):
        yield _over_http2(target, siblings)


def _over_http2(target: Target, siblings: dict[str, Exchange]) -> Exchange:
    """The plain request once more, with HTTP/2 offered."""
    plain = probes(target.dialect, target.model)[0].request
    trace = fetch(
        target.base_url,
        target.dialect,
        plain,
        api_key=target.api_key,
        timeout=target.timeout,
        deadline=5 * target.timeout,
        http2=True,
    )
    return _kept(siblings, Exchange(target.dialect, trace, None, siblings, "http2"))


def _kept(siblings: dict[str, Exchange], exchange: Exchange) -> Exchange:
    siblings[exchange.case] = exchange
    return exchange


def _send(target: Target, probe: Probe) -> Trace:
    if probe.spoil:
        return _send_spoilt(target, probe.request, probe.spoil)
    return fetch(
        target.base_url,
        target.dialect,
        probe.request,
        api_key=target.api_key,
        timeout=target.timeout,
        stop_after=probe.stop_after,
        deadline=5 * target.timeout,
    )


def _send_spoilt(target: Target, request: ChatRequest, spoil: Callable[[bytes], bytes]) -> Trace:
    """A request whose body is not what the dialect says; its trace knows no request."""
    out = outgoing(target.base_url, target.dialect, request, api_key=target.api_key)
    recorder = Recorder(out, target.api_key)
    extensions = {"trace": recorder.on_trace}
    try:
        with (
            httpx2.Client(timeout=target.timeout, trust_env=not is_loopback(out.url), verify=trust()) as client,
            client.stream(
                "POST", out.url, headers=out.headers, content=spoil(out.content), extensions=extensions
            ) as response,
        ):
            recorder.head(response)
            for data in response.iter_raw():
                recorder.feed(data)
                if recorder.now > 5 * target.timeout:
                    recorder.ended("timeout")
                    break
            else:
                recorder.ended("eof")
    except NEVER_SENT as error:
        raise unreachable(out.url, error) from None
    except httpx2.RequestError as error:
        recorder.ended(ending(error), str(error))
    return replace(recorder.trace(), request=None)


def _message(dialect: Dialect, reply: Trace) -> Message | None:
    value = parse(reply.body.decode("utf-8", "replace"))
    if reply.status != 200 or isinstance(value, Undecodable):
        return None
    return dialect.message(value)


def _require_endpoint(target: Target, trace: Trace) -> None:
    """Raise BackendError where the answer to the plain request shows that there is nothing to judge."""
    url = shown(join_url(target.base_url, target.dialect.request(ChatRequest.of("")).path))
    if trace.status is None:
        why = (
            f"no HTTP answer in {target.timeout:g} s" if trace.ended == "timeout" else f"no HTTP answer ({trace.note})"
        )
        raise BackendError(f"{url}: {why}; is it an HTTP server, is it up?")
    said = masked(_said(trace.body), target.api_key)
    if not 200 <= trace.status < 300:
        hint = trace.note or _moved(url, trace) or _key_hint(target.dialect, trace.status) or "nothing was judged"
        raise BackendError(f"{url} answers HTTP {trace.status}{said and f' ({said})'}: {hint}")
    coding = trace.header("Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise BackendError(f"{url} answers in Content-Encoding {coding}, which was not asked for: turn compression off")
    words = not_a_stream(trace.body, target.dialect.framing, *target.dialect.other_framings)
    if words and trace.body and not _speaks(target.dialect, trace.body):
        base = target.dialect.base_path
        hint = f"; should the URL end in {base}?" if base and not target.base_url.rstrip("/").endswith(base) else ""
        raise BackendError(f"{url} answers with {words}: not a server of {target.dialect.name}{hint}")


def _moved(url: str, trace: Trace) -> str:
    """Where a redirect leads: it is not followed, because the key is for the URL that was given."""
    location = trace.header("Location") if trace.status in (301, 302, 303, 307, 308) else None
    if not location:
        return ""
    try:
        return f"it redirects to {shown(urljoin(url, location))}: give the base URL of that"
    except (ValueError, httpx2.InvalidURL):
        return "it redirects to what is no URL"


def _speaks(dialect: Dialect, body: bytes) -> bool:
    """Whether a JSON answer is one of the dialect's, be it an error: that it did not stream is for rules to say."""
    value = parse(body.decode("utf-8", "replace"))
    if isinstance(value, Undecodable):
        return False
    message = dialect.message(value)
    return bool(message.choices or message.errors)


def _said(body: bytes) -> str:
    """What an error body says, in brief."""
    value = parse(body.decode("utf-8", "replace"))
    error = members(value).get("error") or members(value).get("detail") or members(value).get("message")
    said = text(members(error).get("message")) or (str(error) if error else "")
    return said if len(said) <= 200 else f"{said[:199]}…"


def _key_hint(dialect: Dialect, status: int) -> str:
    if status not in (401, 403):
        return ""
    where = f" or set {dialect.auth.env}" if dialect.auth.env else ""
    return f"it wants an API key: give --api-key{where}"


def need_base_url(target: str, dialect: Dialect) -> None:
    """Raise StreamgaugeError where a URL is that of the dialect's own path, and not the base URL in front of it."""
    path = dialect.request(ChatRequest.of("")).path
    if target.rstrip("/").endswith(path):
        raise StreamgaugeError(f"give the base URL, without {path}: {shown(target.rstrip('/').removesuffix(path))}")
