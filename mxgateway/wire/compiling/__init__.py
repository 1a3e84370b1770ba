"""Generated source text, and how it becomes functions."""
