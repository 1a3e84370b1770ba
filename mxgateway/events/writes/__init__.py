"""What became of each write: one record for each item, and the completions that end it."""
