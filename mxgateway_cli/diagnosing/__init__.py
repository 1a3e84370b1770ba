"""What `doctor` does: each step on the way to a gateway, and what to do about one that fails."""
