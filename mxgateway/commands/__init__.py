"""MXAccess commands: one session method for each, its arguments, and how its reply is checked."""
