import http.server, threading
from mistralai.client import Mistral
BODY = b''
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503), self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = Mistral(server_url=url, api_key="x")
for event in client.chat.stream(model="m", messages=[{"role": "user", "content": "hi"}]):
    print(event.data.choices[0].delta.content or "", end="")
print("\nno error")
