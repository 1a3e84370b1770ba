"""MXAccess's commands: one method of the session for each, what they take and how their replies are judged."""
