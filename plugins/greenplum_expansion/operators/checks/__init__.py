"""Check operators, by what they look at."""
