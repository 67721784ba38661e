"""Why a mutant that no rule noticed is no damage: every such reason stands here, and nowhere else."""

from __future__ import annotations

from streamgauge.mutants.stream import Stream

NO_USAGE = "after an error the service states no usage"
"""For members that are required unless the stream reports an error."""


def unjudgeable(before: Stream, after: Stream) -> str:
    """There is no whole answer to compare with, or nothing that it would say differently."""
    if before.exchange.message.ended != "complete":
        return "the stream reports an error, so that there is no whole answer to compare with"
    if before.exchange.message == after.exchange.message:
        return "the message is the same: it is stated again, is another choice's, or is nothing that a message keeps"
    return ""


def unasked(before: Stream, after: Stream) -> str:  # noqa: ARG001
    """Nothing says that a stream was asked for."""
    return "" if before.request is not None else "the request is not known, so that no stream was asked for"


def over_before(before: Stream, after: Stream) -> str:  # noqa: ARG001
    """What is cut off comes behind the end."""
    if after.exchange.message.ended == "complete":
        return "the answer was over before the cut, and no document promises what came behind it"
    return ""


def cut_short(before: Stream, after: Stream) -> str:  # noqa: ARG001
    """A stream that fails leaves its blocks open."""
    if before.exchange.message.ended == "error":
        return "a stream that fails leaves its blocks open, so that another index is another block"
    return ""


def failed(before: Stream, after: Stream) -> str:  # noqa: ARG001
    """What Cohere states in message-end it leaves out where the answer failed."""
    if before.exchange.message.ended == "error":
        return "after an error the service states neither usage nor what it was about"
    return ""


def moving(before: Stream, after: Stream) -> str:  # noqa: ARG001
    """A service that stamps each chunk."""
    if len({value.get("created") for _, value in before.objects}) > 1:
        return "the recording's own times move forward, and this one does too"
    return ""


def stop_stays(before: Stream, after: Stream) -> str:  # noqa: ARG001
    """TGI hands out the tokens that it stops at, and promises nothing else."""
    if before.dialect.name == "huggingface-tgi":
        return 'TGI\'s reference: "Stop generating tokens if a member of `stop` is generated.", so that its text has it'
    return ""
