"""Strategies for what an answer says: texts in many scripts, arguments of tool calls, whole messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from streamgauge.events import Ended
from streamgauge.message import Choice, Message, ReportedError, ServerToolCall, TokenUsage, ToolCall
from streamgauge.strategies.abilities import Ability, finish_reasons, needs_usage, remaining

_PHRASES = (
    *("Hello", " world", "!", " ", "\n", "\n\n", "\r\n", "\t", "0", "\\", '"', "'", '\\"', "\\n", "\\u0041"),
    *("naïve café", "e\u0301", "Ångström", "Привет", "γειά", "你好，世界", "こんにちは", "안녕", "हिन्दी", "ภาษาไทย"),
    *("שלום", "مرحبا", "\u202eabc\u202c", "\u200f", "\u200b", "\ufeff", "\u2028", "\u2029", "\x85", "\xa0"),
    *("😀", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "👍🏽", "𝒳", "𠮷", "\U0010ffff"),
    *("\x00", "\x01", "\x0b", "\x0c", "\x1c", "\x1e", "\x7f", "\ufffd", "\uffff"),
    *("data: [DONE]\n\n", "[DONE]", "data:", ": comment", "event: error", "<think>", "</think>", "null", "{", "}"),
)
"""Pieces that parsers trip over: scripts, joiners, marks of direction, line ends that are none, look-alikes."""

_WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12)
_COUNT = st.integers(1, 2**53 - 1)


@cache
def texts(*, min_size: int = 0, max_size: int = 6) -> SearchStrategy[str]:
    """Text in many scripts, of so many pieces: words, emoji sequences, combining marks, controls, quotes.

    It never holds a lone surrogate, which no UTF-8 can carry.
    """
    piece = st.one_of(st.sampled_from(_PHRASES), st.text(min_size=1, max_size=8))
    return st.lists(piece, min_size=min_size, max_size=max_size).map("".join)


@cache
def arguments(*, verbatim: bool = True) -> SearchStrategy[str]:
    """Arguments of a tool call: a JSON object; with `verbatim` also spaced JSON, cut JSON and none at all."""
    values = st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts(max_size=2)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(max_size=1), inner, max_size=3)),
        max_leaves=6,
    )
    objects = st.dictionaries(texts(max_size=1), values, max_size=4)
    compact = objects.map(_compact)
    if not verbatim:
        return compact
    odd = st.sampled_from(["", " ", "{", '{"a"', "[]", "null", "not JSON", '{"a": 1} '])
    return st.one_of(compact, objects.map(json.dumps), odd)


def messages(
    dialect: str = "openai-chat",
    *,
    ended: Sequence[Ended] = ("complete", "truncated", "error"),
    without: Sequence[Ability] = (),
) -> SearchStrategy[Message]:
    """Whole answers, with everything that the dialect can say: `abilities(dialect)`, less what is in `without`.

    ended: how the streams may end. An answer that is cut short has no usage, and its last choice no finish reason.
    Raises UnknownNameError for an unknown dialect or ability, ValueError where the dialect can say none of `ended`.
    """
    able = remaining(dialect, without)
    endings = [e for e in ended if e == "complete" or {"truncated": "truncated", "error": "errors"}.get(e) in able]
    if not endings:
        raise ValueError(f"{dialect} can't say any of {tuple(ended)}")
    return _messages(dialect, able, endings if len(endings) < 2 else [*endings, *endings[:1] * 2])


@st.composite
def _messages(draw: st.DrawFn, dialect: str, able: frozenset[Ability], endings: list[Ended]) -> Message:
    ended: Ended = draw(st.sampled_from(endings))
    number = draw(st.sampled_from([1, 1, 1, 2, 3])) if "choices" in able else 1
    whole = [True] * number
    if ended != "complete":
        whole = [*draw(st.lists(st.booleans(), min_size=number - 1, max_size=number - 1)), False]
    choices = tuple(draw(_choices(dialect, able, finished)) for finished in whole)
    return Message(
        dialect=dialect,
        ended=ended,
        choices=choices,
        usage=draw(_usage(needs_usage(dialect))) if "usage" in able and ended == "complete" else None,
        errors=(draw(_errors(able)),) if ended == "error" else (),
        id=draw(_WORD.map("chatcmpl-{}".format)) if "id" in able else "",
        model=draw(_WORD.map("model-{}".format)) if "model" in able else "",
    )


@cache
def _usage(needed: bool) -> SearchStrategy[TokenUsage | None]:
    stated = st.builds(TokenUsage, _COUNT, _COUNT)
    return stated if needed else st.one_of(st.none(), stated)


@cache
@st.composite
def _choices(draw: st.DrawFn, dialect: str, able: frozenset[Ability], finished: bool) -> Choice:
    # A choice that says nothing and doesn't finish does not appear in a stream at all.
    text = draw(texts(min_size=0 if finished else 1))
    calls = draw(_call_lists(able)) if "tools" in able and draw(st.booleans()) else []
    return Choice(
        text=text if "text" in able else "",
        reasoning=draw(texts()) if "reasoning" in able else "",
        refusal=draw(texts(max_size=1)) if "refusal" in able else "",
        tool_calls=tuple(calls),
        finish_reason=draw(st.sampled_from(finish_reasons(dialect))) if finished else None,
        server_tool_calls=draw(_server_calls(able)),
    )


@cache
def _call_lists(able: frozenset[Ability]) -> SearchStrategy[list[ToolCall]]:
    most = 3 if "parallel tools" in able else 1
    return st.lists(_calls(able), max_size=most, unique_by=lambda call: call.id or call.name)


@cache
@st.composite
def _calls(draw: st.DrawFn, able: frozenset[Ability]) -> ToolCall:
    call_id = draw(_WORD.map("call_{}".format)) if "call ids" in able else ""
    return ToolCall(call_id, draw(_WORD), draw(arguments(verbatim="verbatim arguments" in able)))


@cache
@st.composite
def _server_calls(draw: st.DrawFn, able: frozenset[Ability]) -> tuple[ServerToolCall, ...]:
    if "server tools" not in able or not draw(st.booleans()):
        return ()
    return (ServerToolCall(draw(_WORD.map("srv_{}".format)), "search", draw(arguments(verbatim=False)), "found"),)


@cache
@st.composite
def _errors(draw: st.DrawFn, able: frozenset[Ability]) -> ReportedError:
    return ReportedError(
        draw(texts(min_size=1)),
        draw(_WORD) if "error types" in able else "",
        draw(_WORD) if "error codes" in able else "",
    )


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
