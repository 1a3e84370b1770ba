"""From an endpoint to a connection: resolve, connect, proxy, TLS, trust."""
