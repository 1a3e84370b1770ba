"""How commands are declared."""
