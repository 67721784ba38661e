import http.server, threading, litellm
BODY = b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Hel"},"done":false}\n{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"lo"},"done":false}\n{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":9}\n'
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200), self.send_header("Content-Type", "application/x-ndjson"), self.end_headers()
        self.wfile.write(BODY)
    log_message = lambda *_: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
ids = []
asked = dict(stream=True, messages=[{"role": "user", "content": "?"}])
for chunk in litellm.completion(model="ollama_chat/m", api_base=url, **asked):
    ids.append(chunk.id) if chunk.id not in ids else None
    chunk.id, chunk.created = f"id-{ids.index(chunk.id)}", 1
    print(f"data: {chunk.model_dump_json(exclude_none=True)}\n")
