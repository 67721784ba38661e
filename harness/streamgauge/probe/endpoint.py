"""The endpoint that is judged, and whether there is one: its URL, its model, and what answers there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin

import httpx2

from streamgauge.chat import ChatRequest
from streamgauge.detect import kind_of, not_a_stream
from streamgauge.dialect import Dialect
from streamgauge.errors import BackendError, StreamgaugeError
from streamgauge.formats import another_format
from streamgauge.registry import all_dialects
from streamgauge.trace import Headers, Trace
from streamgauge.transport import (
    NEVER_SENT,
    advice,
    headers_can_carry,
    is_loopback,
    join_url,
    masked,
    merged,
    secrets_in,
    shown,
    trust,
    unreachable,
)
from streamgauge.wire import Undecodable, elements, members, parse, text

NO_SUCH_MODEL = "streamgauge-no-such-model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The endpoint. timeout: seconds of silence after which a read ends; five times that is each request's limit.

    headers: what goes with each request beside what the dialect sends, and replaces it where it has the same name.
    """

    base_url: str
    dialect: Dialect
    model: str
    api_key: str = ""
    timeout: float = 60.0
    headers: Headers = ()


def first_model(
    base_url: str, dialect: Dialect, *, api_key: str = "", timeout: float = 60.0, headers: Headers = ()
) -> str:
    """The first model that the endpoint lists; "" where requests of the dialect name none.

    Raises BackendError where it lists none, StreamgaugeError where the dialect has no list: it says what to do.
    """
    if dialect.request(ChatRequest.of("", model="")) == dialect.request(ChatRequest.of("", model=NO_SUCH_MODEL)):
        return ""
    if not dialect.models_path:
        raise StreamgaugeError(f"{dialect.name} has no list of models: name the --model")
    url = join_url(base_url, dialect.models_path)
    sent = merged(dialect.auth.headers(headers_can_carry(api_key)), headers)
    try:
        answer = httpx2.get(url, headers=sent, timeout=timeout, trust_env=not is_loopback(url), verify=trust())
    except NEVER_SENT as error:
        raise unreachable(url, error) from None
    except httpx2.RequestError as error:
        raise BackendError(f"{shown(url)} gives no answer: {error or type(error).__name__}; name the --model") from None
    listed = members(parse(answer.text))
    entries = [members(e) for e in elements(listed.get("data") or listed.get("models"))]
    names = [name for e in entries if (name := text(e.get("id")) or text(e.get("name")) or text(e.get("model")))]
    if answer.is_success and names:
        return names[0]
    kind, words = kind_of(answer.content)
    if answer.is_success and kind == "markup":
        raise BackendError(f"{shown(url)} answers with {words}: not a server of {dialect.name}")
    hint = advice(base_url, dialect, answer.status_code) or _key_hint(dialect, answer.status_code) or "name the --model"
    raise BackendError(f"{shown(url)} lists no models (HTTP {answer.status_code}): {hint}")


def require_endpoint(target: Target, trace: Trace) -> None:
    """Raise BackendError where the answer to the plain request shows that there is nothing to judge."""
    path = target.dialect.request(ChatRequest.of("", model=target.model)).path
    url = shown(join_url(target.base_url, path))
    if trace.status is None:
        tls = " or rather one of https" if url.startswith("http:") else ""
        why = (
            f"no HTTP answer in {target.timeout:g} s" if trace.ended == "timeout" else f"no HTTP answer ({trace.note})"
        )
        raise BackendError(f"{url}: {why}; is it an HTTP server{tls}, is it up?")
    said = masked(_said(trace.body), *secrets_in(target.headers), target.api_key)
    if not 200 <= trace.status < 300:
        hint = trace.note or _moved(url, trace) or _key_hint(target.dialect, trace.status) or _absent(target, trace)
        raise BackendError(f"{url} answers HTTP {trace.status}{said and f' ({said})'}: {hint}")
    if trace.ended == "timeout" and not trace.body:
        silent = f"{url} answers HTTP {trace.status} and then sends nothing for {target.timeout:g} s"
        raise BackendError(f"{silent}: is the model still loading? --timeout waits longer")
    coding = trace.header("Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise BackendError(f"{url} answers in Content-Encoding {coding}, which was not asked for: turn compression off")
    words = another_format(trace.body) or not_a_stream(
        trace.body, target.dialect.framing, *target.dialect.other_framings
    )
    if words and trace.body and not _speaks(target.dialect, trace.body):
        base = target.dialect.base_path
        hint = f"; should the URL end in {base}?" if base and not target.base_url.rstrip("/").endswith(base) else ""
        raise BackendError(f"{url} answers with {words}: not a server of {target.dialect.name}{hint}")


def _absent(target: Target, trace: Trace) -> str:
    if trace.status not in (404, 405):
        return "nothing was judged"
    return (
        f"is the base URL right, is {target.model or 'the model'} there, does the server speak {target.dialect.name}?"
    )


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
    return f"it wants an API key: give --api-key{where}, or the header that it wants with --header"


def need_base_url(target: str, dialect: Dialect) -> None:
    """Raise StreamgaugeError where a URL is that of a dialect's own path, and not the base URL in front of it."""
    for spoken in (dialect, *all_dialects().values()):
        path = spoken.request(ChatRequest.of("")).path
        if target.rstrip("/").endswith(path):
            base = shown(target.rstrip("/").removesuffix(path))
            other = "" if path == dialect.request(ChatRequest.of("")).path else f" --dialect {spoken.name}"
            raise StreamgaugeError(f"give the base URL, without {path}: {base}{other}")
