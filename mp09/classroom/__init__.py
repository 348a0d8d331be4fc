"""Grades a whole class: collects the submissions from an export, grades them into a gradebook, and writes a report.

This package is for instructors. It is not in the handout that students get.
"""
