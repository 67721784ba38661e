"""Where the rules of this dialect were read, 2026-11-22; their quotations are from these texts."""

SMITHY = "Smithy, Amazon Event Stream Specification (https://smithy.io/2.0/aws/amazon-eventstream.html)"
CONVERSE = (
    "AWS, Bedrock Runtime API reference, ConverseStream "
    "(https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html); read as modelled in "
    "botocore 1.44.5, bedrock-runtime service-2.json"
)
GUIDE = (
    "AWS, Bedrock User Guide, Using the Converse API "
    "(https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html)"
)
PRACTICE = "de facto: what the service does and AWS's SDKs rely on"
