"""Client rules for the answer as a whole. The first compares it with the recording's, and is the one place where a
peculiarity that a client always has is blamed.
"""

from __future__ import annotations

from collections.abc import Iterator

from streamgauge.events import Event, Finish, Usage, excerpt
from streamgauge.message import Choice
from streamgauge.observation import Observation
from streamgauge.rulebook.client_judging import difference, loses_an_event, merged, outcome, prerequisite
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


@client_rule(
    "OAC-042",
    "choices may be interleaved in any order",
    group="chunk-schema",
    applies=("openai-chat", "openai-completions"),
    keyword="MUST",
    basis="vendor-doc",
    source="OpenAI API reference, The chat completion chunk object, choices[].index "
    "(https://platform.openai.com/docs/api-reference/chat-streaming; read as generated in openai 3.54.0, "
    'types/chat/chat_completion_chunk.py): "The index of the choice in the list of choices." Nothing else says what a '
    "chunk belongs to, and nothing that choices take turns",
    statement="With n > 1 each choice is the same, however the chunks of the choices are interleaved.",
    faults=("interleave:first", "interleave:last", "interleave:1"),
    cases=("two-choices",),
    broken=loses_an_event,
)
def any_interleaving(seen: Observation) -> Iterator[Finding]:
    """Each choice for itself: their order among each other is the stream's."""
    if "n" not in seen.capabilities:
        raise NotApplicable(f"{seen.subject} does not declare 'n': it shows one choice")
    missing = list(prerequisite(seen))
    yield from missing
    if missing or seen.baseline is None:
        return
    want, got = merged(_by_choice(seen.baseline.said)), merged(_by_choice(seen.run.said))
    if not seen.run.succeeded:
        yield Finding(f"the same {len(seen.baseline.said)} events as without the fault", outcome(seen.run))
    elif want != got:
        yield difference(want, got)


def _by_choice(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """The events of one choice after the other, each with its finish reason behind; usage, which is of none, last.

    A client that always names one choice's finish reason among another's chunks is blamed for that by AGG-008.
    """
    return tuple(sorted(events, key=lambda e: (isinstance(e, Usage), e.choice, isinstance(e, Finish))))
