"""From what was observed to words that help: what was expected, what came, the likely cause and the remedy.

Pure functions of plain values. Each returns None when all is well, else a Diagnosis whose `key` is an anchor in
docs/student.md. `calls` is about code that did not run, `data` about datasets and loaders, `model` about the network.
"""
