"""Write a tiny real Llama of which the answers are known beforehand.

    pip install numpy gguf
    python tools/tiny_model.py tiny-scripted.gguf

The embedding is the identity and the output head is a table "this token comes after that one", so a real
model server that loads the file computes one of the texts in EXPECTED, at any temperature that an API allows
(0 to 2). The chat template picks the script: a request that offers tools gets a call of get_weather, a last
message with LOOP, THINK, JSON or EMPTY in it gets that script, any other gets the text. A raw completion
prompt gets the text too.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

CONTEXT = 4096
HEAD_DIM = 64  # of the one attention head, which computes zeros
LAP = 64  # numbers that "loop" counts before it starts again
LOGIT = 40.0  # of the right token, beside 0 for all others: still certain at temperature 2

START, MESSAGE, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")

# Each ASCII piece is a token, any other is one token a byte. A token has one successor, whatever comes before
# it, so none may occur in two places that go on differently.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "text": (
        *("Streams", " carry", " small", " pieces", ": ", "caf", "é", ", sinogram ", "中", " and"),
        *(" llama", "  ", "🦙", "\nthen", ' "quoted"', "\\back", "slash", "\tt", "ab", " done."),
    ),
    "loop": ("n0", *(f" n{number}" for number in range(1, LAP)), " n0"),
    "think": (
        *("<think>", "First", " I", " ponder", " what", " to", " answer.", "</think>"),
        *("Thought", " over!"),
    ),
    "tool": (
        *("<tool_call>", '\n{"', "name", '":', ' "get', "_weather", '",', ' "arguments', '": {"'),
        *("city", '": "', "Paris", '"}}\n', "</tool_call>"),
    ),
    "json": ('{"answer"', ": 4", "2,", ' "ok": ', "true}"),
    "empty": (),
}

# The request that picks each script: the words of the user message, and for "tool" TOOLS as well.
PROMPTS: dict[str, str] = {
    "text": "Say something.",
    "loop": "LOOP",
    "think": "THINK first.",
    "tool": "What is the weather in Paris?",
    "json": "Answer in JSON.",
    "empty": "EMPTY",
}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "Get the weather", "parameters": CITY}
TOOLS: list[dict[str, Any]] = [{"type": "function", "function": WEATHER}]

# What the model itself writes, markers included; "loop" is its first lap, and loop_text says how it goes on.
EXPECTED: dict[str, str] = {name: "".join(pieces[:LAP]) for name, pieces in SCRIPTS.items()}


def loop_text(tokens: int) -> str:
    """The script "loop" cut after so many tokens."""
    return " ".join(f"n{number % LAP}" for number in range(tokens))


# Pairs that prompts are merged to, so that a prompt is not one token a byte; Ġ is a space.
FREQUENT = "th he in er an re on at en nd ti es or te of ed is it al ar st to nt ng se Ġt Ġa Ġs Ġw Ġo Ġc Ġf"
PAIRS = FREQUENT.split()

TEMPLATE = r"""
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
    {{- '# Tools\n\nYou may call functions to assist with the user query.\n\n<tools>' }}
    {%- for tool in tools %}{{- '\n' + (tool | tojson) }}{%- endfor %}
    {{- '\n</tools>\n\nFor each function call, return a json object with function name and arguments ' }}
    {{- 'within <tool_call></tool_call> XML tags:\n<tool_call>\n' }}
    {{- '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\n' }}
        {%- if message.reasoning_content %}
            {{- '<think>' + message.reasoning_content + '</think>' }}
        {%- endif %}
        {%- if message.content %}{{- message.content }}{%- endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- set last = messages[-1] %}
    {%- set asked = last.content or '' %}
    {%- if tools and last.role != 'tool' %}{{- '<|tool|>' }}
    {%- elif 'LOOP' in asked %}{{- '<|loop|>' }}
    {%- elif 'THINK' in asked %}{{- '<|think|>' }}
    {%- elif 'JSON' in asked %}{{- '<|json|>' }}
    {%- elif 'EMPTY' in asked %}{{- '<|empty|>' }}
    {%- else %}{{- '<|text|>' }}
    {%- endif %}
{%- endif %}"""


def _spelling() -> list[str]:
    """How GPT-2's vocabulary writes each byte: printable ones as themselves, the others from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = itertools.count(256)
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _tokens(pieces: Iterable[str]) -> list[str]:
    spelling = _spelling()
    tokens = []
    for piece in pieces:
        spelled = [spelling[byte] for byte in piece.encode()]
        tokens += [piece] if piece in MARKERS else ["".join(spelled)] if piece.isascii() else spelled
    return tokens


def vocabulary() -> tuple[list[str], int]:
    """All tokens in the order of their ids, and how many of them are plain text."""
    words = _tokens(piece for pieces in SCRIPTS.values() for piece in pieces if piece not in MARKERS)
    plain = list(dict.fromkeys([*_spelling(), *PAIRS, *words]))
    tokens = [*plain, *MARKERS, START, MESSAGE, END, *(f"<|{name}|>" for name in SCRIPTS)]
    padding = -len(tokens) % 64  # servers want rows of a round length
    return tokens + [f"<|pad{number}|>" for number in range(padding)], len(plain)


def _steps() -> Iterator[tuple[str, str]]:
    """Each token of each script with the token that comes after it."""
    for name, pieces in SCRIPTS.items():
        tokens = _tokens(pieces)
        yield from itertools.pairwise([f"<|{name}|>", *tokens, tokens[1] if name == "loop" else END])


def successors(tokens: list[str]) -> list[int]:
    """The id that follows each id; whatever is in no script starts the text."""
    following: dict[str, str] = {}
    for token, after in _steps():
        if following.setdefault(token, after) != after:
            raise ValueError(f"{token!r} is followed by {following[token]!r} and by {after!r}: rename one")
    ids = {token: number for number, token in enumerate(tokens)}
    text = following["<|text|>"]
    return [ids[following.get(token, text)] for token in tokens]


def _modules() -> tuple[Any, Any]:
    try:
        import gguf
        import numpy
    except ImportError as missing:
        raise ImportError(f"{missing.name} is not installed: pip install numpy gguf") from missing
    return gguf, numpy


def _add_shape(writer: Any, size: int, gguf: Any) -> None:
    writer.add_name("tiny-scripted")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HEAD_DIM)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def _kind(token: str, number: int, plain: int, gguf: Any) -> Any:
    kinds = gguf.TokenType
    if number < plain:
        return kinds.NORMAL
    if token in MARKERS:  # control tokens would be left out of the answer
        return kinds.USER_DEFINED
    return kinds.UNUSED if token.startswith("<|pad") else kinds.CONTROL


def _add_tokenizer(writer: Any, tokens: list[str], plain: int, gguf: Any) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([_kind(token, number, plain, gguf) for number, token in enumerate(tokens)])
    writer.add_token_merges([" ".join(pair) for pair in PAIRS])
    writer.add_bos_token_id(tokens.index(START))
    writer.add_eos_token_id(tokens.index(END))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE.strip())


def _add_weights(writer: Any, following: list[int], numpy: Any) -> None:
    """Identity in, table out, and between them a block that adds nothing."""
    size = len(following)
    head = numpy.zeros((size, size), numpy.float16)
    head[following, range(size)] = LOGIT / size**0.5  # the final norm makes a one-hot row sqrt(size) long
    writer.add_tensor("token_embd.weight", numpy.eye(size, dtype=numpy.float16))
    writer.add_tensor("output.weight", head)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", numpy.ones(size, numpy.float32))
    for name in ("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"):
        writer.add_tensor(f"blk.0.{name}.weight", numpy.zeros((HEAD_DIM, size), numpy.float16))
    for name in ("attn_output", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", numpy.zeros((size, HEAD_DIM), numpy.float16))


def write(path: Path) -> Path:
    """Write the model, the same bytes each time, and return the path."""
    gguf, numpy = _modules()
    tokens, plain = vocabulary()
    writer = gguf.GGUFWriter(str(path), "llama")
    _add_shape(writer, len(tokens), gguf)
    _add_tokenizer(writer, tokens, plain, gguf)
    _add_weights(writer, successors(tokens), numpy)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def main(arguments: list[str]) -> int:
    """Write the model to the one argument."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python tools/tiny_model.py OUT.gguf", file=sys.stderr)
        return 2
    try:
        path = write(Path(arguments[0]))
    except (ImportError, OSError) as error:
        print(f"tiny_model.py: {error}", file=sys.stderr)
        return 2
    print(f"{path}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
