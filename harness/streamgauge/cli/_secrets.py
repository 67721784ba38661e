"""Keeps keys out of what is printed: an error message of a library may quote the header that it sent."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

_OPTION = re.compile(r"--(?:header|[a-z-]*(?:key|token|secret|password))")
_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)$")
_SHORTEST = 6  # a shorter value ("x", "none") is no secret, and would blot out half the message

_PATTERNS = (
    re.compile(r"(?<=[Bb]earer )[^\s\"',]{3,}"),
    re.compile(r"\b(?:sk|xai|gsk|hf|pplx)[-_][-_A-Za-z0-9]{8,}|\bAIza[-_A-Za-z0-9]{16,}"),
    re.compile(r"(?<=://)[^/\s@\"']+(?=@)"),
)


def mask(text: str, argv: Sequence[str] = ()) -> str:
    """The text with every key that the call or the environment holds, and what looks like one, as `***`."""
    for secret in sorted({*_given(argv), *_environment()}, key=len, reverse=True):
        text = text.replace(secret, "***")
    for pattern in _PATTERNS:
        text = pattern.sub("***", text)
    return text


def _given(argv: Sequence[str]) -> Iterator[str]:
    options = [(option, value) for option, given, value in (word.partition("=") for word in argv) if given]
    for option, value in (*options, *pairwise(argv)):
        if not _OPTION.fullmatch(option):
            continue
        # Of a header its name may be said.
        secret = value.partition(":")[2].strip() if option == "--header" else value
        yield from (part for part in (secret, secret.rpartition(" ")[2]) if len(part) >= _SHORTEST)


def _environment() -> Iterator[str]:
    return (v for n, v in os.environ.items() if _VARIABLE.search(n) and len(v) >= _SHORTEST)
