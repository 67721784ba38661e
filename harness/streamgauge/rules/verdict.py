"""What came of judging: one verdict for each rule, subject, path and case."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from streamgauge.events import NO_SPAN, Span

Outcome = Literal["pass", "fail", "non-strict", "info", "skip", "error"]


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
