"""Holds submissions, and tests that each gets the verdict that it must get."""
