"""Sending the requests, one after the other, and the exchanges that they give."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Generator
from dataclasses import replace
from importlib.util import find_spec

import httpx2

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect, WireRequest
from streamgauge.message import Message
from streamgauge.probe.endpoint import Target, require_endpoint
from streamgauge.probe.fitting import refused, without
from streamgauge.probe.requests import Probe, probes
from streamgauge.rules import Exchange
from streamgauge.trace import Trace
from streamgauge.transport import (
    NEVER_SENT,
    Recorder,
    ending,
    fetch,
    fetch_json,
    is_loopback,
    masked,
    outgoing,
    secrets_in,
    trust,
    unreachable,
)
from streamgauge.wire import Undecodable, parse


def count(target: Target) -> int:
    """How many exchanges a whole run has."""
    wanted = probes(target.dialect, target.model)
    return len(wanted) + sum(probe.twin for probe in wanted) + _may_speak_http2(target)


def exchanges(
    target: Target, wanted: tuple[Probe, ...] | None = None, *, told: Callable[[str], None] = lambda _: None
) -> Generator[Exchange]:
    """Send the requests and yield their exchanges as they end, those of the non-streaming twins included.

    All of one run are each other's `siblings`, by name; a twin's name has `.twin` behind it, and the exchange whose
    twin it is knows it as `non-stream` too. Where the first request, the plain one, is refused because of a setting
    that the refusal names, as a seed, all are sent without it: `told` is called with the words that say so, and with
    those of an error that the plain request's answer holds.
    Raises BackendError where nothing answers, and where the plain request, which is the first, shows that this is no
    endpoint of the dialect: it says what to do.
    """
    siblings: dict[str, Exchange] = {}
    fitting, answer = _fitting(target, wanted or probes(target.dialect, target.model), told)
    require_endpoint(target, answer)
    if errors := Exchange(target.dialect, answer).message.errors:
        said = masked(errors[0].message, *secrets_in(target.headers), target.api_key)
        told(f"it answers the plain request with an error, so that little of it can be judged: {said[:200]}")
    for number, probe in enumerate(fitting):
        trace = _send(target, probe) if number else answer
        reference = None
        own: dict[str, Exchange] = {}
        if probe.twin:
            reply = fetch_json(
                target.base_url,
                target.dialect,
                probe.request,
                api_key=target.api_key,
                timeout=target.timeout,
                headers=target.headers,
            )
            reference = _message(target.dialect, reply)
            whole = Exchange(target.dialect, reply, None, siblings, f"{probe.name}.twin", streams=False)
            own["non-stream"] = _kept(siblings, whole)
            yield own["non-stream"]
        related = ChainMap(own, siblings)
        asked = _asked(target.dialect, probe)
        yield _kept(siblings, Exchange(target.dialect, trace, reference, related, probe.name, asked=asked))
    if wanted is None and _may_speak_http2(target):
        yield _over_http2(target, fitting[0].request, siblings)


def _fitting(target: Target, wanted: tuple[Probe, ...], told: Callable[[str], None]) -> tuple[tuple[Probe, ...], Trace]:
    """The probes as the endpoint takes them, and its answer to the first."""
    answer = _send(target, wanted[0])
    while name := refused(target.dialect, wanted[0].request, answer.status, answer.body):
        told(f"it refuses {name}, so that nothing was asked with it")
        wanted = tuple(replace(probe, request=without(probe.request, name)) for probe in wanted)
        answer = _send(target, wanted[0])
    return wanted, answer


def _may_speak_http2(target: Target) -> bool:
    return target.base_url.lower().startswith("https://") and find_spec("h2") is not None


def _asked(dialect: Dialect, probe: Probe) -> str:
    """The framing that a probe's URL asks for, of a dialect that has more than one."""
    return (dialect.other_framings[0] if probe.bare else dialect.framing) if dialect.other_framings else ""


def _over_http2(target: Target, plain: ChatRequest, siblings: dict[str, Exchange]) -> Exchange:
    """The plain request once more, with HTTP/2 offered."""
    trace = fetch(
        target.base_url,
        target.dialect,
        plain,
        api_key=target.api_key,
        timeout=target.timeout,
        headers=target.headers,
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
        _without_query(target.dialect) if probe.bare else target.dialect,
        probe.request,
        api_key=target.api_key,
        timeout=target.timeout,
        headers=target.headers,
        stop_after=probe.stop_after,
        deadline=5 * target.timeout,
    )


def _without_query(dialect: Dialect) -> Dialect:
    """The dialect, asking at its path alone."""

    def request(asked: ChatRequest) -> WireRequest:
        wire = dialect.request(asked)
        return replace(wire, path=wire.path.partition("?")[0])

    return replace(dialect, request=request)


def _send_spoilt(target: Target, request: ChatRequest, spoil: Callable[[bytes], bytes]) -> Trace:
    """A request whose body is not what the dialect says; its trace knows no request."""
    out = outgoing(target.base_url, target.dialect, request, api_key=target.api_key, headers=target.headers)
    recorder = Recorder(out)
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
