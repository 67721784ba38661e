"""Which script a path asks for: look-ups, selectors in the URL, the default case, and helpful refusals. No I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from streamgauge.chat import ChatRequest
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError, UnknownNameError
from streamgauge.events import to_json
from streamgauge.faults import apply_faults
from streamgauge.recordings import shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.script import ELSEWHERE, Piece, Script, script_of
from streamgauge.server.log import Received
from streamgauge.server.needs import require

DEFAULT_DIALECT = "openai-chat"
"""The dialect of cases that are named without one, as in `get_recording`."""
MODEL = "gpt-4"
"""The model name that look-ups offer where no recording names one."""


def json_script(status: int, value: Any, *, headers: tuple[tuple[str, str], ...] = ()) -> Script:
    """An ordinary JSON answer."""
    return Script(
        dialect=next(iter(all_dialects().values())),
        pieces=(Piece(to_json(value).encode()),),
        status=status,
        headers=(("Content-Type", "application/json"), *headers),
        framing="length",
    )


def refusal(status: int, message: str, **more: Any) -> Script:
    """An HTTP error of the server itself, in the shape that most client libraries can read."""
    kind = "streamgauge_" + ("not_found" if status == 404 else "request_error")
    headers = (("Allow", "POST"),) if status == 405 else ()
    return json_script(
        status, {"error": {"message": message, "type": kind, "code": str(status)} | more}, headers=headers
    )


def bad_request(reason: str) -> Script:
    """The answer to bytes that are no request."""
    return refusal(400, f"not a request that this server can read: {reason}")


def dialect_of(path: str) -> Dialect | None:
    """The dialect that streams at this path, whatever stands before it."""
    return next((d for d in all_dialects().values() if any(re.search(p, path) for p in d.paths)), None)


def models_of(path: str, preferred: str) -> Script | None:
    """The list of models, where this is a look-up of them.

    Dialects share the path: the longest that fits counts, and among those the preferred dialect.
    """
    found = [d for d in all_dialects().values() if d.models is not None and path.endswith(d.models_path or "\n")]
    if not found:
        return None
    dialect = max(found, key=lambda d: (path.endswith(d.base_path + d.models_path), d.name == preferred))
    assert dialect.models is not None
    names = {r.message.model for r in shipped().values() if r.dialect == dialect.name and r.message.model}
    return json_script(200, dialect.models([MODEL, *sorted(names - {MODEL})]))


def streaming_paths() -> list[str]:
    """What a 404 says that one could have asked for."""
    found = [d.base_path + d.request(ChatRequest.of("")).path for d in all_dialects().values()]
    found += [d.base_path + d.models_path for d in all_dialects().values() if d.models_path]
    return sorted({f"{prefix}{path}" for path in found for prefix in ("", "/play/<case>", "/play/<case>/<faults>")})


def elsewhere(script: Script, received: Received) -> Script:
    """The script with the URL of this request, under another name of this host, where it leads there."""
    if not any(value == ELSEWHERE for _, value in script.headers):
        return script
    name, _, port = received.headers.get("host", "").rpartition(":")
    other = "127.0.0.1" if name == "localhost" else "localhost"
    url = f"//{other}:{port}{without_query(received.path)}?redirected"
    return script.but(headers=tuple((n, url if value == ELSEWHERE else value) for n, value in script.headers))


def without_query(path: str) -> str:
    """The path alone; a proxy's absolute form loses scheme and host."""
    path = path.partition("?")[0]
    if "://" in path[:8]:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return unquote(path).rstrip("/") or "/"


@dataclass(frozen=True, slots=True)
class Player:
    """Plays shipped recordings by URL.

    case, fault: what a request without a selector gets. speed: as in `script_of`; pace: seconds for each event
    instead of the recorded times. secure: whether it is played over TLS.
    """

    case: str = "plain-text"
    fault: str = ""
    speed: float | None = None
    pace: float | None = None
    secure: bool = False

    def script(self, received: Received) -> Script:
        """The answer to a request outside of all mounts."""
        path = without_query(received.path)
        if received.method in ("GET", "HEAD"):
            return models_of(path, self._preferred(path)) or refusal(
                404 if dialect_of(path) is None else 405, *_nothing_at(path)
            )
        try:
            return self._play(path, received)
        except StreamgaugeError as error:
            return refusal(404, str(error), paths=streaming_paths(), cases=sorted(shipped()))

    def _preferred(self, path: str) -> str:
        """The dialect that a look-up most likely means: that of the case that is played."""
        case = path.partition("/play/")[2] or self.case
        return next((d for d in all_dialects() if case.startswith(f"{d}/")), DEFAULT_DIALECT)

    def _play(self, path: str, received: Received) -> Script:
        dialect = dialect_of(path)
        if dialect is None:
            return refusal(404, *_nothing_at(path), paths=streaming_paths())
        if non_streaming(dialect, received.body):
            return refusal(501, 'the replay server only streams: set "stream": true in the request')
        case, fault = self.case, self.fault
        if path.startswith("/play/"):
            case, fault = selectors(path, dialect)
        script = _script(find_case(case, dialect), fault, self.speed, self.pace)
        if script.transport.certificate and not self.secure:
            return refusal(501, f"{fault} needs TLS, which this URL has not: streamgauge serve --fault {fault}")
        return script


@lru_cache(maxsize=128)
def _script(name: str, fault: str, speed: float | None, pace: float | None) -> Script:
    """A shipped recording at a pace and under faults; kept, because finding frames again for each request is slow."""
    script = script_of(shipped()[name], speed=speed)
    if pace is not None:
        script = script.but(pieces=tuple(Piece(frame, pace) for frame in script.frames()))
    script = apply_faults(script, fault)
    require(script)
    return script


def _nothing_at(path: str) -> tuple[str]:
    if dialect_of(path) is not None:
        return (f"{path} answers POST only",)
    return (f"nothing is at {path}",)


def find_case(case: str, dialect: Dialect) -> str:
    """The name of a shipped recording, by `<dialect>/<case>`, or by the case alone in the dialect of the path.

    Raises StreamgaugeError where there is none, or where the path is another dialect's.
    """
    name = case if "/" in case else f"{dialect.name}/{case}"
    if name not in shipped():
        raise UnknownNameError("case", name, sorted(shipped()))
    spoken = get_dialect(name.partition("/")[0])
    if dialect.name not in spoken.names:
        raise StreamgaugeError(f"case {name!r} can't be played here: this path speaks {dialect.name}")
    return name


def selectors(path: str, dialect: Dialect) -> tuple[str, str]:
    """Case and faults in `/play/<case>[/<faults>]/<path of the API>`.

    What stands between the case and the API's own path must be faults: a misspelt one is refused, not ignored.
    """
    parts = path.split("/")[2:]
    case = parts.pop(0) if parts else ""
    if case in all_dialects() and parts:
        case = f"{case}/{parts.pop(0)}"
    spec = parts[0] if parts else ""
    return case, "" if _is_api_path(spec, dialect) else spec


def _is_api_path(part: str, dialect: Dialect) -> bool:
    own = {dialect.request(ChatRequest.of("")).path.split("/")[1], dialect.base_path.strip("/")}
    return part in own or part in ("openai", "api") or re.fullmatch(r"v\d\w*", part) is not None


def non_streaming(dialect: Dialect, body: bytes) -> bool:
    """Whether a request asks for one whole answer, as its dialect spells that."""
    try:
        asked = json.loads(body)
    except ValueError:
        return False
    if not isinstance(asked, dict):
        return False
    plain, streaming = (dialect.request(ChatRequest(messages=(), stream=s)).body.get("stream") for s in (False, True))
    return plain != streaming and asked.get("stream") in (plain, False)
