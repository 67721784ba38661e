"""Code that the service runs itself: told, and then what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from streamgauge.dialects.gemini_generate._samples import HELLO, response, sse
from streamgauge.dialects.gemini_generate._sources import PROTO
from streamgauge.dialects.gemini_generate._view import responses
from streamgauge.rules import Exchange, Finding, NotApplicable, server_rule
from streamgauge.wire import members

CODE, RESULT = "executableCode", "codeExecutionResult"
RUN = response({CODE: {"language": "PYTHON", "code": "print(1)"}})
RAN = response({RESULT: {"outcome": "OUTCOME_OK", "output": "1"}})


@server_rule(
    "GEM-015",
    "the result of code follows the code",
    group="sequence",
    keyword="MUST",
    basis="vendor-doc",
    source=f'{PROTO}, CodeExecutionResult: "Only generated when using the `CodeExecution`, and always follows a `part` '
    'containing the `ExecutableCode`."; ExecutableCode: "the code will be automatically executed, and a corresponding '
    '`CodeExecutionResult` will also be generated." Code without a result, which a limit may have cut off, and a '
    "second result count as non-strict",
    applies=("gemini-generate",),
    good=sse(RUN, RAN, *HELLO),
    bad=sse(RAN, *HELLO),
)
def result_follows_code(exchange: Exchange) -> Iterator[Finding]:
    """A codeExecutionResult comes behind an executableCode of its candidate, one for each."""
    waiting: Counter[int] = Counter()
    told: set[int] = set()
    ran = False
    for candidate in responses(exchange).candidates:
        for part in map(members, candidate.parts):
            if CODE in part:
                waiting[candidate.index] += 1
                told.add(candidate.index)
            elif RESULT in part:
                ran = True
                if not waiting[candidate.index]:
                    again = candidate.index in told
                    got = "another result" if again else "a result without it"
                    yield Finding(f"{CODE} before its result", got, candidate.span, mild=again)
                waiting[candidate.index] = max(0, waiting[candidate.index] - 1)
    if not told and not ran:
        raise NotApplicable("no code was run")
    if exchange.message.ended == "complete" and any(waiting.values()):
        yield Finding(f"{RESULT} of each {CODE}", "none", responses(exchange).candidates[-1].span, mild=True)
