"""Requirements of the catalogue that no rule judges today, each with what is missing for it."""

from __future__ import annotations

UNJUDGED: dict[str, str] = {
    "HTTP-010": "needs the coded bytes and the request's Accept-Encoding; an exchange holds the decoded body",
    "HTTP-017": "needs the same request over HTTP/2 beside the one over HTTP/1.1; HTTP-042 judges clients",
    "USE-012": "needs the reference tokenizer of the model that answered",
    "AGG-009": "is about a gateway: needs what its backend sent beside what it made of it",
    "CAN-001": "needs to see the server's slots after a disconnect: no endpoint of the dialect shows them",
    "CAN-002": "needs to see the server's work after a disconnect before the first token",
    "CAN-005": "needs the server's memory while a reader does not read",
    "CAN-007": "is about a gateway: needs to see its connection to the backend",
    "SSE-015": "needs a client that shows event types: chat completions have none, so that no chat client does",
    "SSE-018": "needs a client that reconnects, or shows the reconnection time: an answer is never resumed",
    "OAC-026": "needs logprobs in what a provider hands out: no event carries them",
    "CAN-006": "needs the memory of one client, measured apart from the harness that runs in the same process",
}
