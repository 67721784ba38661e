"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

EVENTS = (
    "OpenAI API reference, Responses streaming events "
    "(https://platform.openai.com/docs/api-reference/responses-streaming); openai/openai-openapi openapi.yaml "
    "ResponseStreamEvent; read as generated in openai 3.54.0, types/responses"
)
OPEN = "Open Responses specification, 2026-04-24 (https://www.openresponses.org/specification)"
OPEN_SCHEMA = "Open Responses schema, 2026-04-24 (openresponses/openresponses, schema/events.tsp and items.tsp)"
ONLY_OPEN = (
    "OpenAI's own reference does not say it, so that it counts as non-strict where Open Responses was not promised"
)
