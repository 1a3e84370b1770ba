"""A session as a whole: opening, commands, closing."""
