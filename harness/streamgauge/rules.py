"""Rules and verdicts: what is required, and what a subject did about it.

A server rule judges an `Exchange` (the bytes of one answer); a client rule judges an `Observation` (what a
client made of a known script). Either is one decorated generator function that yields a `Finding` for each
departure, beside the decoder that it belongs to. Nothing lists rules: `rulebook()` looks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from streamgauge.events import NO_SPAN, Event, Span
from streamgauge.message import Message, assemble
from streamgauge.registry import all_dialects, by_name, defined, get_dialect, pick
from streamgauge.sse import ServerSentEvent
from streamgauge.trace import Arrival, Headers, Trace, TraceEnd
from streamgauge.wire import Undecodable, parse

if TYPE_CHECKING:
    from streamgauge.dialect import Dialect
    from streamgauge.observation import Observation

Keyword = Literal["MUST", "SHOULD", "MAY"]
Basis = Literal["standard", "vendor-doc", "de-facto"]
Outcome = Literal["pass", "fail", "non-strict", "info", "skip", "error"]
T = TypeVar("T")
Need = Literal["headers", "request", "reference", "timing", "stop", "tools"]


class NotApplicable(Exception):  # noqa: N818 - not an error: the reason why a rule has nothing to judge here
    """Raised by a rule that has nothing to judge in this exchange; the verdict is `skip` with this reason."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One departure from a rule: what was expected, what came, and where in the body.

    mild: no document that this vendor is bound by forbids it, only practice speaks against it: it counts one step less
    than the rule's severity, `non-strict` in place of `fail`, `info` in place of `non-strict`.
    """

    expected: str
    got: str
    span: Span = NO_SPAN
    mild: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """One frame with the JSON value of its data; `value` is `Undecodable` where it is not JSON."""

    frame: Any
    value: Any

    @property
    def span(self) -> Span:
        span: Span = self.frame.span
        return span


@dataclass(frozen=True)
class Exchange:
    """One answer, seen at each level: bytes, frames, JSON values, events, message.

    `reference` is the message of the non-streaming twin of the same request, where there is one.
    `siblings` are other exchanges with the same subject (by the name of the request that was sent).
    """

    dialect: Dialect
    trace: Trace
    reference: Message | None = None
    siblings: Mapping[str, Exchange] = field(default_factory=dict)
    case: str = ""

    @cached_property
    def body(self) -> bytes:
        return self.trace.body

    @cached_property
    def frames(self) -> tuple[Any, ...]:
        """Every frame of the dialect's framer: events, comments, what is unfinished or malformed."""
        return self._framed[0]

    @property
    def framing(self) -> str:
        """The framing of this body, which the framer knows where the dialect has more than one."""
        return self._framed[1]

    @cached_property
    def _framed(self) -> tuple[tuple[Any, ...], str]:
        framer = self.dialect.framer()
        frames = (*framer.feed(self.body), *framer.eof())
        return frames, getattr(framer, "framing", self.dialect.framing)

    @cached_property
    def payloads(self) -> tuple[Payload, ...]:
        """The events with their JSON values, literal sentinels like [DONE] left out."""
        found = (f for f in self.frames if hasattr(f, "data") and is_event(f))
        return tuple(Payload(f, parse(f.data)) for f in found if f.data.strip() != "[DONE]")

    @cached_property
    def objects(self) -> tuple[tuple[dict[str, Any], Span], ...]:
        """The JSON objects of the events, with their spans; what is not an object is left to other rules."""
        return tuple((p.value, p.span) for p in self.payloads if isinstance(p.value, dict))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        return tuple(self.dialect.decode(self.body))

    @cached_property
    def message(self) -> Message:
        return assemble(self.dialect.name, self.events)

    @cached_property
    def _views(self) -> dict[Any, Any]:
        return {}

    def derived(self, view: Callable[[Exchange], T]) -> T:
        """What a function makes of this exchange, worked out once: for views that several rules share."""
        if view not in self._views:
            self._views[view] = view(self)
        found: T = self._views[view]
        return found

    @property
    def request(self) -> Mapping[str, Any]:
        """The JSON body that asked; raises NotApplicable where it is not known."""
        if self.trace.request is None:
            raise NotApplicable("the request is not known")
        return self.trace.request


def is_event(frame: Any) -> bool:
    """Whether a frame is a delivered event, not one that the end of the bytes cut."""
    return isinstance(frame, ServerSentEvent) or getattr(frame, "delivered", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A stream that proves a rule: it satisfies it, or breaks it. Text is sent as UTF-8."""

    body: str | bytes
    status: int | None = 200
    headers: Headers | None = None
    request: Mapping[str, Any] | None = None
    reference: Message | None = None
    times: tuple[float, ...] = ()
    sizes: tuple[int, ...] = ()
    headers_at: float | None = None
    ended: TraceEnd = "eof"
    dialect: str = ""
    accept_encoding: str | None = None
    http_version: str = "HTTP/1.1"
    siblings: Mapping[str, Example] = field(default_factory=dict)

    def exchange(self, dialect: Dialect) -> Exchange:
        """The exchange that this example stands for; headers default to those of a correct answer."""
        dialect = get_dialect(self.dialect) if self.dialect else dialect
        body = self.body.encode() if isinstance(self.body, str) else self.body
        sizes = self.sizes or (len(body),)
        times = self.times or (0.0,) * len(sizes)
        marks = [0]
        for size in sizes:
            marks.append(marks[-1] + size)
        arrivals = tuple(Arrival(t, body[a:b]) for t, a, b in zip(times, marks, marks[1:], strict=False))
        headers = self.headers
        if headers is None:
            headers = (
                ("Content-Type", dialect.media_type),
                ("Cache-Control", "no-cache"),
                ("X-Accel-Buffering", "no"),
            )
        trace = Trace(
            arrivals=arrivals,
            status=self.status,
            headers=headers,
            headers_at=self.headers_at if self.headers_at is not None else times[0],
            ended=self.ended,
            ended_at=times[-1],
            request=self.request,
            timed=bool(self.times),
            accept_encoding=self.accept_encoding,
            http_version=self.http_version,
        )
        siblings = {name: example.exchange(dialect) for name, example in self.siblings.items()}
        return Exchange(dialect, trace, self.reference, siblings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One requirement. `applies` names dialects, framings ("sse", "ndjson" ...) or "all".

    Server rules prove themselves with `good` and `bad`. Client rules name the `faults` under which they are judged
    ("" is the plain recording) and prove themselves with `broken`, which turns a correct observation into one that
    breaks the rule. `also_breaks` names the rules that `bad`, or `broken`, can't help breaking too.
    """

    id: str
    title: str
    group: str
    role: Literal["server", "client"]
    keyword: Keyword
    basis: Basis
    source: str
    statement: str
    applies: tuple[str, ...]
    since: str = "2026.1"
    known: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    good: Example | None = None
    bad: Example | None = None
    also_breaks: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    broken: Callable[[Observation], Observation] | None = None
    judge: Callable[[Any], Iterable[Finding]]

    @property
    def severity(self) -> Outcome:
        """What a departure counts as: only a MUST with a document as its basis accuses."""
        if self.keyword == "MUST" and self.basis != "de-facto":
            return "fail"
        return "info" if self.keyword == "MAY" else "non-strict"

    def fits(self, dialect: Dialect, framing: str = "") -> bool:
        """Whether the rule is for this dialect; framing: that of the body at hand, by default the usual one."""
        return not (dialect.names | {framing or dialect.framing}).isdisjoint(self.applies)

    def example_dialect(self) -> Dialect:
        """The dialect that the examples are written in: the first that the rule applies to."""
        return next(d for d in all_dialects().values() if self.fits(d))


Judge = Callable[[Exchange], Iterator[Finding]]
ClientJudge = Callable[["Observation"], Iterator[Finding]]


def server_rule(
    rule_id: str,
    title: str,
    *,
    good: Example | str | bytes,
    bad: Example | str | bytes,
    **facts: Any,
) -> Callable[[Judge], Rule]:
    """Declare a server rule; the facts are the fields of `Rule`, the statement is the docstring unless given."""

    def declare(judge: Judge) -> Rule:
        facts.setdefault("statement", " ".join((judge.__doc__ or "").split()))
        return Rule(
            id=rule_id,
            title=title,
            role="server",
            good=_example(good),
            bad=_example(bad),
            judge=judge,
            **facts,
        )

    return declare


def client_rule(
    rule_id: str,
    title: str,
    *,
    faults: tuple[str, ...],
    broken: Callable[[Observation], Observation],
    **facts: Any,
) -> Callable[[ClientJudge], Rule]:
    """Declare a client rule; the facts are the fields of `Rule`."""

    def declare(judge: ClientJudge) -> Rule:
        return Rule(id=rule_id, title=title, role="client", faults=faults, broken=broken, judge=judge, **facts)

    return declare


def _example(example: Example | str | bytes) -> Example:
    return example if isinstance(example, Example) else Example(body=example)


def unreadable(value: Any) -> bool:
    """Whether a payload's value is not JSON."""
    return isinstance(value, Undecodable)


@cache
def rulebook() -> dict[str, Rule]:
    """Every rule by id: those in `streamgauge.rulebook` and those beside the dialects' decoders."""
    found = [*defined("streamgauge.rulebook", Rule), *defined("streamgauge.dialects", Rule)]
    table = by_name("rule", found, lambda r: r.id)
    return {rule_id: table[rule_id] for rule_id in sorted(table)}


def get_rule(rule_id: str) -> Rule:
    """The rule of that id; raises UnknownNameError."""
    return pick("rule", rulebook(), rule_id)


def rules_for(dialect: Dialect, role: Literal["server", "client"]) -> Iterator[Rule]:
    """The rules that apply to a dialect in a role."""
    return (r for r in rulebook().values() if r.role == role and r.fits(dialect))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one subject did about one rule in one case; `reproduce` is a command that shows it alone."""

    rule: str
    subject: str
    verdict: Outcome
    path: str = ""
    case: str = ""
    fault: str = ""
    expected: str = ""
    got: str = ""
    span: Span = NO_SPAN
    excerpt: str = ""
    reproduce: str = ""
    reason: str = ""
    expected_failure: bool = False

    def marked(self, **changes: Any) -> Verdict:
        return replace(self, **changes)
