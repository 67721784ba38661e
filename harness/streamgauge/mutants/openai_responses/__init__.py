"""The events of OpenAI's Responses, and of Open Responses, damaged."""
