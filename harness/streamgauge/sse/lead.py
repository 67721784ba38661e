"""What plain events begin with: a stream has few such beginnings, most often one for a long time."""

from __future__ import annotations

import re

# What a plain event begins with, up to its data.
_LEAD = re.compile(r"(?:event: ?([^\r\n]*)(?:\r\n|\n))?data: ?")


class Lead:
    """What the last plain event began with, up to its data: the next one most likely begins with the same bytes.

    `head` and `text` (as Latin-1) are those bytes, `at` is where the data begins. Without a space behind `data:` one
    byte more is part of them, since a space there would not be data.
    """

    __slots__ = ("at", "head", "name", "seen", "text")

    def __init__(self) -> None:
        self.learn("data: ")

    def learn(self, block: str) -> bool:
        """Look at what an event begins with, as Latin-1; False where it is not a plain one."""
        match = _LEAD.match(block)
        if not match:
            return False
        self.at = match.end()
        self.seen = self.at + (block[self.at - 1] != " ")
        self.text = block[: self.seen]
        self.head = self.text.encode("latin-1")
        self.name = latin_as_utf8(match[1] or "") or "message"
        return True


def latin_as_utf8(text: str) -> str:
    """The text of bytes that were read as Latin-1, each a character."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")
