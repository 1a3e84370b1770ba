"""From messages to bytes."""
