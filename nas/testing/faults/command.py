"""`nas` as searches under test run it: `python -m nas.testing.faults.command search ...`.

The command line itself, with the evaluator `timed`, a ledger that is written so often that checks are sharp, and the tear.
"""

from __future__ import annotations

import os

HEARTBEAT = "NAS_FAULTS_HEARTBEAT"  # the variable with the seconds between two writings of the ledger


def main() -> None:
    """Run it."""
    from nas.cli import main as nas
    from nas.engine import accounts
    from nas.testing.faults import evaluator, tear, watched

    evaluator.register()
    watched.register()
    accounts.HEARTBEAT_SECONDS = float(os.environ.get(HEARTBEAT, accounts.HEARTBEAT_SECONDS))
    tear.arm()
    nas()


if __name__ == "__main__":
    main()
