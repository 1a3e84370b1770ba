"""The bulk commands: their entries, their chunks, their results."""
