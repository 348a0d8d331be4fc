"""Features: a frozen backbone's output for every picture, computed once, kept on disk, and heads trained on it."""
