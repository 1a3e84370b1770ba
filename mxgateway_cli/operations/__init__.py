"""What single commands do between input and output."""
