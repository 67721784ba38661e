"""Makes text that came from a wire fit to show: nothing in it may steer a terminal, a page or a reader's eye."""

from __future__ import annotations

import re

# What does not show, or shows elsewhere: C0 and C1 controls, bidirectional marks, zero-width characters, line and
# paragraph separators, lone surrogates (UTF-8 can't carry them), non-characters (XML 1.0 forbids U+FFFE and U+FFFF).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""The text with all that can't be seen written as `\x1b`, `\u202e`, `\ud83d`; newlines and tabs stay."""
    return _UNSEEN.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    r"""The visible text with its newlines and tabs as `\n` and `\t`."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def shortened(text: str, width: int, mark: str = "…") -> str:
    """At most `width` characters; what is cut off is shown by the mark."""
    return text if len(text) <= width else text[: max(width - len(mark), 0)] + mark[:width]


def counted(number: int, noun: str) -> str:
    """`1 failure`, `1,204 failures`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _escape(character: str) -> str:
    if character == "\r":
        return "\\r"
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
