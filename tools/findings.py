"""Makes the pages of `reports/findings/` from conformance reports, and runs their reproducers.

    python tools/findings.py reports/conformance.json ...   # a page for each defect of a library that is installed here
    python tools/findings.py --servers                      # ... of llama.cpp's server, and of LiteLLM as a gateway
    python tools/findings.py --verify [NAME...]             # run each reproducer twice, and the command of its page

A page is made where the matrix says `fail` (or `non-strict`, where no standard forbids a crash) and `findings_data.py`
says what that means to a user. A reproducer needs the library and the standard library; it prints the text as it comes,
and `no error` where the library saw none. What is not installed here is left as it is, and said.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from findings_pages import PAGES, make, make_gateways, make_server, write_index
from findings_verify import verify


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("names", nargs="*", metavar="REPORT|NAME", help="conformance reports; with --verify pages")
    arguments.add_argument("--verify", action="store_true", help="run what the pages say")
    arguments.add_argument("--servers", action="store_true", help="make the pages of servers")
    arguments.add_argument("--index", action="store_true", help="only write the list of the pages")
    asked = arguments.parse_args()
    if asked.verify:
        return verify(asked.names)
    if not (asked.names or asked.servers or asked.index):
        arguments.error("name a report, or say --servers, --index or --verify")
    failed = sum(make(json.loads(Path(name).read_text(encoding="utf-8"))) for name in asked.names)
    if asked.servers:
        failed += make_server() + make_gateways()
    print(f"{write_index()} pages in {PAGES}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
