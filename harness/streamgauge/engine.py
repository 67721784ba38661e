"""Judges what was seen by rules: a rule yields findings, the engine turns them into verdicts.

An `Exchange` is judged by server rules, an `Observation` by client rules.

Blame is kept apart: an exception inside a rule is the harness's own failure, verdict `error`, and never the
subject's.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Literal

from streamgauge.events import EXCERPT, Span
from streamgauge.observation import Observation
from streamgauge.rules import Exchange, Finding, NotApplicable, Outcome, Rule, Verdict, rules_for

MOST_FINDINGS = 1000
"""A rule is stopped after so many findings in one exchange: the first is shown, the rest only counted."""

SOFTER: dict[Outcome, Outcome] = {"fail": "non-strict", "non-strict": "info", "info": "info"}
"""What a departure counts as that is mild: one step less than the rule's severity."""

BIG = 1_000_000
"""Bytes of a body from which on it is judged without garbage collection."""

_KEY = re.compile(r"\b(sk|xai|gsk|hf|AIza|pplx)[-_A-Za-z0-9]{16,}|(?<=Bearer )[^\s\"']{8,}")


def judge(exchange: Exchange | Observation, rules: Iterable[Rule] | None = None, *, subject: str = "") -> list[Verdict]:
    """One verdict for each rule, in order of the rules.

    rules: by default every server rule that applies to the exchange's dialect (every client rule for an observation).
    """
    role: Literal["server", "client"] = "client" if isinstance(exchange, Observation) else "server"
    chosen = rules_for(exchange.dialect, role) if rules is None else rules
    with _without_collection(len(exchange.body)):
        return [_judge_one(rule, exchange, subject) for rule in chosen]


@contextmanager
def _without_collection(size: int) -> Iterator[None]:
    """No garbage collection while a big body is judged: all that is made of it is in use, and looked at many times.

    This is what keeps the cost of a body in proportion to its size.
    """
    paused = size > BIG and gc.isenabled()
    if paused:
        gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def _judge_one(rule: Rule, exchange: Exchange | Observation, subject: str) -> Verdict:
    blank = Verdict(rule=rule.id, subject=subject, verdict="pass", case=exchange.case)
    findings: list[Finding] = []
    try:
        _require_framing(rule, exchange)
        findings.extend(islice(rule.judge(exchange), MOST_FINDINGS))
    except NotApplicable as why:
        # What was found before stands: it is the rest of the stream that can't be judged, its end for instance.
        if not findings:
            return blank.marked(verdict="skip", reason=str(why))
    except Exception as error:  # a bug in a rule, whatever it is, must not be charged to the subject
        return blank.marked(verdict="error", reason=f"the rule itself failed: {type(error).__name__}: {error}")
    if not findings:
        return blank
    hard = [f for f in findings if not f.mild]
    first = (hard or findings)[0]
    return blank.marked(
        verdict=rule.severity if hard else SOFTER[rule.severity],
        expected=first.expected,
        got=_redacted(first.got),
        span=first.span,
        excerpt=shown(exchange.body, first.span),
        reason=_counted(findings),
    )


def _require_framing(rule: Rule, exchange: Exchange | Observation) -> None:
    """Raises NotApplicable for a rule of a framing that the dialect has, but not this body of it."""
    if not isinstance(exchange, Exchange) or not exchange.dialect.other_framings:
        return
    if rule.fits(exchange.dialect) and not rule.fits(exchange.dialect, exchange.framing):
        raise NotApplicable(f"the body's framing is {exchange.framing}, not {exchange.dialect.framing}")


def _counted(findings: list[Finding]) -> str:
    if len(findings) == 1:
        return ""
    more = "at least " if len(findings) == MOST_FINDINGS else ""
    return f"the first of {more}{len(findings)} findings"


def shown(body: bytes, span: Span) -> str:
    """The bytes of a span as printable ASCII with escapes, at most 200 characters, keys blotted out."""
    start, end = span
    if end <= start:
        return ""
    piece = body[start : min(end, start + EXCERPT)]
    text = _redacted(repr(piece)[2:-1])
    return text if len(text) <= EXCERPT and end - start <= EXCERPT else text[: EXCERPT - 3] + "..."


def _redacted(text: str) -> str:
    """The text with keys blotted out, and with lone surrogates, which no file can hold, as escapes."""
    return _KEY.sub("[key]", text).encode("utf-8", "backslashreplace").decode()
