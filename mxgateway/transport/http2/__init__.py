"""One HTTP/2 connection: frames, headers, keepalive, limits."""
