"""Makes the pages of `reports/findings/` from a conformance report, and runs their reproducers.

    python tools/findings.py reports/conformance.json    # write a page for each defect, with a reproducer
    python tools/findings.py --verify                    # run each reproducer twice, with what is installed here

A page is made where the matrix says `fail` and `findings_data.py` says what that means to a user. A reproducer needs
the library and the standard library; it prints the text as it comes and `no error` where the library saw none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from findings_data import DEFECTS, LIBRARIES, SKIPPED, VARIANTS, Defect, Library

from streamgauge.rules import get_rule

PAGES = Path(__file__).resolve().parents[1] / "reports" / "findings"
MEDIA = {"ollama-chat": "application/x-ndjson"}
SERVER = """class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "{media}"), self.end_headers()
{writes}{models}
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{{server.server_port}}"
"""
MODELS = """
    def do_GET(self):
        self.send_response(200), self.end_headers(), self.wfile.write(b'{"data": [{"id": "m"}]}')"""


def reproducer(library: Library, parts: tuple[bytes, ...]) -> str:
    """The program: a server that writes these bytes, and the library as its README calls it."""
    writes = "        self.wfile.write(BODY)"
    if len(parts) > 1:
        writes = "        for part in BODY:\n            self.wfile.write(part), self.wfile.flush(), time.sleep(0.1)"
    modules = "http.server, threading" if len(parts) == 1 else "http.server, threading, time"
    body = repr(parts[0] if len(parts) == 1 else parts)
    models = MODELS if library.asks_for_models else ""
    server = SERVER.format(media=MEDIA.get(library.dialect, "text/event-stream"), writes=writes, models=models)
    return f'import {modules}\n{library.imports}\nBODY = {body}\n{server}{library.call}\nprint("\\nno error")\n'


def run(program: Path) -> str:
    """What a reproducer prints, with the last line of its traceback."""
    done = subprocess.run([sys.executable, "-W", "ignore", program], capture_output=True, timeout=60, check=False)
    error = done.stderr.decode(errors="replace").strip().splitlines()
    shown = done.stdout.decode(errors="replace").strip()
    return "\n".join([shown, *error[-1:]]).strip() if done.returncode else shown


def found(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The failing verdicts that are findings: (subject, rule) to the first of them."""
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for verdict in report["verdicts"]:
        key = verdict["subject"], verdict["rule"]
        wanted = key[0] in LIBRARIES and key[1] in DEFECTS and key not in SKIPPED
        if wanted and verdict["verdict"] == "fail":
            table.setdefault(key, verdict)
    return table


def page(library: Library, defect: Defect, verdict: dict[str, Any], version: str, got: str, program: str) -> str:
    """One page, ready to be sent upstream."""
    rule = get_rule(verdict["rule"])
    module = f"{verdict['subject']}-{defect.slug}.py"
    return f"""# {library.project} {version}: {defect.title}

| | |
|---|---|
| project | [{library.project}]({library.home}) |
| version | {version} |
| severity | {defect.severity} |
| rule | {rule.id}, {rule.title} ({rule.keyword}, {rule.basis}) |
| source | {rule.source} |

{defect.happens} {defect.matters}

## Reproduce

With `pip install` of the library and nothing else ([{module}]({module})):

```python
{program.rstrip()}
```

It should print: {defect.expected}

It prints:

```
{got}
```

In the matrix: `{verdict["reproduce"]}`

Seen in the conformance matrix, and twice by running the program above (`python tools/findings.py --verify`).
"""


def write(report: dict[str, Any]) -> int:
    """Write every page whose reproducer shows the defect here; say which it could not show."""
    versions = {s["name"]: s["version"] for s in report["subjects"]}
    PAGES.mkdir(parents=True, exist_ok=True)
    failed = 0
    for (subject, rule), verdict in sorted(found(report).items()):
        library, defect = LIBRARIES[subject], DEFECTS[rule]
        program = reproducer(library, VARIANTS.get((subject, rule)) or defect.parts[library.dialect])
        path = PAGES / f"{subject}-{defect.slug}.py"
        path.write_text(program, encoding="utf-8")
        got = run(path)
        if got != run(path) or shows_nothing(defect, got):
            failed += 1
            path.unlink()
            print(f"not shown: {subject} {rule}: {got!r}")
            continue
        text = page(library, defect, verdict, versions[subject], got, program)
        path.with_suffix(".md").write_text(text, encoding="utf-8")
        print(f"{path.with_suffix('.md').name}: {got.splitlines()[-1][:100]}")
    return failed


def shows_nothing(defect: Defect, got: str) -> bool:
    """Whether the library did what it should."""
    if defect.slug == "truncated-is-success":
        return not got.endswith("no error")
    return got.startswith(("Hello\nno error", "Hell\ufffdo\nno error", "Hel\u2028lo\nno error"))


def verify() -> int:
    """Run each reproducer twice; a page whose program no longer prints what the page says is out of date."""
    stale = 0
    for path in sorted(PAGES.glob("*.py")):
        stated = path.with_suffix(".md").read_text(encoding="utf-8")
        shown = [run(path), run(path)]
        good = all(f"\n```\n{got}\n```\n" in stated for got in shown)
        stale += not good
        print(f"{'as stated' if good else 'CHANGED'}  {path.stem}")
    return stale


def main() -> int:
    if sys.argv[1:] == ["--verify"]:
        return 1 if verify() else 0
    if len(sys.argv) != 2:
        print("usage: findings.py REPORT.json | --verify", file=sys.stderr)
        return 2
    return 1 if write(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))) else 0


if __name__ == "__main__":
    raise SystemExit(main())
