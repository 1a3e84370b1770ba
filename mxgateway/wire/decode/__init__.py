"""From bytes to messages."""
