"""From a tapped answer to a recording on disk, without its secrets."""

from __future__ import annotations

import ipaddress
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamgauge import __version__
from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError
from streamgauge.recorder.secrets import SHORTEST, Scrubber, secrets_of
from streamgauge.recorder.tap import Tap
from streamgauge.recordings import SUFFIXES, Recording, save

_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Asked:
    """The request behind a recording, as the server got it; `target` is what stands behind the base URL.

    secrets: what is known to be none of a recording's business, beside what its name gives away.
    """

    target: str
    headers: Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        """The body's JSON value, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the recordings of one run are called, and what is known about the server.

    case: the name of the first; further ones get a number. server, version: where they are "" they are the public
    host, else taken from the answer's Server header. about: more members of the provenance.
    overwrite: replace what has that name.
    """

    case: str = ""
    server: str = ""
    version: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.case and not _CASE.fullmatch(self.case):
            raise StreamgaugeError(
                f"{self.case!r} can't be the name of a case: use letters, digits, '.', '_' and '-', as in plain-text"
            )


def public_name(host: str) -> str:
    """The host if it is a name in the public DNS, else "": the names of one's own machines stay at home."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        private = "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan", ".home.arpa"))
        return "" if private else host
    return ""


class Keeper:
    """Writes recordings below one folder, each under a name of its own. `host` is the server's.

    Raises StreamgaugeError where the folder can't be written to.
    """

    def __init__(self, folder: Path, label: Label | None = None, host: str = "") -> None:
        self._folder = folder
        self._label = label or Label()
        self._host = public_name(host)
        self._taken: set[tuple[str, str]] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise StreamgaugeError(f"can't write to {folder}: {error.strerror}; give another --out FOLDER") from None

    def keep(self, dialect: Dialect, asked: Asked, tap: Tap, reference: Any = None) -> tuple[Recording, Path]:
        """Write one recording; returns it and the path of its JSON file.

        reference: the JSON value that the non-streaming twin of the request was answered with.
        """
        recording = self._recording(dialect, asked, tap, reference)
        try:
            return recording, save(recording, self._folder)
        except OSError as error:
            raise StreamgaugeError(f"can't write to {self._folder}: {error.strerror}") from None

    def _recording(self, dialect: Dialect, asked: Asked, tap: Tap, reference: Any) -> Recording:
        value = asked.json
        known = {secret for secret in asked.secrets if len(secret) >= SHORTEST}
        scrub = Scrubber(known | secrets_of(tuple(asked.headers.items()), asked.target, value))
        body = scrub.body(tap.body)
        headers = scrub.headers(tap.reader.headers)
        trace = tap.trace(body, headers, scrub.json(value))
        server, version = self._server(trace.header("server") or "")
        provenance: dict[str, Any] = {
            "kind": "recorded",
            "server": server,
            "version": version,
            **self._label.about,
            "path": scrub.target(asked.target),
            "recorder": f"streamgauge {__version__}",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if scrub.changes:
            provenance["changed"] = list(dict.fromkeys(scrub.changes))
        return Recording(
            name=self._name(dialect),
            dialect=dialect.name,
            title=self._label.title,
            tags=self._label.tags,
            provenance=provenance,
            trace=trace,
            message=dialect.read(body),
            reference=None if reference is None else dialect.message(scrub.json(reference)),
        )

    def _server(self, header: str) -> tuple[str, str]:
        # A public host says more than the Server header of what stands in front of it ("cloudflare").
        name, _, version = ("", "", "") if self._host else header.partition("/")
        return self._label.server or self._host or name, self._label.version or version

    def _name(self, dialect: Dialect) -> str:
        wanted = self._label.case or "recorded"
        name, number = wanted, 1
        while (dialect.name, name) in self._taken or (not self._label.overwrite and self._exists(dialect, name)):
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add((dialect.name, name))
        return name

    def _exists(self, dialect: Dialect, name: str) -> bool:
        place = self._folder / dialect.name
        return any((place / f"{name}{suffix}").exists() for suffix in (".json", SUFFIXES[dialect.framing]))
