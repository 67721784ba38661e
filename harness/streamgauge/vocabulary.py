"""Words that vendors use: whether one that no document names may be one that has been added since."""

from __future__ import annotations

from typing import Any

from streamgauge.registry import all_dialects


def may_be_new(word: Any, own: tuple[str, ...]) -> bool:
    """Whether a word could be the vendor's own: written as its words are, and not one of another family of APIs."""
    if not isinstance(word, str) or not word.isascii() or not word.replace("_", "a").isalnum():
        return False
    alike = word.isupper() if own[0].isupper() else word.islower()
    return alike and word not in _foreign(own)


def _foreign(own: tuple[str, ...]) -> set[str]:
    """The finish reasons of the dialects that have no word in common with these."""
    others = (dialect.finish_reasons for dialect in all_dialects().values())
    return {word for words in others if not set(words) & set(own) for word in words}
