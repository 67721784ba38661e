"""The project's catalogue of faults beside the faults that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamgauge.faults import all_faults

NOT_SCRIPTED: dict[str, str] = {}
"""Ids of the catalogue that no fault has, each with the reason."""


@pytest.mark.shared
def test_every_fault_of_the_catalogue_is_there(shared: Path) -> None:
    """Each of the 66 ids is a fault (a letter behind an id names a part of it), or stands here with its reason."""
    text = (shared / "catalogue" / "faults.yaml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"(?m)^- id: (\S+)$", text))
    assert len(wanted) == 66
    ids = {f.id: re.fullmatch(r"(F-[A-F]\d\d)[a-z]?", f.id) for f in all_faults().values()}
    have = {found[1] for found in ids.values() if found}
    assert all(ids.values())
    assert wanted - have == NOT_SCRIPTED.keys()
