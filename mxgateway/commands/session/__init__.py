"""A session as a whole: how it is opened, what it is, how it is closed."""
