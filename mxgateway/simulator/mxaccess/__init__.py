"""What a worker does: registrations, items, commands, writes, events."""
