"""Whether searches can run here: a registry of checks, each of which says what it found and how to mend it.

    for finding in nas.doctor.examine():
        print(finding.level, finding.check, finding.found, finding.mend)

A new check is one function: `@nas.doctor.CHECKS.register("name")` over `(deep) -> Iterable[Finding]`. Nothing that may be missing or
broken here (torch, Ray, numpy) is imported into this process.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from nas.doctor import installed, machine, places  # noqa: F401  each registers its checks
from nas.doctor.base import CHECKS, LEVELS, NOTE, OK, PROBLEM, Check, Finding, note, ok, problem

__all__ = ["CHECKS", "LEVELS", "NOTE", "OK", "PROBLEM", "Check", "Finding", "examine", "note", "ok", "problem"]


def examine(deep: bool = False) -> Iterator[Finding]:
    """What all checks find, in their order, each as soon as it is known. deep: a local Ray is started, too.

    They run at the same time, for torch and Ray take their seconds. A check that fails itself is a problem like any other.
    """
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        for answer in [pool.submit(_examined, name, check, deep) for name, check in CHECKS.items()]:
            yield from answer.result()


def _examined(name: str, check: Check, deep: bool) -> list[Finding]:
    try:
        return [finding.of(name) for finding in check(deep)]
    except ImportError as error:
        return [problem(f"not looked at, for a package cannot be imported: {error}", "python -m pip install --force-reinstall it").of(name)]
    except Exception as error:
        return [problem(f"this check failed: {type(error).__name__}: {error}", "report this line, please").of(name)]
