"""What `streamgauge check` does with every target, be it a file or an endpoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from streamgauge.dialect import Dialect
from streamgauge.engine import judge
from streamgauge.errors import StreamgaugeError
from streamgauge.rules import Exchange, Rule, Verdict, rules_for
from streamgauge.trace import Headers
from streamgauge.verdicts import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the call says about every target."""

    dialect: str | None = None
    base_url: str | None = None
    model: str | None = None
    api_key: str | None = None
    headers: Headers = ()
    timeout: float = 60.0
    keep: str | None = None
    rules: tuple[str, ...] = ()

    def chosen(self, dialect: Dialect) -> list[Rule]:
        """The server rules to judge by: those that were named, as far as they fit the dialect, else all that fit."""
        fitting = list(rules_for(dialect, "server"))
        if not self.rules:
            return fitting
        named = [rule for rule in fitting if rule.id in self.rules]
        if not named:
            raise StreamgaugeError(f"{' and '.join(self.rules)} does not apply to {dialect.name}")
        return named


@dataclass(slots=True)
class Findings:
    """What a run has come to so far."""

    subjects: list[Subject] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    interrupted: bool = False
    refused: int = 0

    def judge(self, subject: Subject, exchanges: Iterable[Exchange], rules: list[Rule], again: str) -> None:
        """Add what rules make of a subject's exchanges. again: the command, without its rules."""
        self.subjects.append(subject)
        for exchange in exchanges:
            for verdict in judge(exchange, rules, subject=subject.name):
                self.verdicts.append(verdict.marked(reproduce=f"{again} --rule {verdict.rule}"))
            if unread := exchange.unread:
                where = f" of {exchange.case}" if exchange.case else ""
                said = f"{len(unread)} of its events{where} were not read, so no rule has judged them"
                self.notes.append(f"{subject.name}: {said} ({unread[0].reason})")
