"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

STREAMING = "Anthropic docs, Streaming messages (https://platform.claude.com/docs/en/build-with-claude/streaming)"
TYPES = "Anthropic's API specification as generated in anthropic 2.12.0, types"
STOPPING = (
    "Anthropic docs, Handling stop reasons "
    "(https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons)"
)
ERRORS = "Anthropic docs, Errors (https://platform.claude.com/docs/en/api/errors)"
PRACTICE = "de facto: what Anthropic's service does and its SDKs rely on"
