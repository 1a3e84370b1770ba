"""What a shell is offered for a word that is begun."""
