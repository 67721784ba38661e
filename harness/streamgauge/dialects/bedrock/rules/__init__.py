"""What a server that streams as Amazon Bedrock does must do."""
