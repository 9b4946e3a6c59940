"""Waiting without holding a worker: for mirrors, and for the redistribution."""
