"""The work of single commands between input and output."""
