"""A self-contained page: its template, its style, and a policy that admits nothing else."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from streamgauge.report.text import one_line

STYLE = "bench.css"


def render(name: str, **facts: Any) -> str:
    """The page of the template `name.html.j2`; all text in it is escaped, and nothing is loaded."""
    style = _asset(STYLE)
    policy = f"default-src 'none'; style-src '{_digest(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    page: str = _template(name).render(style=Markup(style), policy=policy, **facts)
    return page


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _asset(name: str) -> str:
    return files("streamgauge.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template(name: str) -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["one_line"] = one_line
    return environment.from_string(_asset(f"{name}.html.j2"))
