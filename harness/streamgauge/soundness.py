"""Whether a smaller stream is as good as the one that it was made from: nobody should object to what is kept."""

from __future__ import annotations

from streamgauge.engine import judge
from streamgauge.message import Message
from streamgauge.recordings import Recording
from streamgauge.rules import Exchange, Rule, rules_for


class Soundness:
    """What a stream is, and which rules for servers it follows: the measure of all that are made from it."""

    __slots__ = ("_first", "_kind", "_rules")

    def __init__(self, first: Recording) -> None:
        self._first = first
        self._kind = _kind(first.message)
        exchange = _exchange(first)
        self._rules = [rule for rule in rules_for(first.get_dialect(), "server") if not _breaks(exchange, rule)]

    def of(self, recording: Recording) -> bool:
        """Whether it ends as the first does, has what that has any of, and breaks no rule that the first follows."""
        if recording is self._first:
            return True
        return _kind(recording.message) == self._kind and not self._objected(recording)

    def _objected(self, recording: Recording) -> bool:
        """Whether a rule objects. The one that does is asked first from now on: what is tried next is most often broken
        in the same way."""
        exchange = _exchange(recording)
        rule = next((rule for rule in self._rules if _breaks(exchange, rule)), None)
        if rule:
            self._rules.remove(rule)
            self._rules.insert(0, rule)
        return rule is not None


def _exchange(recording: Recording) -> Exchange:
    return Exchange(recording.get_dialect(), recording.trace, case=recording.name)


def _breaks(exchange: Exchange, rule: Rule) -> bool:
    """Whether the stream breaks a rule for servers, be it only where practice asks for it."""
    [verdict] = judge(exchange, [rule])
    return verdict.verdict in ("fail", "non-strict", "error")


def _kind(message: Message) -> tuple[object, ...]:
    """What a smaller stream has in common with a larger one: how it ends, and what it has any of."""
    said = tuple(
        any(getattr(c, name) for c in message.choices) for name in ("text", "reasoning", "refusal", "tool_calls")
    )
    return (message.ended, message.malformed, len(message.errors), *said)
