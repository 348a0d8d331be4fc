"""CNN Image Classifier is a transfer-learning assignment with its autograder and four labs."""

__version__ = "1.0.0"
