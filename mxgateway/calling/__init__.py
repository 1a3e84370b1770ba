"""What every command shares: checked arguments, sending a request, checking its reply, one time budget."""
