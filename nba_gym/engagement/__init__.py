"""The engagement policy: which actions are allowed for a customer now, and why not the rest."""
