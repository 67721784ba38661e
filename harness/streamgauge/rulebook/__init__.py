"""Rules that belong to no single dialect: transport, framing, JSON, errors, usage, timing."""
