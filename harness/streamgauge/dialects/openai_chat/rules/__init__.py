"""The server rules of Chat Completions, one module a subject; all are found by looking."""
