"""Builds what leaves this repository, the students' handout and Gradescope's autograder, and validates the rubric."""
