"""One module a provider; found by looking, listed nowhere."""
