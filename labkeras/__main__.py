"""`python -m labkeras`: the same as the command `labkeras`."""

import sys

from labkeras.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
