import http.server, threading
import requests
BODY = b'hello'
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(b'HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n')
        self.send_response(200), self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
response = requests.post(url, json={})
print(response.status_code, response.text)
print("\nno error")
