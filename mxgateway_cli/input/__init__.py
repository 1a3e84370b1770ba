"""A command's input: tags, handles, values, files, conditions."""
