"""What a server that streams Cohere's chat, version 2, must do."""
