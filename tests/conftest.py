"""What holds for all tests."""

from __future__ import annotations

import signal

# A shell that runs the tests in the background has Ctrl-C ignored, for these and for what they start; some send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
