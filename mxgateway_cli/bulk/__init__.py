"""The bulk commands: entries, chunks, results."""
