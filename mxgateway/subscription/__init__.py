"""Subscriptions: tags in, typed updates out, through every fault, with an exact account of what was lost."""
