"""AWS's Python library for Bedrock (https://docs.aws.amazon.com/boto3/, "converse_stream"); it has no async path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

from streamgauge.chat import ChatRequest
from streamgauge.dialects.bedrock.encoder import encode_request
from streamgauge.errors import StreamgaugeError
from streamgauge.events import Event, Finish, ReasoningDelta, TextDelta, ToolCallDelta, Usage
from streamgauge.provider import Connection, ProviderSpec
from streamgauge.wire import count
from streamgauge_providers._streams import walk

REGION = "us-east-1"


class BedrockProvider:
    """`converse_stream` of a `bedrock-runtime` client, with the library's retries turned off.

    The key is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`; for a server that is not AWS's, which checks none, anything will do.
    """

    def __init__(self, connection: Connection) -> None:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=connection.timeout,
            read_timeout=connection.timeout,
        )
        access, _, secret = connection.api_key.partition(":")
        session = boto3.session.Session(
            aws_access_key_id=access or "none", aws_secret_access_key=secret or "none", region_name=REGION
        )
        self._client = session.client("bedrock-runtime", endpoint_url=connection.base_url, config=config)

    def stream(self, request: ChatRequest) -> Iterator[Event]:
        body = encode_request(request).body
        return walk(
            lambda: closing(self._client.converse_stream(modelId=request.model, **body)["stream"]), _Reader().read
        )

    def astream(self, _request: ChatRequest) -> AsyncIterator[Event]:
        raise StreamgaugeError("boto3 has no async path")

    def close(self) -> None:
        self._client.close()

    async def aclose(self) -> None:
        self._client.close()


class _Reader:
    """Reads the events of one stream, in order: dicts with one member, which names the event."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}

    def read(self, event: dict[str, Any]) -> Iterator[Event]:
        if "contentBlockStart" in event:
            yield from self._start(event["contentBlockStart"])
        elif "contentBlockDelta" in event:
            yield from self._delta(event["contentBlockDelta"])
        elif "messageStop" in event:
            yield Finish(event["messageStop"]["stopReason"])
        elif "metadata" in event:
            usage = event["metadata"]["usage"]
            yield Usage(count(usage["inputTokens"]), count(usage["outputTokens"]), "metadata.usage")

    def _start(self, block: dict[str, Any]) -> Iterator[Event]:
        if tool := block["start"].get("toolUse"):
            number = self._calls.setdefault(block["contentBlockIndex"], len(self._calls))
            server = tool.get("type") == "server_tool_use"
            yield ToolCallDelta(number, tool["toolUseId"], tool["name"], server=server)

    def _delta(self, block: dict[str, Any]) -> Iterator[Event]:
        delta = block["delta"]
        if said := delta.get("text"):
            yield TextDelta(said)
        if thought := delta.get("reasoningContent", {}).get("text"):
            yield ReasoningDelta(thought)
        if "toolUse" in delta:
            number = self._calls.setdefault(block["contentBlockIndex"], len(self._calls))
            yield ToolCallDelta(number, arguments=delta["toolUse"]["input"])


PROVIDERS = (
    ProviderSpec(
        name="boto3",
        title="boto3, bedrock-runtime converse_stream",
        dialect="bedrock-converse",
        capabilities=frozenset(("sync", "usage", "tools", "reasoning", "finish", "errors")),
        connect=BedrockProvider,
        requires=("boto3",),
        extra="bedrock",
        modules=("boto3", "botocore"),
        not_for=("invoke",),  # InvokeModelWithResponseStream is another call
    ),
)
