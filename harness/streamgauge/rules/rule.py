"""A requirement, and how it is declared: one decorated generator function that yields a `Finding` a departure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from streamgauge.events import NO_SPAN, Span
from streamgauge.registry import all_dialects
from streamgauge.rules.example import Example
from streamgauge.rules.exchange import Exchange
from streamgauge.rules.verdict import Outcome

if TYPE_CHECKING:
    from streamgauge.dialect import Dialect
    from streamgauge.observation import Observation

Keyword = Literal["MUST", "SHOULD", "MAY"]
Basis = Literal["standard", "vendor-doc", "de-facto"]
Need = Literal["headers", "request", "reference", "timing", "stop", "tools"]


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
