"""Turn what was observed into words that help: what was expected, what came, the likely cause and the remedy.

The functions here are pure and take plain values. A function that compares returns None when all is well, else a
Diagnosis, whose `key` is an anchor in docs/student.md. `calls` is about code that did not run, `dataset` about datasets
and loaders, and `model` about the trained model.
"""
