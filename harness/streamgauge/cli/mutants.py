"""`streamgauge mutants`: damage good streams, and see whether the rules notice."""

from __future__ import annotations

from collections import Counter

import click

from streamgauge.cli._output import json_option, note, table, write_json
from streamgauge.errors import StreamgaugeError
from streamgauge.mutants.engine import POSITIONS, run
from streamgauge.mutants.outcomes import BAD, Mutant, MutationReport, Tally

HEAD = ("dialect", "made", "damaging", "right rule", "share", "other rule", "survived", "no damage", "twin only")
MOST_SHOWN = 40
"""Mutants that are shown with their diff; `--json` has all of them."""


@click.command(name="mutants")
@click.option("--dialect", "dialects", multiple=True, help="Only the recordings of this dialect.")
@click.option("--operator", "operators", multiple=True, help="Only this operator.")
@click.option("--positions", default=POSITIONS, show_default=True, help="Places of a recording that are tried.")
@click.option("--seed", default=0, show_default=True, help="What picks the places.")
@click.option(
    "--all", "everything", is_flag=True, help="A line an operator; also what another rule noticed, with its diff."
)
@json_option
def command(
    dialects: tuple[str, ...],
    operators: tuple[str, ...],
    positions: int,
    seed: int,
    everything: bool,
    json_file: str | None,
) -> int:
    """Damage every good recording in the ways that services do, and see whether the server rules notice.

    Of each dialect (and operator, where one is named, or with --all): mutants made, how many do damage, noticed by a
    rule that the operator names, noticed only by another, unnoticed, and no damage at all (the same answer, or a
    reason that is given). "twin only" counts those that only a comparison with the non-streaming answer can tell. The
    exit code is 1 where one survived.
    """
    report = run(dialects, operators, positions=positions, seed=seed)
    if not report.mutants:
        raise StreamgaugeError("nothing to do: these operators change no recording of these dialects")
    if json_file:
        write_json(json_file, report.to_dict())
    if json_file != "-":
        _show(report, everything, by_operator=everything or bool(operators))
    for name in report.unused:
        note(f"not used, because a rule fails on it as it is: {name}")
    return report.exit_code


def _show(report: MutationReport, everything: bool, *, by_operator: bool) -> None:
    rows = [_row(dialect, tally) for dialect, tally in report.by_dialect.items()]
    rows.append(_row("(all)", report.total))
    if by_operator:
        lines = [(operator, *_row(dialect, tally)) for (dialect, operator), tally in report.by_operator.items()]
        table(("operator", *HEAD), [*lines, *(("(all)", *row) for row in rows)])
    else:
        table(HEAD, rows)
    shown = [m for m in report.mutants if m.fate in BAD or (everything and m.fate == "other")]
    for mutant in shown[:MOST_SHOWN]:
        _explain(mutant)
    if len(shown) > MOST_SHOWN:
        click.echo(f"\n... {len(shown) - MOST_SHOWN} more: --json has them")
    for reason, operators in _named(report).items():
        told = ", ".join(f"{name} {count}" for name, count in operators.items())
        click.echo(f"\nno damage, {operators.total()} times: {reason}\n  {told}")
    click.echo(f"\n{_summary(report.total)}")


def _row(dialect: str, tally: Tally) -> tuple[str, ...]:
    fates = tally.fates
    bad = fates["survived"] + fates["accused"] + fates["error"]
    same = fates["equivalent"] + fates["named"] + fates["tolerated"]
    share = "-" if tally.share is None else f"{tally.share:.1%}"
    numbers = (tally.made, tally.damaging, fates["right"], share, fates["other"], bad, same, tally.by_twin)
    return (dialect, *map(str, numbers))


def _explain(mutant: Mutant) -> None:
    click.echo(f"\n{mutant.fate}: {mutant.operator} on {mutant.dialect}/{mutant.case}, {mutant.what}")
    click.echo(f"  must notice: {', '.join(mutant.expected) or '(nothing)'}; noticed: {', '.join(mutant.noticed)}")
    for line in (mutant.reason, *mutant.diff):
        if line:
            click.echo(f"  {line}")


def _named(report: MutationReport) -> dict[str, Counter[str]]:
    """Each reason why mutants are no damage, with how many of which operator."""
    found: dict[str, Counter[str]] = {}
    for mutant in report.mutants:
        if mutant.fate == "named":
            found.setdefault(mutant.reason, Counter())[mutant.operator] += 1
    return found


def _summary(total: Tally) -> str:
    if not total.damaging:
        return f"{total.made} mutants, none of them damaging"
    noticed = total.fates["right"] + total.fates["other"]
    return (
        f"{total.damaging} damaging mutants: {noticed / total.damaging:.1%} noticed, "
        f"{total.fates['right'] / total.damaging:.1%} by the right rule, {total.fates['survived']} survived"
    )
