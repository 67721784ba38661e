"""Requirements of the catalogue that no rule judges today, each with what is missing for it."""

from __future__ import annotations

UNJUDGED: dict[str, str] = {
    "USE-012": "needs the reference tokenizer of the model that answered",
    "AGG-009": "is about a gateway: needs what its backend sent beside what it made of it",
    "CAN-001": "needs to see the server's slots after a disconnect: no endpoint of the dialect shows them, and a "
    "server that has another slot free answers the next request as promptly",
    "CAN-002": "needs to see the server's work after a disconnect before the first token, as CAN-001 does",
    "CAN-005": "needs the server's memory while a reader does not read",
    "CAN-006": "needs the memory of one client, measured apart from the harness that runs in the same process",
    "CAN-007": "is about a gateway: needs to see its connection to the backend",
    "SSE-015": "needs a client that shows the event's name: where a dialect names its events the data says the type "
    "too, and a client may go by either",
    "SSE-018": "needs a client that reconnects, or shows the reconnection time: an answer is never resumed",
    "OAC-026": "needs logprobs in what a provider hands out: no event carries them",
    "TIM-007": "is about this harness and not about a subject: tests/test_recorder.py and tests/test_server_play.py "
    "hold recording and replay to it",
}
