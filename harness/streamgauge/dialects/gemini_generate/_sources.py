"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

METHOD = (
    "Gemini API reference, models.streamGenerateContent "
    "(https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent)"
)
RESPONSE = (
    "Gemini API reference, GenerateContentResponse "
    "(https://ai.google.dev/api/generate-content#generatecontentresponse); read as generated in google-genai 3.4.0, "
    "types.py"
)
PROTO = (
    "googleapis/googleapis, google/ai/generativelanguage/v1beta (generative_service.proto, content.proto), which the "
    "Gemini API reference is made of"
)
REASONS = (
    "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE",
    "IMAGE_RECITATION", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE", "ESCALATION", "PUP_LIMITED_DISABLED", "CONTINUATION", "MODEL_ARMOR",
)  # fmt: skip
"""Candidate.FinishReason, without FINISH_REASON_UNSPECIFIED, which is documented as unused."""
MEMBERS = (
    "candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "modelStatus", "createTime",
    "automaticFunctionCallingHistory",
)  # fmt: skip
"""Members of GenerateContentResponse, on the Gemini API and on Vertex."""
