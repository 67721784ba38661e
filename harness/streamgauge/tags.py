"""What tells the streams of a load apart: a number in the prompt, which survives whatever a library does to a request.

In a module of its own because it is all that the two processes of a measurement have to agree on.
"""

from __future__ import annotations

import re

_MARK = "[stream %d]"
_FOUND = re.compile(rb"\[stream (\d+)\]")


def tagged(prompt: str, tag: int) -> str:
    """The prompt of one stream of many."""
    return f"{prompt} {_MARK % tag}"


def tag_of(body: bytes) -> int | None:
    """The number in a request's body, the last one where there are several; None without any."""
    found = _FOUND.findall(body)
    return int(found[-1]) if found else None
