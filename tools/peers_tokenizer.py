"""A tokenizer folder without a model hub: the tiny model's vocabulary in the form that `transformers` loads.

    python tools/peers_tokenizer.py FOLDER

Benchmarks that count tokens themselves want one. Each word of the peers' answer is one token of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from peers_server import WORDS
from tiny_model import END, MARKERS, MESSAGE, PAIRS, START, TEMPLATE, vocabulary


def write(folder: Path) -> Path:
    """Write tokenizer.json, its configuration and a model configuration; return the folder."""
    tokens, plain = vocabulary()
    ids = {token: number for number, token in enumerate(tokens)}
    added = [_added(ids[token], token, special=token not in MARKERS) for token in tokens[plain:]]
    words = {word.replace(" ", "Ġ"): word for word in WORDS}
    added += [_added(ids[spelled], word, special=False) for spelled, word in words.items()]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "vocab": ids, "merges": [[*pair] for pair in PAIRS]}
    whole = {
        "version": "1.0",
        "added_tokens": sorted(added, key=lambda token: token["id"]),
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": model,
    }
    names = {"bos_token": START, "eos_token": END, "pad_token": START, "unk_token": START}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 4096, "chat_template": TEMPLATE}
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "tokenizer.json": whole,
        "tokenizer_config.json": {**names, **settings, "additional_special_tokens": [MESSAGE]},
        "config.json": {"model_type": "llama", "vocab_size": len(tokens), "max_position_embeddings": 4096},
    }.items():
        (folder / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return folder


def _added(number: int, text: str, *, special: bool) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": text, **flags, "special": special}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/peers_tokenizer.py FOLDER")
    print(write(Path(sys.argv[1])))
