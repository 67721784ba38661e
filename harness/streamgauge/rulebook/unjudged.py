"""Server requirements of the catalogue that no rule judges today, each with what is missing for it."""

from __future__ import annotations

UNJUDGED: dict[str, str] = {
    "HTTP-010": "needs the coded bytes and the request's Accept-Encoding; an exchange holds the decoded body",
    "HTTP-017": "needs the same request over HTTP/2 beside the one over HTTP/1.1",
    "USE-012": "needs the reference tokenizer of the model that answered",
    "AGG-009": "is about a gateway: needs what its backend sent beside what it made of it",
    "CAN-001": "needs to see the server's slots after a disconnect: no endpoint of the dialect shows them",
    "CAN-002": "needs to see the server's work after a disconnect before the first token",
    "CAN-005": "needs the server's memory while a reader does not read",
    "CAN-007": "is about a gateway: needs to see its connection to the backend",
}
