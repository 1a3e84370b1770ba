"""One HTTP/2 stream: its sending half, its receiving half, its status."""
