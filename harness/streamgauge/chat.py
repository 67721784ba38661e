"""What is asked of a provider, whatever its dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn; `tool_call_id` names the call that a tool turn answers."""

    role: Role
    content: str
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request; None leaves the choice to the backend.

    `extra` holds members of the wire request that have no field here, in the dialect's own spelling.
    """

    messages: tuple[ChatMessage, ...]
    model: str = "gpt-4"
    stream: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    tools: tuple[Tool, ...] = ()
    include_usage: bool = True
    logprobs: bool = False
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, prompt: str, *, model: str = "gpt-4") -> ChatRequest:
        """The plainest request: one user turn."""
        return cls(messages=(ChatMessage("user", prompt),), model=model)
