"""The instrument: stamps what arrives, makes the load, and measures its own error."""
