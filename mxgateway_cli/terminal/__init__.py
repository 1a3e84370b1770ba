"""What reaches stdout and stderr: safe text, the one place that writes, failures, progress bars."""
