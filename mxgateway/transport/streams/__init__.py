"""One HTTP/2 stream: sending, receiving, status."""
