"""Hypothesis strategies that draw streams, for testing a parser: this project's, or your own.

    from hypothesis import given
    from hypothesis import strategies as st
    from streamgauge.strategies import cuts, wire_streams

    @given(stream=wire_streams("openai-chat"), data=st.data())
    def test_my_parser(stream, data):
        body, message = stream
        parser = MyParser()
        for piece in data.draw(cuts(body)):
            parser.feed(piece)
        assert parser.text == message.choices[0].text

What is drawn is a valid stream with the message that it carries; `sse_streams()` and `cuts()` draw what a
parser of server-sent events has to stand. docs/strategies.md has a whole example. Needs hypothesis, which
streamgauge itself doesn't require.
"""

from __future__ import annotations

from streamgauge.strategies.abilities import Ability, abilities
from streamgauge.strategies.answers import arguments, messages, texts
from streamgauge.strategies.raw import cuts, json_texts, sse_streams
from streamgauge.strategies.streams import event_streams, events_of, wire_streams

__all__ = [
    "Ability",
    "abilities",
    "arguments",
    "cuts",
    "event_streams",
    "events_of",
    "json_texts",
    "messages",
    "sse_streams",
    "texts",
    "wire_streams",
]
