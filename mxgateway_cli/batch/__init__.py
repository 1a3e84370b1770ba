"""Many command lines over shared connections."""
