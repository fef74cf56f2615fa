"""The work that no trainer and no reader should wait for: sealing, in a process of its own.

``python -m runstone.service.housekeeping <history>`` takes in what journals hold, seals what is waiting, and
ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from runstone.model.errors import Conflict
from runstone.service.connect import connect, disconnect
from runstone.store.claim import Claim


def main(arguments: list[str]) -> int:
    """Keep house once in the history that the arguments name; 0 also when another process does it already."""
    root = Path(arguments[0])
    try:
        with Claim(root, "housekeeping"):
            connect(root).recovery.refresh()
            disconnect(root)
    except Conflict:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
