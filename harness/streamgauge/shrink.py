"""The smallest case in which a client still departs from a rule: delta debugging on frames, then on what is in them,
then on cuts. Deterministic: what is left depends on the case and on the client only.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from streamgauge.faults import apply_faults, parse_faults
from streamgauge.faults._edit import BOM, json_of
from streamgauge.recordings import Recording
from streamgauge.script import script_of
from streamgauge.smaller import simpler, smallest
from streamgauge.soundness import Soundness
from streamgauge.trace import Arrival, Trace

CUTS = "cuts"
"""The fault that cuts at given positions: what drawn cuts become, so that single ones can be left out."""


@dataclass(frozen=True, slots=True)
class Case:
    """A recording, and the fault under which a client departs with it."""

    recording: Recording
    fault: str

    @property
    def body(self) -> bytes:
        return self.recording.trace.body


@dataclass(slots=True)
class Shrinker:
    """Makes a case smaller as long as `departs` says that the client still departs in the same way.

    departs is asked at most `limit` times; what would be no better stream than the case at hand (one that breaks a
    rule for servers, or does not end as it does) is not tried. When the limit is reached, the smallest so far counts,
    which is `best` where `departs` raises.
    """

    departs: Callable[[Case], bool]
    limit: int = 300
    runs: int = 0
    best: Case | None = None
    _seen: dict[tuple[bytes, str], bool] = field(default_factory=dict)
    _sound: Soundness | None = None

    def shrink(self, case: Case) -> Case:
        """The smallest case; the same where nothing can be left out."""
        self._sound = Soundness(case.recording)
        case = self._by_cuts(self._explicit(case))
        case = self._by_parts(case)
        case = self._inside(case)
        case = self._by_parts(case)  # a frame may be needless only now that another is small
        return self._by_cuts(case)

    def _explicit(self, case: Case) -> Case:
        """The same case with its drawn cuts as positions, where its last fault does nothing but cut."""
        before, _, _ = case.fault.rpartition("+")
        positions = _cuts(case, before)
        if positions is None:
            return case
        named = replace(case, fault=_named(before, positions))
        return named if self._fails(named) else case

    def _by_parts(self, case: Case) -> Case:
        parts = _parts(case)
        return _joined(case, smallest(parts, lambda kept: self._fails(_joined(case, kept))))

    def _inside(self, case: Case) -> Case:
        """Frame by frame, what its JSON value can do without, then any bytes."""
        parts = _parts(case)
        for n in range(len(parts)):

            def placed(data: bytes, n: int = n) -> Case:
                return _joined(case, [*parts[:n], parts[n].with_data(data), *parts[n + 1 :]])

            data = parts[n].data
            while simpler := next((d for d in _simpler(data, case) if self._fails(placed(d))), None):
                data = simpler
            data = bytes(smallest(data, lambda kept, placed=placed: self._fails(placed(bytes(kept)))))  # type: ignore[misc]
            parts[n] = parts[n].with_data(data)
        return _joined(case, parts)

    def _by_cuts(self, case: Case) -> Case:
        before, marks = _marks(case.fault)
        if marks is None:
            return case
        positions = smallest(marks, lambda kept: self._fails(replace(case, fault=_named(before, kept))))
        return replace(case, fault=_named(before, positions))

    def _fails(self, case: Case) -> bool:
        key = (case.body, case.fault)
        if key not in self._seen:
            self._seen[key] = self.runs < self.limit and self._as_good(case) and self._run(case)
            if self._seen[key] and (self.best is None or len(case.body) < len(self.best.body)):
                self.best = case
        return self._seen[key]

    def _as_good(self, case: Case) -> bool:
        return self._sound is None or self._sound.of(case.recording)

    def _run(self, case: Case) -> bool:
        self.runs += 1
        return self.departs(case)


@dataclass(frozen=True, slots=True)
class _Part:
    """One frame and where it is cut, counted from its first byte."""

    data: bytes
    cuts: tuple[int, ...] = ()

    def with_data(self, data: bytes) -> _Part:
        return _Part(data, tuple(c for c in self.cuts if c < len(data)))


def _parts(case: Case) -> list[_Part]:
    """The frames, each with the explicit cuts in it, as long as the faults before the cuts leave a frame a frame."""
    dialect = case.recording.get_dialect()
    frames = dialect.cut(case.body)
    before, marks = _marks(case.fault)
    starts = _starts(case, before)
    if marks is None or len(starts) != len(frames) + 1:
        return [_Part(frame) for frame in frames]
    bounds = zip(frames, starts, starts[1:], strict=False)
    return [_Part(frame, tuple(m - a for m in marks if a <= m < b)) for frame, a, b in bounds]


def _joined(case: Case, parts: Sequence[_Part]) -> Case:
    """The case of these frames; explicit cuts go with their frames."""
    smaller = replace(case, recording=with_body(case.recording, [p.data for p in parts]))
    before, marks = _marks(case.fault)
    starts = _starts(smaller, before) if marks is not None else []
    if len(starts) != len(parts) + 1 or not any(p.cuts for p in parts):
        return smaller
    moved = [a + c for p, a, b in zip(parts, starts, starts[1:], strict=False) for c in p.cuts if a + c < b]
    return replace(smaller, fault=_named(before, [m for m in moved if m > 0]))


def _marks(fault: str) -> tuple[str, list[int] | None]:
    """The faults before explicit cuts, and their positions; None where the last fault is another one."""
    before, _, last = fault.rpartition("+")
    name, _, argument = last.partition(":")
    return before, [int(m) for m in argument.split(",") if m] if name == CUTS else None


def _starts(case: Case, before: str) -> list[int]:
    """Where each frame begins under these faults, and where the last one ends."""
    frames = apply_faults(script_of(case.recording), before).frames()
    if frames[:1] == [BOM]:
        frames[:2] = [b"".join(frames[:2])]
    return [0, *accumulate(map(len, frames))]


def with_body(recording: Recording, frames: Sequence[bytes]) -> Recording:
    """The recording with other frames, one a read, and the message that they carry."""
    trace = Trace(
        arrivals=tuple(Arrival(0.0, frame) for frame in frames if frame),
        status=recording.trace.status,
        headers=recording.trace.headers,
        request=recording.trace.request,
    )
    message = recording.get_dialect().read(trace.body)
    return replace(recording, trace=trace, message=message, reference=None)


def _named(before: str, positions: Sequence[int]) -> str:
    last = f"{CUTS}:{','.join(map(str, positions))}" if positions else CUTS
    return f"{before}+{last}" if before else last


def _cuts(case: Case, before: str) -> list[int] | None:
    """Where the last fault cuts the body; None where it does anything else."""
    if not case.fault:
        return None
    plain = script_of(case.recording)
    first, last = apply_faults(plain, before), apply_faults(plain, case.fault)
    if first.but(pieces=last.pieces) != last or first.body != last.body or any(p.delay for p in last.pieces):
        return None
    return list(accumulate(len(p.data) for p in last.pieces))[:-1]


def _simpler(data: bytes, case: Case) -> Iterator[bytes]:
    """A frame with less in its JSON value, the boldest first."""
    dialect = case.recording.get_dialect()
    found = json_of(data, dialect)
    if found is None:
        return
    start, end, value = found
    for less in simpler(value):
        text = json.dumps(less, separators=(",", ":"), ensure_ascii=data.isascii())
        shorter = data[:start] + text.encode("utf-8", "surrogatepass") + data[end:]
        if len(shorter) < len(data):
            yield shorter


def seed_of(fault: str) -> int | None:
    """The seed of the last fault that has one."""
    drawn = [argument for found, argument in parse_faults(fault) if "seed" in found.argument and argument]
    return int(drawn[-1]) if drawn and drawn[-1].lstrip("-").isdigit() else None


def kept(case: Case, original: Case, rule: str, *, client: str, path: str, seed: int | None) -> Recording:
    """The recording to keep: with it comes the rule that it is judged by, under the fault that is left."""
    told = case.fault.replace(":", "-").replace("+", "-").replace(",", "-") or "plain"
    name = f"{original.recording.name}-{rule.lower()}-{told}"
    recording = case.recording
    provenance: dict[str, Any] = {
        "kind": "written",
        "shrunk_from": f"{recording.dialect}/{original.recording.name}",
        "seed": seed,
        "fault": case.fault,
        "drawn_as": original.fault,
        "rule": rule,
        "client": client,
        "path": path,
    }
    title = f"The smallest stream in which {client} ({path}) departs from {rule}"
    return replace(recording, name=name, title=title, provenance=provenance)
