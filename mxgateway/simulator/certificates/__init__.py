"""Makes a certificate for a simulated gateway with nothing but the standard library."""
