"""The command line: one file a verb. Verbs are imported when they are called, so that `nas --help` starts at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """A SIGTERM, as Slurm and Kubernetes send it some seconds before a SIGKILL: an orderly end, as by Ctrl-C."""


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status: 130 by Ctrl-C, 143 by SIGTERM, as a shell reports programs that these end."""
    return 143 if isinstance(error, Terminated) else 130


def main() -> None:
    """Entry point of `nas`. Bad input is one line on standard error and exit status 2, never a traceback."""
    with _orderly():
        _main()


def _main() -> None:
    from nas.cli.app import COMPLETING, app
    from nas.errors import NasError

    if COMPLETING in os.environ:
        from nas.cli.completing import register

        register()
    try:
        app(prog_name="nas", complete_var=COMPLETING, standalone_mode=False)
    except NasError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt as error:
        sys.exit(status_of(error))
    except BrokenPipeError:
        # The reader has gone (`nas list | head`): what it wanted it has.
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        import click

        if isinstance(error, click.exceptions.Exit):
            sys.exit(error.exit_code)
        if isinstance(error, click.Abort):  # what click makes of it
            sys.exit(143 if isinstance(error.__cause__, Terminated) else 130)
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            print(error.format_message(), file=sys.stderr)
            sys.exit(2)
        if isinstance(error, click.ClickException):
            print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
            sys.exit(2)
        raise


@contextlib.contextmanager
def _orderly() -> Iterator[None]:
    """A SIGTERM raises `Terminated` within; further ones are ignored, for the end is under way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
