"""Server rules of Text Generation Inference."""
