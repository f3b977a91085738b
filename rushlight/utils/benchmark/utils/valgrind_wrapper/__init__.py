"""Counting instructions with valgrind."""
