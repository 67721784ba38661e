"""Errors in the stream, in forms that clients do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from streamgauge.mutants import Edit, operator
from streamgauge.mutants.openai_chat._walk import (
    BOTH,
)
from streamgauge.mutants.stream import Stream


@operator(
    "odd-error",
    "An error in another form than OpenAI's",
    applies=BOTH,
    noticed_by=("ERR-002",),
)
def odd_error(stream: Stream) -> Iterator[Edit]:
    told = ({"error": "boom"}, {"error": {"message": "boom"}}, {"error": {"code": 500, "status": "boom"}})
    for value in told:
        for number in range(1, len(stream.pieces)):
            made = partial(
                stream.with_pieces, [*stream.pieces[:number], b"data: " + json.dumps(value).encode() + b"\n\n"]
            )
            yield Edit(f"{value} behind frame {number - 1}", made, group=str(value))


@operator("kindless-error", "An error without a code or a type", applies=BOTH, noticed_by=("ERR-011",))
def kindless_error(stream: Stream) -> Iterator[Edit]:
    for number in range(1, len(stream.pieces)):
        frame = b'data: {"error":{"message":"boom","type":"","code":null}}\n\n'
        yield Edit(f"behind frame {number - 1}", partial(stream.with_pieces, [*stream.pieces[:number], frame]))
