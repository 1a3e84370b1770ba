"""What commands that watch or wait do while the connection, the session or the gateway is lost."""
