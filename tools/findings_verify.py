"""Runs what the pages of `reports/findings/` say: each reproducer twice, and the command of the matrix's cell once."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from findings_pages import PAGES, field, index, installed, run
from llama_server import llama_server, smollm2_path

ADDRESS = "http://127.0.0.1:8080/v1"


def verify(names: Sequence[str]) -> int:
    """0 where all that could be run here holds, 1 where something does not, 2 where nothing could be run."""
    pages = [p for p in sorted(PAGES.glob("*.py")) if not names or any(n in p.stem for n in names)]
    counts = {"holds": 0, "CHANGED": 0, "not here": 0}
    for path in pages:
        said, why = _judge(path)
        counts[said] += 1
        print(f"{said:8}  {path.stem}{': ' if why else ''}{why}", flush=True)
    if (PAGES / "README.md").read_text(encoding="utf-8") != index()[0]:
        counts["CHANGED"] += 1
        print("CHANGED   README.md: it does not list what is there; run tools/findings.py --index")
    print(", ".join(f"{count} {said}" for said, count in counts.items()))
    return 1 if counts["CHANGED"] else 0 if counts["holds"] else 2


def _judge(path: Path) -> tuple[str, str]:
    """What is to say of a page, and why."""
    page = path.with_suffix(".md").read_text(encoding="utf-8")
    program = path.read_text(encoding="utf-8")
    distribution, _, release = field(page, "version").partition(" ")
    if not installed(distribution):
        return "not here", f"needs {distribution}"
    if f"```python\n{program.rstrip()}\n```" not in page:
        return "CHANGED", "the page shows another program"
    if len(program.splitlines()) >= 20:
        return "CHANGED", f"{len(program.splitlines())} lines"
    for got in (run(path), run(path)):
        if f"\n```\n{got}\n```\n" not in page:
            return "CHANGED", f"it prints {got!r}"
    wanted = re.match(r"fail|non-strict", field(page, "in the matrix"))
    found = _verdicts(page, got)
    if not found & ({wanted[0]} if wanted else {"fail", "non-strict"}):
        return "CHANGED", f"the command of the page says {', '.join(sorted(found)) or 'nothing'}"
    here = installed(distribution)
    return "holds", "" if here == release else f"in {here}, too"


def _verdicts(page: str, printed: str) -> set[str]:
    """What the command of a page says, run by this Python, with what the program printed on its standard input."""
    command = re.search(r"(?m)^The (?:cell of the matrix|rule) alone.*: `streamgauge (.*)`$", page)
    words = shlex.split(command[1]) if command else []
    with _address(ADDRESS in words) as address:
        asked = [address if word == ADDRESS else word for word in words]
        program = [sys.executable, "-m", "streamgauge", *asked, "--json", "-"]
        done = subprocess.run(program, input=printed.encode() + b"\n\n", capture_output=True, timeout=300, check=False)
    try:
        return {verdict["verdict"] for verdict in json.loads(done.stdout)["verdicts"]}
    except ValueError:
        return set()


@contextmanager
def _address(wanted: bool) -> Iterator[str]:
    """Where llama.cpp's server listens during the block, if it is wanted."""
    if wanted:
        with llama_server(smollm2_path(), ctx=2048, parallel=1) as server:
            yield server.base_url
    else:
        yield ""
