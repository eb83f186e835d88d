"""The versions that a run was made with."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = ("nas", "torch", "ray", "optuna", "numpy")


def versions() -> dict[str, str]:
    """Of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
