"""The worker: registrations, items, commands, writes, events."""
