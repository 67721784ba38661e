import http.server, threading
import ollama
BODY = b'{"model":"m","message":{"role":"assistant","content":"Hel"},"done":false}\n'
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200), self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
for part in ollama.Client(host=url).chat(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
    print(part.message.content or "", end="")
print("\nno error")
