"""How values change by themselves: by time, from recordings, and from other tags."""
