"""Decodes parts of messages from bytes."""
