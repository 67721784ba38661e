"""Rules and verdicts: what is required, and what a subject did about it.

A server rule judges an `Exchange` (the bytes of one answer); a client rule judges an `Observation` (what a
client made of a known script). Either is one decorated generator function that yields a `Finding` for each
departure, beside the decoder that it belongs to. Nothing lists rules: `rulebook()` looks for them.
"""

from __future__ import annotations

from streamgauge.rules.book import get_rule, rulebook, rules_for
from streamgauge.rules.example import Example
from streamgauge.rules.exchange import Exchange, NotApplicable, Payload, is_event, unreadable
from streamgauge.rules.rule import Basis, Finding, Keyword, Need, Rule, client_rule, server_rule
from streamgauge.rules.verdict import Outcome, Verdict

__all__ = [
    "Basis",
    "Example",
    "Exchange",
    "Finding",
    "Keyword",
    "Need",
    "NotApplicable",
    "Outcome",
    "Payload",
    "Rule",
    "Verdict",
    "client_rule",
    "get_rule",
    "is_event",
    "rulebook",
    "rules_for",
    "server_rule",
    "unreadable",
]
