"""`python -m mp09`."""

import sys

from mp09.cli import main

if __name__ == "__main__":  # processes of a class import this file too
    sys.exit(main())
