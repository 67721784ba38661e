"""The client rule that compares a client's answer with the recording's: the one place where a peculiarity is blamed."""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.events import excerpt
from streamgauge.message import Choice
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import loses_an_event, outcome
from streamgauge.rules import Finding, NotApplicable, client_rule

MEMBERS = {
    "text": "",
    "reasoning": "reasoning",
    "refusal": "refusal",
    "tool_calls": "tools",
    "finish_reason": "finish",
}
"""Parts of a choice, each with the capability that a client must declare for it to be judged ("" is none)."""


@client_rule(
    "AGG-008",
    "the library's answer equals the wire's",
    group="aggregate",
    applies=("all",),
    keyword="MUST",
    basis="de-facto",
    source="de facto: an answer is what was sent",
    statement="A client library's final object equals an independent accumulation of the raw events.",
    known=(
        "https://github.com/pydantic/pydantic-ai/issues/8642",
        "https://github.com/BerriAI/litellm/issues/33223",
    ),
    faults=("",),
    broken=loses_an_event,
)
def equals_the_wire(seen: Observation) -> Iterator[Finding]:
    """Of what the client declares that it shows; usage is USE-005, errors are ERR-003."""
    if len(seen.expected.choices) > 1 and "n" not in seen.capabilities:
        raise NotApplicable(f"{seen.subject} does not declare 'n': it shows one choice")
    said = seen.run.message(seen.dialect.name)
    if not (seen.run.succeeded or seen.expected.errors):
        yield Finding("the whole answer", outcome(seen.run))
        return
    for number, want in enumerate(seen.expected.choices):
        got = said.choices[number] if number < len(said.choices) else Choice()
        for member, capability in MEMBERS.items():
            if not capability or capability in seen.capabilities:
                yield from _compare(f"choice {number}, {member}", getattr(want, member), getattr(got, member))


def _compare(name: str, want: object, got: object) -> Iterator[Finding]:
    if want == got:
        return
    if isinstance(want, str) and isinstance(got, str):
        at = next((n for n, (a, b) in enumerate(zip(want, got, strict=False)) if a != b), min(len(want), len(got)))
        start = max(0, at - 20)
        yield Finding(f"{name}: {excerpt(want[start:])!r}", f"from character {start} on: {excerpt(got[start:])!r}")
    else:
        yield Finding(f"{name}: {excerpt(repr(want))}", excerpt(repr(got)))
