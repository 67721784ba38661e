"""Findings of gateways: what LiteLLM makes of one API's right answer where it is asked in another's words.

The proxy's routes call the same functions as the reproducers, which need no proxy. A reproducer prints the stream, with
ids that are the same each time, and `streamgauge check -` judges what it prints.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVER = """class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200), self.send_header("Content-Type", "application/x-ndjson"), self.end_headers()
        self.wfile.write(BODY)
    log_message = lambda *_: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
"""
OLLAMA_END = (
    b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,'
    b'"done_reason":"stop","prompt_eval_count":9,"eval_count":9}\n'
)


def _ollama(message: bytes) -> bytes:
    return (
        b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant",%b},"done":false}\n' % message
    )


TEXTS = _ollama(b'"content":"Hel"') + _ollama(b'"content":"lo"') + OLLAMA_END


@dataclass(frozen=True, slots=True)
class GatewayDefect:
    """`call` prints the stream that the gateway makes of `body`, Ollama's answer; what has `lacks` in it shows it."""

    rule: str
    dialect: str
    slug: str
    title: str
    severity: str
    happens: str
    matters: str
    expected: str
    imports: str
    body: bytes
    call: str
    source: str
    lacks: str

    @property
    def program(self) -> str:
        return f"import http.server, threading, {self.imports}\nBODY = {self.body!r}\n{SERVER}{self.call}"


PROJECT = "litellm"
HOME = "https://github.com/BerriAI/litellm"
DISTRIBUTION = "litellm"

GATEWAY_DEFECTS = (
    GatewayDefect(
        "OAC-012",
        "openai-chat",
        "ollama-chunks-have-an-id-each",
        "each chunk of an answer of Ollama's has another id",
        "low: who groups chunks by their id, as a log or a proxy behind it does, sees as many answers as chunks",
        "Ollama's objects have no id. Each chunk that is made of one gets an id of its own.",
        "The id is what says that chunks are of one answer.",
        "the same id on each line",
        "litellm",
        TEXTS,
        """ids = []
asked = dict(stream=True, messages=[{"role": "user", "content": "?"}])
for chunk in litellm.completion(model="ollama_chat/m", api_base=url, **asked):
    ids.append(chunk.id) if chunk.id not in ids else None
    chunk.id, chunk.created = f"id-{ids.index(chunk.id)}", 1
    print(f"data: {chunk.model_dump_json(exclude_none=True)}\\n")
""",
        "OpenAI API reference, The chat completion chunk object "
        "(https://platform.openai.com/docs/api-reference/chat-streaming): "
        '"A unique identifier for the chat completion. Each chunk has the same ID."',
        "id-1",
    ),
)
