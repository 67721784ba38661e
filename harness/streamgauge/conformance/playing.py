"""One run: a recording under a fault is played to one path of one provider, and what both sides saw is kept."""

from __future__ import annotations

import time

from streamgauge.chat import ChatMessage, ChatRequest, Tool
from streamgauge.conformance.planning import Job
from streamgauge.errors import StreamgaugeError
from streamgauge.faults import apply_faults
from streamgauge.observation import Observation, Run
from streamgauge.provider import Connection, ProviderSpec, get_provider
from streamgauge.raising import raised
from streamgauge.recordings import Recording
from streamgauge.runner import Watch, observe_async, observe_sync
from streamgauge.script import Script, script_of
from streamgauge.server import Mount, ReplayServer
from streamgauge.wire import elements, members, text

KEY = "streamgauge-conformance-key"
PATIENCE = 60.0
"""Seconds until a run that nothing disturbs counts as hung; the first one imports the client library."""
SILENCE = 1.0
"""Read timeout in seconds that clients are given where the server falls silent, or takes longer, on purpose."""
HANGS = 4.0
"""Seconds after which a client with that timeout counts as hung."""
STOP_AFTER = 3
"""Output events after which the caller of a `stop` rule has seen enough. The server is then watched for HANGS."""


def play(server: ReplayServer, job: Job, recording: Recording, baseline: Run | None) -> Observation:
    """Make a run; baseline: the same client's plain one, None where this is it."""
    spec = get_provider(job.provider)
    script = apply_faults(script_of(recording), job.fault)
    with server.mount(script) as mount:
        run = run_of(spec, job, mount, request_of(recording), script)
    ended = run.duration if run.stopped_at is None else run.stopped_at
    return Observation(
        subject=spec.name,
        path=job.path,
        dialect=recording.get_dialect(),
        case=job.case,
        fault=job.fault,
        expected=recording.message,
        run=run,
        body=script.counted.delivered,
        baseline=run if job == job.baseline else baseline,
        served=mount.served(run.began + ended),
        capabilities=frozenset(spec.capabilities),
    )


def run_of(spec: ProviderSpec, job: Job, mount: Mount, request: ChatRequest, script: Script) -> Run:
    """What the client's caller saw; a client that can't even be made is one that raised."""
    stop = job.stop or script.caller.leaves_after > 0
    silent = job.fault != "" and not stop and (_falls_silent(script) or _lasts(script) > SILENCE)
    connection = Connection(base_url=mount.base_url, api_key=KEY, timeout=SILENCE if silent else PATIENCE)
    watch = Watch(
        timeout=HANGS if _falls_silent(script) and silent else PATIENCE if job == job.baseline else PATIENCE / 2,
        stop_after=(script.caller.leaves_after or STOP_AFTER) if stop else None,
        caller=script.caller,
        on_stopped=lambda: mount.wait(HANGS),
        modules=spec.modules,
        secrets=(KEY,),
    )
    began = time.monotonic()
    try:
        if job.path == "sync":
            return observe_sync(spec.open(connection), request, watch)
        return observe_async(lambda: spec.open(connection), request, watch)
    except StreamgaugeError:
        raise
    except Exception as error:
        return Run(raised=raised(error, watch.modules, watch.secrets), began=began, duration=time.monotonic() - began)


def _falls_silent(script: Script) -> bool:
    return script.ending == "hold" or script.head_delay is None


def _lasts(script: Script) -> float:
    """Seconds that the server, or the client's caller, takes on purpose."""
    return sum(piece.delay for piece in script.pieces) + script.caller.pause


def request_of(recording: Recording) -> ChatRequest:
    """What a caller asks in order to get a recording's answer; read from the request that was recorded with it."""
    body = members(dict(recording.trace.request or {}))
    turns = [members(m) for m in elements(body.get("messages"))]
    said = tuple(
        ChatMessage("system" if m.get("role") == "system" else "user", text(m.get("content")))
        for m in turns
        if m.get("role") in ("system", "user") and text(m.get("content"))
    )
    functions = [members(members(t).get("function")) for t in elements(body.get("tools"))]
    tools = tuple(
        Tool(text(f.get("name")), text(f.get("description")), members(f.get("parameters"))) for f in functions
    )
    return ChatRequest(
        messages=said or (ChatMessage("user", recording.title or recording.name),),
        model=text(body.get("model")) or "gpt-4",
        n=body["n"] if isinstance(body.get("n"), int) else 1,
        tools=tools,
        include_usage=recording.message.usage is not None,
    )
