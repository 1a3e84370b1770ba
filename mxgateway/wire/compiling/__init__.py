"""Generated source text, and its compilation into functions."""
