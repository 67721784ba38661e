"""Every rule there is, found by looking."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Literal

from streamgauge.registry import by_name, defined, pick
from streamgauge.rules.rule import Rule

if TYPE_CHECKING:
    from streamgauge.dialect import Dialect


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
