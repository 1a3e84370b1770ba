"""The table of commands, and the sections of their help."""
