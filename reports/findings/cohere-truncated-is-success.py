import http.server, threading
import cohere
BODY = b'event: message-start\ndata: {"type":"message-start","id":"x","delta":{"message":{"role":"assistant"}}}\n\nevent: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Hel"}}}}\n\n'
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200), self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = cohere.ClientV2(base_url=url, api_key="x")
for event in client.chat_stream(model="m", messages=[{"role": "user", "content": "hi"}]):
    print(event.delta.message.content.text if event.type == "content-delta" else "", end="")
print("\nno error")
