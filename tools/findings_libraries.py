"""How a user calls each library that `tools/findings.py` has a page on, and what its vendor says ends a stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Library:
    """`call` prints the text as it comes; `url` is the server's address. `distribution` is what pip installs.

    ends: what the vendor's or the library's own documentation says ends a stream, quoted, with its place.
    asks_for_models: it does so before the first stream. subject: the matrix's name for it, where that is another.
    """

    project: str
    home: str
    distribution: str
    dialect: str
    imports: str
    call: str
    ends: str = ""
    asks_for_models: bool = False
    subject: str = ""


HI = '[{"role": "user", "content": "hi"}]'
CHAT_LOOP = f"""for chunk in client.chat.completions.create(model="m", messages={HI}, stream=True):
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")"""
EVENT_LOOP = """:
        if event.data != "[DONE]":
            print(json.loads(event.data)["choices"][0]["delta"].get("content") or "", end="")"""
OPENAI = 'client = openai.OpenAI(base_url=url + "/v1", api_key="x", max_retries=0)\n'
DONE = '"with the stream terminated by a `data: [DONE]` message" (docstring of `stream` in the library itself'
OPENAI_HOME = "https://github.com/openai/openai-python"
LITELLM_HOME = "https://github.com/BerriAI/litellm"
G4F_HOME = "https://github.com/xtekky/gpt4free"
G4F = 'provider = g4f.client.factory.create_custom_provider(url + "/v1", api_key="x")\n'
G4F_LOOP = CHAT_LOOP.replace("client", "g4f.client.Client(provider=provider)", 1)

LIBRARIES = {
    "openai": Library("openai-python", OPENAI_HOME, "openai", "openai-chat", "import openai", OPENAI + CHAT_LOOP),
    "openai-helper": Library(
        "openai-python",
        OPENAI_HOME,
        "openai",
        "openai-chat",
        "import openai",
        f"""{OPENAI}with client.chat.completions.stream(model="m", messages={HI}) as stream:
    print(stream.get_final_completion().choices[0].message.content)""",
        f'{DONE}); `get_final_completion()`: "Waits until the stream has been read to completion". The library\'s own '
        'helper for Responses raises in the same place: "Didn\'t receive a `response.completed` event."',
    ),
    "openai-helper-calls": Library(
        "openai-python",
        OPENAI_HOME,
        "openai",
        "openai-chat",
        "import openai",
        f"""{OPENAI}with client.chat.completions.stream(model="m", messages={HI}) as stream:
    for call in stream.get_final_completion().choices[0].message.tool_calls:
        print(call.id, call.function.name, call.function.arguments)""",
        subject="openai-helper",
    ),
    "groq": Library(
        "groq-python",
        "https://github.com/groq/groq-python",
        "groq",
        "openai-chat",
        "import groq",
        f'client = groq.Groq(base_url=url, api_key="x", max_retries=0)\n{CHAT_LOOP}',
        f"{DONE})",
    ),
    "g4f": Library(
        "gpt4free",
        G4F_HOME,
        "g4f",
        "openai-chat",
        "import g4f.client.factory",
        G4F + G4F_LOOP,
        'OpenAI API reference, `stream`: "with the stream terminated by a `data: [DONE]` message"',
        asks_for_models=True,
    ),
    "g4f-calls": Library(
        "gpt4free",
        G4F_HOME,
        "g4f",
        "openai-chat",
        "import g4f.client.factory",
        G4F
        + G4F_LOOP.partition("\n")[0]
        + """
    print(chunk.choices[0].delta.tool_calls or "")""",
        asks_for_models=True,
        subject="g4f",
    ),
    "huggingface-hub": Library(
        "huggingface_hub",
        "https://github.com/huggingface/huggingface_hub",
        "huggingface_hub",
        "openai-chat",
        "from huggingface_hub import InferenceClient",
        f"""client = InferenceClient(base_url=url + "/v1", api_key="x")
for chunk in client.chat_completion({HI}, stream=True):
    print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")""",
        'OpenAI API reference, `stream`: "with the stream terminated by a `data: [DONE]` message"; the client calls '
        "itself compatible with it (`InferenceClient.chat.completions`) and looks for that terminator",
    ),
    "mistralai": Library(
        "mistralai (client-python)",
        "https://github.com/mistralai/client-python",
        "mistralai",
        "openai-chat",
        "from mistralai.client import Mistral",
        f"""client = Mistral(server_url=url, api_key="x")
for event in client.chat.stream(model="m", messages={HI}):
    print(event.data.choices[0].delta.content or "", end="")""",
        '"with the stream terminated by a data: [DONE] message" (docstring of `stream` in the library itself)',
    ),
    "httpx-sse": Library(
        "httpx-sse",
        "https://github.com/florimondmanca/httpx-sse",
        "httpx-sse",
        "openai-chat",
        "import httpx, httpx_sse, json",
        'with httpx.Client() as client, httpx_sse.connect_sse(client, "POST", url, json={}) as source:\n'
        f"    for event in source.iter_sse(){EVENT_LOOP}",
    ),
    "sseclient-py": Library(
        "sseclient-py",
        "https://github.com/mpetazzoni/sseclient",
        "sseclient-py",
        "openai-chat",
        "import json, sseclient, urllib.request",
        """with urllib.request.urlopen(url, b"{}") as response:
    for event in sseclient.SSEClient(response).events()"""
        + EVENT_LOOP,
    ),
    "requests": Library(
        "requests (and whatever else reads by http.client)",
        "https://github.com/psf/requests",
        "requests",
        "openai-chat",
        "import requests",
        "response = requests.post(url, json={})\nprint(response.status_code, response.text)",
        subject="sseclient-py",
    ),
    "anthropic": Library(
        "anthropic-sdk-python",
        "https://github.com/anthropics/anthropic-sdk-python",
        "anthropic",
        "anthropic-messages",
        "import anthropic",
        f"""client = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
for e in client.messages.create(model="m", max_tokens=9, messages={HI}, stream=True):
    print(e.delta.text if e.type == "content_block_delta" else "", end="")""",
    ),
    "anthropic-helper": Library(
        "anthropic-sdk-python",
        "https://github.com/anthropics/anthropic-sdk-python",
        "anthropic",
        "anthropic-messages",
        "import anthropic",
        f"""client = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
with client.messages.stream(model="m", max_tokens=9, messages={HI}) as stream:
    print(stream.get_final_message().content[0].text)""",
        'Anthropic docs, Streaming messages, event types: "A final `message_stop` event." '
        '(https://docs.anthropic.com/en/api/messages-streaming#event-types); `get_final_message()`: "Waits until the '
        'stream has been read to completion"',
    ),
    "google-genai": Library(
        "google-genai",
        "https://github.com/googleapis/python-genai",
        "google-genai",
        "gemini-generate",
        "from google import genai",
        """client = genai.Client(api_key="x", http_options={"base_url": url, "api_version": "v1beta"})
for chunk in client.models.generate_content_stream(model="m", contents="hi"):
    print(chunk.text or "", end="")""",
        '`finishReason`: "If empty, the model has not stopped generating the tokens." (docstring of `Candidate` in the '
        "library itself)",
    ),
    "ollama": Library(
        "ollama-python",
        "https://github.com/ollama/ollama-python",
        "ollama",
        "ollama-chat",
        "import ollama",
        f"""for part in ollama.Client(host=url).chat(model="m", messages={HI}, stream=True):
    print(part.message.content or "", end="")""",
        "Ollama docs, Generate a chat message: the final object of the stream has `done: true` "
        "(https://docs.ollama.com/api/chat)",
    ),
    "cohere": Library(
        "cohere-python",
        "https://github.com/cohere-ai/cohere-python",
        "cohere",
        "cohere-chat",
        "import cohere",
        f"""client = cohere.ClientV2(base_url=url, api_key="x")
for event in client.chat_stream(model="m", messages={HI}):
    print(event.delta.message.content.text if event.type == "content-delta" else "", end="")""",
        "Cohere docs, Streaming: message-end is the last event of a stream (https://docs.cohere.com/v2/docs/streaming)",
    ),
    "boto3": Library(
        "boto3 (botocore)",
        "https://github.com/boto/botocore",
        "boto3",
        "bedrock-converse",
        "import boto3",
        """client = boto3.client("bedrock-runtime", "us-east-1", endpoint_url=url, aws_access_key_id="x", \
aws_secret_access_key="x")
for event in client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])["stream"]:
    print(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""), end="")""",
    ),
    "litellm-gemini": Library(
        "litellm",
        LITELLM_HOME,
        "litellm",
        "gemini-generate",
        "import litellm",
        f"""for chunk in litellm.completion("gemini/m", {HI}, stream=True, api_base=url, api_key="x", num_retries=0):
    print(chunk.choices[0].delta.content or f"[{{chunk.choices[0].finish_reason}}]", end="")""",
        'Gemini API reference, `finishReason`: "If empty, the model has not stopped generating tokens." '
        "(https://ai.google.dev/api/generate-content#candidate). Towards OpenAI, Anthropic and Ollama the same release "
        'raises: "Stream ended before a finish_reason was received"',
    ),
    "litellm-anthropic": Library(
        "litellm",
        LITELLM_HOME,
        "litellm",
        "anthropic-messages",
        "import litellm; litellm.suppress_debug_info = True",
        f"""for chunk in litellm.completion("anthropic/m", {HI}, stream=True, api_base=url, api_key="x", num_retries=0):
    print(chunk.choices[0].delta.content or f"[{{chunk.choices[0].finish_reason}}]", end="")""",
        subject="litellm-anthropic",
    ),
    "litellm-openai": Library(
        "litellm",
        LITELLM_HOME,
        "litellm",
        "openai-chat",
        "import litellm",
        f"""for chunk in litellm.completion("openai/m", {HI}, n=2, stream=True, api_base=url, api_key="x"):
    print([(c.index, c.delta.content, c.finish_reason) for c in chunk.choices])""",
        subject="litellm-openai",
    ),
}
"""By what their pages are called; most are called as the provider of the matrix is."""
