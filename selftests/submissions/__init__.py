"""Submissions with the verdict that each must get."""
