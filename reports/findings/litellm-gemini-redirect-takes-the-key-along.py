import http.server, threading
import litellm
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
for chunk in litellm.completion("gemini/m", [{"role": "user", "content": "hi"}], stream=True, api_base=url, api_key="x", num_retries=0):
    print(chunk.choices[0].delta.content or f"[{chunk.choices[0].finish_reason}]", end="")
print("\nno error")
