"""Calls the command line within the test's process: as fast as a function, with the exit status that a shell would see."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from nas.cli import main


class Run(NamedTuple):
    """What a call left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


def nas(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Run:
    """`nas ARGUMENTS...`."""
    monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
    try:
        main()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    captured = capsys.readouterr()
    return Run(status, captured.out, captured.err)
