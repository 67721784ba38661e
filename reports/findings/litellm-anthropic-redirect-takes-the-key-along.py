import http.server, threading
import litellm; litellm.suppress_debug_info = True
BODY = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\nevent: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}\n\nevent: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Host"].startswith("127."):
            return self.wfile.write(f"HTTP/1.1 307 \r\nContent-Length: 0\r\nLocation: http://localhost:{server.server_port}{self.path}\r\n\r\n".encode())
        print("localhost got x-api-key:", self.headers["x-api-key"]), self.send_response(200), self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
for chunk in litellm.completion("anthropic/m", [{"role": "user", "content": "hi"}], stream=True, api_base=url, api_key="x", num_retries=0):
    print(chunk.choices[0].delta.content or f"[{chunk.choices[0].finish_reason}]", end="")
print("\nno error")
