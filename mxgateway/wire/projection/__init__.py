"""From bytes to a part of a message."""
