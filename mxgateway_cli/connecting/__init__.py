"""From options, environment and profile to a connected client."""
