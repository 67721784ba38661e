"""The payloads of InvokeModelWithResponseStream: each model's own events, told apart by their members.

Sources: AWS, Amazon Bedrock User Guide, "Inference request parameters and response fields for foundation models"
(https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html), a page for each vendor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamgauge.events import Event, Finish, Span, Start, TextDelta, ToolCallDelta, Usage, to_json
from streamgauge.wire import count, elements, members, text

METRICS = "amazon-bedrock-invocationMetrics"
"""What the service itself counted: it comes with the last payload, whatever the model."""


@dataclass(slots=True)
class ModelStream:
    """One stream of a model that has no dialect of its own here."""

    told: bool = False
    """Whether it stated its total, which a blocked answer has in place of a reason."""
    calls: int = 0
    said: set[int] = field(default_factory=set)
    stopped: set[int] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether each of its generations has said why it ended."""
        return self.told or (bool(self.stopped) and self.said == self.stopped)

    def payload(self, value: dict[str, Any], span: Span, out: list[Event]) -> bool:
        """The events of one payload; False where it is of no model known here."""
        if "generation" in value:
            self._llama(value, span, out)
        elif "outputText" in value:
            self._titan(value, span, out)
        elif "outputs" in value:
            self._outputs(value["outputs"], span, out)
        elif "generations" in value:
            out += [Start(text(value["id"]), span=span)] if text(value.get("id")) else []
            self._outputs(value["generations"], span, out)
        elif "event_type" in value:
            self._cohere(value, span, out)
        elif "is_finished" in value:
            self._say(value.get("text"), value.get("finish_reason"), span, out, _choice_of(value, 0))
        else:
            return False
        return True

    def _say(self, said: Any, reason: Any, span: Span, out: list[Event], choice: int = 0) -> None:
        self.said.add(choice)
        if text(said):
            out.append(TextDelta(said, choice, span))
        if text(reason):
            self.stopped.add(choice)
            out.append(Finish(reason, choice, span))

    def _llama(self, value: dict[str, Any], span: Span, out: list[Event]) -> None:
        self._say(value["generation"], value.get("stop_reason"), span, out)
        usage(value.get("prompt_token_count"), value.get("generation_token_count"), "payload", span, out)

    def _titan(self, value: dict[str, Any], span: Span, out: list[Event]) -> None:
        made = value.get("totalOutputTextTokenCount")
        self._say(value["outputText"], value.get("completionReason"), span, out)
        usage(value.get("inputTextTokenCount"), made, "payload", span, out)
        # A guardrail that blocks gives one payload with the total and no completionReason.
        self.told = self.told or count(made) is not None

    def _outputs(self, outputs: Any, span: Span, out: list[Event]) -> None:
        """Mistral's text models (`outputs`), and Cohere Command without `stream` (`generations`, one or more)."""
        for position, output in enumerate(map(members, elements(outputs))):
            reason = output.get("stop_reason") or output.get("finish_reason")
            self._say(output.get("text"), reason, span, out, _choice_of(output, position))

    def _cohere(self, value: dict[str, Any], span: Span, out: list[Event]) -> None:
        """Cohere Command R and R+: the events of version 1 of Cohere's chat."""
        match value["event_type"]:
            case "stream-start":
                out.append(Start(text(value.get("generation_id")), span=span))
            case "text-generation":
                self._say(value.get("text"), None, span, out)
            case "tool-calls-generation":
                for call in map(members, elements(value.get("tool_calls"))):
                    arguments = to_json(call.get("parameters") or {})
                    out.append(ToolCallDelta(self.calls, "", text(call.get("name")), arguments, span=span))
                    self.calls += 1
            case "stream-end":
                self._say(None, value.get("finish_reason"), span, out)


def _choice_of(generation: dict[str, Any], position: int) -> int:
    """Cohere's `index` "Refers to the nth generation" (cohere 7.3.1, types/generate_stream_text.py)."""
    index = generation.get("index")
    return index if type(index) is int and index >= 0 else position


def usage(given: Any, made: Any, source: str, span: Span, out: list[Event]) -> None:
    """Token counts, where there are any."""
    if count(given) is not None or count(made) is not None:
        out.append(Usage(count(given), count(made), source, span=span))


def chat_chunk(value: dict[str, Any]) -> dict[str, Any]:
    """A payload with `choices` as a chat completion chunk, which AI21's, OpenAI's and Qwen's models send.

    Mistral's chat models send a message and a stop_reason in place of a delta and a finish_reason, DeepSeek-R1 a text.
    """
    choices = value.get("choices")
    if not isinstance(choices, list):
        return value
    return {**value, "choices": [_choice(c) if isinstance(c, dict) else c for c in choices]}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    delta = choice.get("delta", choice.get("message"))
    if delta is None and "text" in choice:
        delta = {"content": choice["text"]}
    reason = choice.get("finish_reason") or choice.get("stop_reason")
    return {**choice, "delta": delta, "finish_reason": reason}
