"""Turns the one source into what students get."""
