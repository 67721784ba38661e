"""What a server that streams Anthropic messages must do."""
