"""Turns options, environment and profile into a connected client."""
