"""An adapter of the Python standard library: chat completions over http.client, events by hand.

It speaks the protocol of docs/adapter-protocol.md; `streamgauge client -- python tests/adapters/python_stdlib.py`.
"""

from __future__ import annotations

import http.client
import json
import platform
import queue
import socket
import sys
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

HELLO = {
    "type": "adapter",
    "protocol": 1,
    "name": "python-stdlib",
    "version": platform.python_version(),
    "dialect": "openai-chat",
    "capabilities": ["sync", "usage", "tools", "reasoning", "refusal", "n", "finish", "errors"],
}


class RefusedError(Exception):
    """The server's status is not 200."""


class CutError(Exception):
    """The body ended before the answer did."""


def say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Stream:
    """One stream; `stop` may be called from another thread."""

    def __init__(self, asked: dict[str, Any]) -> None:
        url = urlsplit(asked["base_url"])
        self._asked = asked
        self._path = url.path + "/chat/completions"
        self._connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=asked["timeout"])
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        if (sock := self._connection.sock) is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        try:
            self._read()
        except Exception as error:
            if not self._stopped:
                timeout = isinstance(error, TimeoutError)
                say(type="raised", name=type(error).__name__, message=str(error), library=True, timeout=timeout)
                return
        finally:
            self._connection.close()
        say(type="done")

    def _read(self) -> None:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._asked['api_key']}"}
        self._connection.request("POST", self._path, json.dumps(self._asked["request"]), headers)
        response = self._connection.getresponse()
        if response.status != 200:
            raise RefusedError(f"status {response.status}: {response.read(1000).decode('utf-8', 'replace')}")
        for data in events(response):
            if data == "[DONE]":
                return
            tell(json.loads(data))
        raise CutError("the body ended without [DONE]")


def events(response: http.client.HTTPResponse) -> Any:
    """The data of each event, for lines that end in LF or CRLF (`readline` knows no others)."""
    data: list[str] = []
    while line := response.readline():
        text = line.decode("utf-8").rstrip("\r\n")
        if not text and data:
            yield "\n".join(data)
            data = []
        elif text.startswith("data:"):
            data.append(text[5:].removeprefix(" "))


def tell(chunk: dict[str, Any]) -> None:
    if error := chunk.get("error"):
        say(type="error", message=str(error.get("message")), code=str(error.get("code") or ""))
        return
    if chunk.get("id") or chunk.get("model"):
        say(type="start", id=chunk.get("id") or "", model=chunk.get("model") or "")
    for choice in chunk.get("choices") or ():
        number, delta = choice["index"], choice.get("delta") or {}
        kinds = {"content": "text", "reasoning_content": "reasoning", "reasoning": "reasoning", "refusal": "refusal"}
        for member, kind in kinds.items():
            if delta.get(member):
                say(type=kind, text=delta[member], choice=number)
        for call in delta.get("tool_calls") or ():
            function = call.get("function") or {}
            said = {"name": function.get("name") or "", "arguments": function.get("arguments") or ""}
            say(type="tool_call", index=call["index"], id=call.get("id") or "", choice=number, **said)
        if choice.get("finish_reason"):
            say(type="finish", reason=choice["finish_reason"], choice=number)
    if usage := chunk.get("usage"):
        say(type="usage", input_tokens=usage["prompt_tokens"], output_tokens=usage["completion_tokens"])


def main() -> None:
    say(**HELLO)
    lines: queue.SimpleQueue[Stream | None] = queue.SimpleQueue()
    current: list[Stream] = []

    def listen() -> None:
        for line in sys.stdin:
            asked = json.loads(line)
            if asked["type"] == "stream":
                current[:] = [Stream(asked)]
                lines.put(current[0])
            elif asked["type"] == "stop" and current:
                current[0].stop()
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    while (stream := lines.get()) is not None:
        stream.run()


if __name__ == "__main__":
    main()
