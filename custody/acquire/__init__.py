"""The affected host: what to read, how to read it, what happened."""
