"""`python -m mp09`."""

import sys

from mp09.cli import main

sys.exit(main())
