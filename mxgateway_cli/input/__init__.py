"""What a command works on: tags, handles, values, files, conditions."""
