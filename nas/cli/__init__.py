"""The command line: one file a verb. Verbs are imported when they are called, so that `nas --help` starts at once."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `nas`. Bad input is one line on standard error and exit status 2, never a traceback."""
    from nas.cli.app import app
    from nas.errors import NasError

    try:
        app(standalone_mode=False)
    except NasError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader has gone (`nas list | head`): what it wanted it has.
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        import click

        if isinstance(error, click.exceptions.Exit):
            sys.exit(error.exit_code)
        if isinstance(error, click.Abort):
            sys.exit(130)
        if isinstance(error, click.ClickException):
            print(f"error: {error.format_message()}", file=sys.stderr)
            sys.exit(2)
        raise
