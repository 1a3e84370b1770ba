"""How one invocation runs: event loop, signals, logs, settings."""
