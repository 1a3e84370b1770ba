"""Output to stdout and stderr: safe text, writing, failures, progress bars."""
