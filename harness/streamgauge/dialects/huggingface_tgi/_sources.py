"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

OPENAPI = (
    "Text Generation Inference API, docs/openapi.json of huggingface/text-generation-inference, 2.4.1 "
    "(https://huggingface.github.io/text-generation-inference)"
)
TYPES = "Hugging Face's text_generation 0.7.0, types.py"
STREAMING = (
    "Text Generation Inference docs, Streaming (https://huggingface.co/docs/text-generation-inference/"
    "conceptual/streaming)"
)
ROUTER = "de facto: what TGI's router does (router/src/server.rs, generate_stream_internal)"
