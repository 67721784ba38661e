import http.server, threading
from huggingface_hub import InferenceClient
BODY = b'data:{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}]}\n\ndata:{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}\n\ndata:{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata:[DONE]\n\n'
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
client = InferenceClient(base_url=url + "/v1", api_key="x")
for chunk in client.chat_completion([{"role": "user", "content": "hi"}], stream=True):
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")
print("\nno error")
