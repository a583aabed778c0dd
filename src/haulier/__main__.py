"""``python -m haulier`` is the same as ``haulier``."""

import sys

from haulier.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
