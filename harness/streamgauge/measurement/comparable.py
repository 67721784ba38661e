"""Whether two results may be compared, and what the reader must know of them before believing a verdict."""

from __future__ import annotations

from streamgauge.errors import StreamgaugeError
from streamgauge.measurement.results import BenchResult, Target
from streamgauge.measurement.taints import folded

MAY_DIFFER = frozenset(("runs", "base_url", "interleaved", "providers", "modes", "concurrency"))
"""Settings that say how long or where was measured, not what: two servers may be compared. Of providers, modes and
concurrency the targets themselves tell."""


class NotComparableError(StreamgaugeError):
    """The two results are not of the same thing; the message says what differs."""


def matched(base: BenchResult, new: BenchResult, names: tuple[str, str]) -> list[tuple[Target, Target]]:
    """The targets of both by label, once it is clear that the same was measured."""
    first, second = ({t.label: t for t in result.targets} for result in (base, new))
    for alone, name in ((first.keys() - second.keys(), names[0]), (second.keys() - first.keys(), names[1])):
        if alone:
            advice = "measure both with the same providers, --mode and --concurrency"
            raise NotComparableError(f"not comparable: only {name} has {', '.join(sorted(alone))}: {advice}")
    if not first:
        raise NotComparableError(f"nothing to compare: {names[0]} and {names[1]} have no targets")
    pairs = [(target, second[label]) for label, target in first.items()]
    for one, other in pairs:
        if one.base_url_kind != other.base_url_kind:
            kinds = {"built-in": "the built-in server", "given": "another server"}
            said = f"{kinds[one.base_url_kind]} in {names[0]} and {kinds[other.base_url_kind]} in {names[1]}"
            raise NotComparableError(f"not comparable: {one.label} streamed from {said}")
        if one.dialect != other.dialect:
            said = f"{one.dialect} in {names[0]} and {other.dialect} in {names[1]}"
            raise NotComparableError(f"not comparable: {one.label} speaks {said}")
        if one.path == "wire" and base.clock != new.clock:
            said = f"{base.clock} in {names[0]} and {new.clock} in {names[1]}"
            raise NotComparableError(f"not comparable: arrivals were stamped by different clocks, {said}")
    for key in sorted(base.settings.keys() | new.settings.keys()):
        was, now = base.settings.get(key), new.settings.get(key)
        if key not in MAY_DIFFER and was != now:
            raise NotComparableError(f"not comparable: {key} is {was!r} in {names[0]} and {now!r} in {names[1]}")
    return pairs


def notes_of(base: BenchResult, new: BenchResult, names: tuple[str, str]) -> list[str]:
    """What the reader must know: taints, interruptions, other versions."""
    notes = []
    for result, name in zip((base, new), names, strict=True):
        notes += [f"{name} is tainted: {reason}" for reason in folded(result.tainted)]
        if result.partial:
            notes.append(f"{name} is partial: it was interrupted")
    for key in sorted(base.versions.keys() | new.versions.keys()):
        one, other = base.versions.get(key, "unknown"), new.versions.get(key, "unknown")
        if one != other:
            notes.append(f"{key}: {one} in {names[0]}, {other} in {names[1]}")
    return notes


def instrument_errors(results: tuple[BenchResult, BenchResult], base: Target, new: Target) -> dict[str, float]:
    """The instrument's median error in TTFT and gaps, the larger of both results; what is not calibrated has none."""
    found: dict[str, float] = {}
    for calibration, target in zip((r.calibration for r in results), (base, new), strict=True):
        row = calibration.at(target.path, target.concurrency, target.name) if calibration else None
        for metric in ("ttft", "gap") if row else ():
            errors = getattr(row, metric)
            if errors is not None:
                found[metric] = max(found.get(metric, 0.0), abs(errors.p50))
    return found
