import http.server, threading
import boto3
BODY = b'\x00\x00\x00v\x00\x00\x00R\x96\xd5\xfa\xde\x0b:event-type\x07\x00\x0cmessageStart\r:content-type\x07\x00\x10application/json\r:message-type\x07\x00\x05event{"role":"assistant"}o\xa8\xc5\x99\x00\x00\x00\x95\x00\x00\x00W\x89\xcb\xb3^\x0b:event-type\x07\x00\x11contentBlockDelta\r:content-type\x07\x00\x10application/json\r:message-type\x07\x00\x05event{"contentBlockIndex":0,"delta":{"text":"Hel"}}d\x13\xa7v\x00\x00\x00\x94\x00\x00\x00W\xb4\xab\x9a\xee\x0b:event-type\x07\x00\x11contentBlockDelta\r:content-type\x07\x00\x10application/json\r:message-type\x07\x00\x05event{"contentBlockIndex":0,"delta'
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200), self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.send_header("Content-Length", len(BODY)), self.end_headers()
        self.wfile.write(BODY)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x")
for event in client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])["stream"]:
    print(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""), end="")
print("\nno error")
