"""CNN Image Classifier: a transfer-learning assignment, its autograder, and four labs."""

__version__ = "1.0.0"
