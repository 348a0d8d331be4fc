"""Compares models side by side: accuracy with its uncertainty, time, memory and size."""
