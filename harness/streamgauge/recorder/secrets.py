"""What never reaches a recording: keys in headers, in URLs and in bodies, and cookies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from streamgauge.trace import Headers

HIDDEN = "REDACTED"
SHORTEST = 6
"""Characters of the shortest key that is looked for in bodies: dummies such as "x" or "none" are words of any text."""

# Counts ("max_tokens"), cache keys ("prompt_cache_key") and signed thoughts ("signature") are none.
_MEMBER = re.compile(
    r"authoriz|(^|[-_])auth([-_]|$)|secret|passw(or)?d|credential|bearer"
    r"|(api|access|account|functions|license|master|private|service|subscription)[-_]?key"
    r"|(access|api|auth|id|refresh|security|session)[-_]?token",
    re.IGNORECASE,
)
_FIELD = re.compile(r"cookie|session|^(x-)?key$|(^|-)token$|^sig$|-signature$|organi[sz]ation|-project$", re.IGNORECASE)


def secret_member(name: str) -> bool:
    """Whether a JSON member of this name holds a secret, if it is a string."""
    return bool(_MEMBER.search(name))


def secret_field(name: str) -> bool:
    """Whether a header field or a query parameter of this name holds a secret, or says whose account it is."""
    return bool(_MEMBER.search(name) or _FIELD.search(name))


def secrets_of(headers: Headers, target: str, body: Any = None) -> frozenset[str]:
    """The secret values that a request carries; schemes like `Bearer` are no part of them."""
    found: set[str] = set()
    for name, value in headers:
        if name.lower() == "cookie":
            found |= {part.partition("=")[2].strip().strip('"') for part in value.split(";")}
        elif secret_field(name):
            found |= {value, value.rpartition(" ")[2]}
    url = urlsplit(target)
    found |= {value for name, value in parse_qsl(url.query) if secret_field(name)}
    found |= {unquote(part) for part in (url.username, url.password) if part}
    found |= set(_secret_members(body))
    return frozenset(value for value in found if len(value) >= SHORTEST)


def _secret_members(value: Any) -> Iterable[str]:
    match value:
        case dict():
            for name, member in value.items():
                if isinstance(member, str) and secret_member(name):
                    yield member
                else:
                    yield from _secret_members(member)
        case list():
            for element in value:
                yield from _secret_members(element)


class Scrubber:
    """Takes the secrets of one request out of everything that is kept; `changes` says what it took, by place."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted(secrets, key=len, reverse=True)
        self.changes: list[str] = []

    def headers(self, headers: Headers) -> Headers:
        """Response headers: those that hold cookies or keys keep their name only."""
        kept = []
        for name, value in headers:
            hidden = HIDDEN if secret_field(name) else self.text(value)
            if hidden != value:
                self.changes.append(f"header {name}: value replaced")
            kept.append((name, hidden))
        return tuple(kept)

    def json(self, value: Any) -> Any:
        """A JSON value: secret members, and the request's secrets wherever they stand in a string."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.json(element) for element in value]
            case Mapping():
                return {name: self._member(name, member) for name, member in value.items()}
            case _:
                return value

    def _member(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and secret_member(name):
            self.changes.append(f"request member {name}: value replaced")
            return HIDDEN
        return self.json(value)

    def text(self, value: str) -> str:
        for secret in self._secrets:
            value = value.replace(secret, HIDDEN)
        return value

    def target(self, target: str) -> str:
        """A request target without the values of secret query parameters."""
        path, mark, query = target.partition("?")
        pairs = [(n, HIDDEN if secret_field(n) else v) for n, v in parse_qsl(query, keep_blank_values=True)]
        return self.text(path + (mark and f"?{urlencode(pairs)}"))

    def body(self, body: bytes) -> bytes:
        """A response body in which an echoed secret is overwritten by as many `*`: all sizes and cuts stay."""
        scrubbed = body
        for secret in self._secrets:
            for spelled in {secret.encode(), quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}:
                scrubbed = scrubbed.replace(spelled, b"*" * len(spelled))
        if scrubbed != body:
            self.changes.append("body: the request's key, which it repeated, overwritten with *")
        return scrubbed
