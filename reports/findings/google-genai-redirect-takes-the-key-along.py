import http.server, threading
from google import genai
BODY = b'data: {"candidates":[{"content":{"parts":[{"text":"lo"}],"role":"model"},"finishReason":"STOP"}]}\n\n'
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Host"].startswith("127."):
            return self.wfile.write(f"HTTP/1.1 307 \r\nContent-Length: 0\r\nLocation: http://localhost:{server.server_port}{self.path}\r\n\r\n".encode())
        print("localhost got x-goog-api-key:", self.headers["x-goog-api-key"]), self.send_response(200), self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = genai.Client(api_key="x", http_options={"base_url": url, "api_version": "v1beta"})
for chunk in client.models.generate_content_stream(model="m", contents="hi"):
    print(chunk.text or "", end="")
print("\nno error")
