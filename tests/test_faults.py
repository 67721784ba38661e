"""Every fault on every recording that it fits: it applies, it is pure, and it does what its effect says."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamgauge.dialect import Dialect
from streamgauge.errors import StreamgaugeError, UnknownNameError
from streamgauge.events import (
    End,
    Event,
    Finish,
    KeepAlive,
    Start,
    StreamError,
    TextDelta,
    ToolCallDelta,
    Usage,
    unlocated,
)
from streamgauge.faults import Fault, all_faults, apply_faults, effect_of
from streamgauge.message import assemble
from streamgauge.recordings import shipped
from streamgauge.registry import all_dialects, get_dialect
from streamgauge.script import Piece, Script, script_of

EFFECTS = ("lossless", "surplus", "truncated", "broken", "stalled", "error", "refused", "damaged")


def cases() -> Iterator[object]:
    """Each fault with each of its variants."""
    for fault in all_faults().values():
        for variant in fault.variants:
            yield pytest.param(fault, variant, id=f"{fault.name}:{variant}")


@cache
def plain_scripts() -> dict[str, Script]:
    """Every recording, and an answer in every dialect, undisturbed, by name."""
    recorded = {name: script_of(recording) for name, recording in shipped().items()}
    return recorded | {name: encoded(dialect) for name, dialect in all_dialects().items()} | {"calls": script(*CALLS)}


ANSWER = [Start("c-1", "gpt-4"), *map(TextDelta, ("One", " two", " three", ' "fö\n"')), Finish("stop"), Usage(1, 4)]

CALLS = [
    *(ToolCallDelta(0, id="call_0", name="look"), ToolCallDelta(0, id="call_1", name="hear", choice=1)),
    *(ToolCallDelta(0, arguments="{"), ToolCallDelta(0, arguments="}"), Finish("tool_calls")),
    *(Finish("tool_calls", choice=1), End("complete")),
]
"""Two choices, each of which numbers its calls from 0, and one of which has no fragment behind the first."""


def encoded(dialect: Dialect) -> Script:
    """A plain answer in any dialect, one piece a frame."""
    return Script(dialect=dialect, pieces=tuple(map(Piece, dialect.encode([*ANSWER, End("complete")]))))


def said(script: Script) -> list[Event]:
    """What the delivered bytes say, choice by choice, without places, without what says nothing."""
    events = script.dialect.decode(script.counted.delivered)
    told = [unlocated(e) for e in events if not isinstance(e, (KeepAlive, End))]
    return sorted(told, key=lambda e: (isinstance(e, Usage), e.choice))


def whole(events: list[Event]) -> list[Event]:
    """The events with each tool call's fragments put together, in the place of its first."""
    calls: dict[tuple[int, int], int] = {}
    out: list[Event] = []
    for event in events:
        key = (event.choice, event.index) if isinstance(event, ToolCallDelta) else None
        first = out[calls[key]] if key in calls else None
        if key is None or first is None:
            calls |= {key: len(out)} if key else {}
            out.append(event)
        elif isinstance(first, ToolCallDelta) and isinstance(event, ToolCallDelta):
            named = {"id": first.id or event.id, "name": first.name or event.name}
            out[calls[key]] = msgspec.structs.replace(first, **named, arguments=first.arguments + event.arguments)
    return out


def has_terminator(script: Script) -> bool:
    """Whether the stream has an event that ends it, or its dialect has one."""
    found = (e for e in script.dialect.decode(script.body) if isinstance(e, End))
    return bool(script.dialect.terminator) or any(e.span[0] < e.span[1] for e in found)


def ended(script: Script) -> str:
    """How the dialect's decoder says that the delivered bytes end."""
    return script.dialect.read(script.counted.delivered).ended


def script(*events: Event, dialect: str = "openai-chat") -> Script:
    """A script of one piece an event, without a recording."""
    found = get_dialect(dialect)
    return Script(dialect=found, pieces=tuple(map(Piece, found.encode(events))))


@pytest.mark.parametrize(("fault", "variant"), list(cases()))
def test_effect(fault: Fault, variant: str) -> None:
    """A fault applies to every stream that it fits, gives the same each time, and keeps what its effect promises."""
    played = {name: plain for name, plain in plain_scripts().items() if fault.fits(plain.dialect)}
    assert played
    for name, plain in played.items():
        try:
            keeps_its_promise(fault, variant, plain)
        except Exception as error:
            error.add_note(f"on {name}")
            raise


def keeps_its_promise(fault: Fault, variant: str, plain: Script) -> None:
    """One fault on one stream."""
    spec = f"{fault.name}:{variant}" if variant else fault.name
    played = apply_faults(plain, spec)
    assert played == apply_faults(plain, spec)
    assert all(isinstance(p, Piece) and p.data and p.delay >= 0 for p in played.pieces)
    match fault.effect:
        case "lossless":
            assert whole(said(played)) == whole(said(plain))
            assert ended(played) == ended(plain)
        case "surplus":
            assert played.delivered.startswith(plain.body)
            assert len(played.delivered) > len(plain.body) or not has_terminator(plain)
            assert played.dialect.read(played.delivered).choices == plain.dialect.read(plain.body).choices
        case "truncated":
            assert played.ending == "complete"
            assert ended(played) == "truncated"
        case "broken":
            assert played.ending in ("fin", "reset", "rst-stream", "goaway")
            assert ended(played) == "truncated"
        case "stalled":
            assert played.head_delay is None or played.ending == "hold"
        case "error":
            assert any(isinstance(e, StreamError) for e in said(played))
            assert ended(played) == "error"
        case "refused":
            assert (played.status, played.delivered) != (200, plain.body)
            assert not any(isinstance(e, TextDelta) for e in said(played))
        case _:
            assert fault.expected


@pytest.mark.parametrize("fault", list(all_faults().values()), ids=lambda f: f.name)
def test_declaration(fault: Fault) -> None:
    """A fault says what it is, in the words that readers and the conformance run rely on."""
    assert fault.effect in EFFECTS
    assert fault.expected
    assert fault.title
    assert fault.apply.__doc__
    assert fault.variants
    assert ":" not in fault.name
    assert "+" not in fault.name
    assert any(fault.fits(d) for d in all_dialects().values())


def test_ids_are_unique() -> None:
    """Two faults never share an id of the catalogue."""
    ids = [f.id for f in all_faults().values()]
    assert len(ids) == len(set(ids))


TAKE_ANY_TEXT = ("retry-after", "wrong-content-type")


@pytest.mark.parametrize(
    "fault",
    [f for f in all_faults().values() if f.argument and f.name not in TAKE_ANY_TEXT],
    ids=lambda f: f.name,
)
def test_bad_argument(fault: Fault) -> None:
    """An argument that makes no sense is named, with what is expected."""
    dialect = next(d for d in (get_dialect("openai-chat"), *all_dialects().values()) if fault.fits(d))
    plain = script(TextDelta("Hello"), End("complete"), dialect=dialect.name)
    with pytest.raises(StreamgaugeError, match=f"fault '{fault.name}': 'no-such-thing' is not"):
        apply_faults(plain, f"{fault.name}:no-such-thing")


def test_unknown_fault() -> None:
    """A misspelt fault is refused with the nearest name."""
    with pytest.raises(UnknownNameError, match="did you mean 'byte-by-byte'"):
        apply_faults(script(TextDelta("x")), "byte-by-bite")


def lossless(dialect: Dialect) -> list[str]:
    """Specs of the lossless faults of the bytes and of the content that fit a dialect."""
    return [
        f"{f.name}:{v}" if v else f.name
        for f in all_faults().values()
        if f.effect == "lossless" and f.layer in ("bytes", "content", "dialect") and f.name != "oversized-line"
        if f.fits(dialect)
        for v in f.variants
    ]


ONCE_LOST = [
    ("anthropic-messages/plain-text", "comments+pings:everywhere"),
    ("openai-chat/azure-filter-first", "empty-choices:no-delta+identity-changes"),
    ("openai-chat/two-choices", "identity-changes+role-with-text"),
    ("openai-chat/llama-two-choices", "identity-changes+interleave:first"),
    ("openai-chat/llama-tool", "tool-call-fragments:repeated+opening-arguments"),
    ("openai-chat/parallel-tools", "tool-call-fragments:late-name+tool-call-fragments:repeated"),
]
"""Pairs of lossless faults that together once lost something, with a recording that shows it."""


@pytest.mark.parametrize(("name", "spec"), ONCE_LOST)
def test_pairs_of_lossless_faults(name: str, spec: str) -> None:
    """Two faults that take nothing away take nothing away together, either of them first."""
    plain = script_of(shipped()[name])
    for order in (spec, "+".join(reversed(spec.split("+")))):
        assert whole(said(apply_faults(plain, order))) == whole(said(plain)), order


@settings(deadline=None, max_examples=60)
@given(data=st.data(), name=st.sampled_from(sorted(shipped())))
def test_lossless_faults_compose(data: st.DataObject, name: str) -> None:
    """Any few lossless faults in any order say the same as none."""
    plain = script_of(shipped()[name])
    specs = data.draw(st.lists(st.sampled_from(lossless(plain.dialect)), max_size=4))
    assert whole(said(apply_faults(plain, "+".join(specs)))) == whole(said(plain))


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(sorted(all_faults())), body=st.binary(max_size=300))
def test_any_bytes(name: str, body: bytes) -> None:
    """A fault applies to a script whose bytes are no stream at all."""
    for dialect in all_dialects().values():
        if all_faults()[name].fits(dialect):
            apply_faults(Script(dialect=dialect, pieces=(Piece(body),) if body else ()), name)


def test_empty_script() -> None:
    """Every fault bears an answer without a body, such as one that another fault has made so."""
    for name, fault in all_faults().items():
        for dialect, variant in product(all_dialects(), ("", *fault.variants)):
            if fault.fits(get_dialect(dialect)):
                apply_faults(script(dialect=dialect), f"{name}:{variant}" if variant else name)


def test_effect_of_a_composition() -> None:
    """The first fault that is not lossless decides."""
    assert effect_of("bom+truncate:3+byte-by-byte") == "truncated"
    assert effect_of("bom+byte-by-byte") == "lossless"
    assert effect_of("") == "lossless"


PLAIN = script(TextDelta("Hello"), TextDelta(' "wörld"'), TextDelta("again"), End("complete"))


def pieces(spec: str, plain: Script = PLAIN) -> list[bytes]:
    """The writes under a spec."""
    return [p.data for p in apply_faults(plain, spec).pieces]


def test_cut_everywhere() -> None:
    """A cut at any position gives two pieces that add up to the body."""
    for position in range(1, len(PLAIN.body)):
        assert pieces(f"cut:{position}") == [PLAIN.body[:position], PLAIN.body[position:]]
    assert pieces("cut:-3")[1] == PLAIN.body[-3:]
    with pytest.raises(StreamgaugeError, match="the body has"):
        pieces("cut:100000")


def test_byte_by_byte() -> None:
    """One byte a write, also behind a BOM, which is split with it."""
    assert pieces("bom+byte-by-byte")[:3] == [b"\xef", b"\xbb", b"\xbf"]
    assert set(map(len, pieces("byte-by-byte"))) == {1}


def test_one_event_per_write_undoes_cuts() -> None:
    """Frames are what was written first."""
    assert pieces("byte-by-byte+one-event-per-write") == [p.data for p in PLAIN.pieces]
    assert pieces("whole") == [PLAIN.body]


def test_random_cuts_follow_the_seed() -> None:
    """A seed is a cut; another seed another one."""
    assert pieces("random-cuts:1") == pieces("random-cuts:1")
    assert pieces("random-cuts:1") != pieces("random-cuts:2")
    assert b"".join(pieces("random-cuts:5")) == PLAIN.body


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("cut-inside:utf-8", b"\xc3|\xb6"),
        ("line-ends:crlf+cut-inside:crlf", b"\r|\n"),
        ("bom+cut-inside:bom", b"\xef|\xbb|\xbf"),
        ("cut-inside:field", b"da|ta:"),
        ("cut-inside:escape", b'\\|"'),
        ("cut-inside:terminator", b"[|D|O|N|E|]"),
    ],
)
def test_cut_inside(spec: str, place: bytes) -> None:
    """The cut goes through what it is named after."""
    assert place in b"|".join(pieces(spec))


@pytest.mark.parametrize(
    ("style", "has", "lacks"),
    [("crlf", b"\r\n\r\n", b"}\n"), ("cr", b"}\r\rdata", b"\n"), ("mixed", b"}\r", b"\r\n\r\n\r\n")],
)
def test_line_ends(style: str, has: bytes, lacks: bytes) -> None:
    """The style is in the bytes, and the old one is not."""
    body = b"".join(pieces(f"line-ends:{style}"))
    assert has in body
    assert lacks not in body


def test_multi_line() -> None:
    """Each object is over several data lines, and [DONE] on one."""
    body = b"".join(pieces("multi-line:3"))
    assert body.count(b"data: ") == 3 * 3 + 1
    assert body.endswith(b"data: [DONE]\n\n")


def test_no_space() -> None:
    """The optional space is gone everywhere, also before [DONE]."""
    body = b"".join(pieces("no-space"))
    assert b": {" not in body
    assert body.endswith(b"data:[DONE]\n\n")


@pytest.mark.parametrize("name", ["retry", "id"])
def test_blocks_without_data(name: str) -> None:
    """`alone` makes blocks of their own, `inside` puts the line into events."""
    line = {"retry": b"retry: 3000\n", "id": b"id: 7\n"}[name]
    assert line + b"\n" in pieces(f"{name}-lines:alone")
    assert line + b"\n" not in b"".join(pieces(f"{name}-lines:inside"))
    assert line + b"data: {" in b"".join(pieces(f"{name}-lines:inside"))


def test_comments_behind_an_id() -> None:
    """`with-id` sets an id before the first comment that could become an event of it."""
    body = b"".join(pieces("comments:with-id"))
    assert b"id: 1\n" in body
    assert b"\n\n:" in body.partition(b"id: 1\n")[2]


def test_truncate_counts_events() -> None:
    """So many events stay; a negative number counts from the end."""
    assert len(pieces("truncate:1")) == 1
    assert len(pieces("truncate:-1")) == 3
    with pytest.raises(StreamgaugeError, match="the stream has 4 events"):
        pieces("truncate:9")


def test_truncate_mid_event_cuts_output() -> None:
    """The cut goes through an event with output, and through a given byte where one is named."""
    kept = b"".join(pieces("truncate-mid-event"))
    assert PLAIN.body.startswith(kept)
    assert not kept.endswith(b"\n")
    assert b"".join(pieces("truncate-mid-event:17")) == PLAIN.body[:17]


def test_unfinished_event_keeps_its_data() -> None:
    """All of an event is there but the blank line, so that only the rule tells that it is none."""
    kept = b"".join(pieces("unfinished-event"))
    assert kept.endswith(b"}]}\n")
    assert PLAIN.body.startswith(kept + b"\n")


def test_lengths() -> None:
    """The declared length is larger or smaller than what is sent."""
    longer = apply_faults(PLAIN, "length-too-long")
    assert (longer.framing, longer.ending) == ("length", "fin")
    assert longer.declared_length is not None
    assert longer.declared_length > len(longer.body)
    shorter = apply_faults(PLAIN, "length-too-short:5")
    assert shorter.delivered == PLAIN.body[:5]


def test_invalid_utf8_is_in_the_text() -> None:
    """The decoder replaces the byte and goes on; nothing else changes."""
    plain = "".join(e.text for e in PLAIN.dialect.decode(PLAIN.body) if isinstance(e, TextDelta))
    broken = PLAIN.dialect.decode(b"".join(pieces("invalid-utf8")))
    text = "".join(e.text for e in broken if isinstance(e, TextDelta))
    assert text != plain
    assert text.replace("�", "") == plain


def test_odd_content() -> None:
    """Faults of single events change what their name says."""
    assert len(pieces("duplicate-event")) == 5
    assert sorted(pieces("swap-events")) == sorted(p.data for p in PLAIN.pieces)
    assert pieces("swap-events") != [p.data for p in PLAIN.pieces]
    assert len(pieces("missing-event")) == 3
    assert pieces("lowercase-terminator")[-1] == b"data: [done]\n\n"
    assert pieces("early-terminator").count(b"data: [DONE]\n\n") == 2
    assert pieces("double-terminator")[-2:] == [b"data: [DONE]\n\n"] * 2
    assert pieces("after-terminator")[-3] == b"data: [DONE]\n\n"
    assert max(map(len, pieces("oversized-line:70000"))) > 70000


@pytest.mark.parametrize("spec", ["invalid-json", "two-objects:together", "two-objects:apart", "odd-json:deep"])
def test_unreadable_events(spec: str) -> None:
    """One event becomes unreadable; the others stay."""
    message = PLAIN.dialect.read(b"".join(pieces(spec)))
    assert message.malformed > 0
    assert message.choices[0].text.startswith("Hello")


def test_slow_drip_and_stall() -> None:
    """Delays add up to the rate; a stall keeps what was before it."""
    slow = apply_faults(PLAIN, "slow-drip:50")
    assert sum(p.delay for p in slow.pieces) == pytest.approx(4 / 50)
    stalled = apply_faults(PLAIN, "stall:end")
    assert stalled.ending == "hold"
    assert stalled.body + b"data: [DONE]\n\n" == PLAIN.body
    assert apply_faults(PLAIN, "stall:headers").head_delay is None
    assert apply_faults(PLAIN, "stall:first").body == b""


def test_statuses() -> None:
    """Status, body and headers are what was asked for."""
    refused = apply_faults(PLAIN, "status:429")
    assert refused.status == 429
    assert b"rate_limit_error" in refused.body
    assert apply_faults(PLAIN, "status:503,empty").body == b""
    assert ("Content-Type", "text/html; charset=utf-8") in apply_faults(PLAIN, "not-a-stream:html").headers
    assert ("Retry-After", "7") in apply_faults(PLAIN, "retry-after:7").headers
    assert not any(n == "Retry-After" for n, _ in apply_faults(PLAIN, "retry-after:none").headers)
    with pytest.raises(StreamgaugeError, match="not a status of an error"):
        apply_faults(PLAIN, "status:200")


def test_usage_moves_to_the_finish() -> None:
    """The chunk of its own is gone and the finish chunk carries the usage."""
    moved = [
        name
        for name, recording in shipped().items()
        if recording.dialect == "openai-chat"
        and b'"choices":[],"usage"' in recording.trace.body.replace(b" ", b"")
        and apply_faults(script_of(recording), "usage-in-finish").body.count(b"data:")
        == recording.trace.body.count(b"data:") - 1
    ]
    assert moved


def test_assembled_message_survives_identity_changes() -> None:
    """The first id and model stay the message's."""
    recording = shipped()["openai-chat/plain-text"]
    changed = apply_faults(script_of(recording), "identity-changes")
    assert b"other-model" in changed.body
    assert assemble("openai-chat", changed.dialect.decode(changed.body)).model == recording.message.model
