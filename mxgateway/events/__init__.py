"""The event core of a session: its one event stream, those who read it, and what became of writes."""
