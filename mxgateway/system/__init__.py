"""The operating system, the event loop and the interpreter: files, locks, threads, lazy imports."""
