"""Making the new hosts like the existing ones."""
