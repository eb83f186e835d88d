"""Human quantities: `1.8G`, `100gpuh`, `90 min` in; short readable numbers out."""

from __future__ import annotations

import math
import re

from nas.errors import BudgetError, NasError

_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)\s*\Z")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BUDGET_FORMS = "Ngpuh, Ns, Nm, Nh, Nd or Ntrials with N > 0 (for example 100gpuh, 90m, 1.5h, 200trials, or 2h,500trials)"


def parse_count(text: str, *, where: str) -> float:
    """A count with a decimal suffix: `600M` is 6e8, `1.8G` and `1.8B` are 1.8e9.

    Raises `NasError` naming `where` when the text is no such count.
    """
    match = _NUMBER.match(text)
    scale = _SCALES.get(match.group(2).upper()) if match else None
    if match is None or scale is None:
        raise NasError(f"{where}={text!r} is not a count; allowed: a number with an optional K, M, G, B or T")
    return float(match.group(1)) * scale


def parse_bytes(text: str, *, where: str) -> float:
    """Memory in bytes: `4GB` is 4e9, `4GiB` is 4 * 2^30, `500M` is 5e8.

    Raises `NasError` naming `where` when the text is no such size.
    """
    match = _NUMBER.match(text)
    unit = match.group(2).upper().removesuffix("B") if match else None
    scale = {"KI": 2.0**10, "MI": 2.0**20, "GI": 2.0**30, "TI": 2.0**40, **_SCALES}.get("?" if unit is None else unit)
    if match is None or scale is None or unit == "B":
        raise NasError(f"{where}={text!r} is not a size of memory; allowed: a number with an optional KB, MB, GB, TB, KiB, MiB, GiB or TiB")
    return float(match.group(1)) * scale


def format_bytes(number: float) -> str:
    """`4.13e9` as `4.13 GB`; below 1,000 as it is."""
    for suffix, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if abs(number) >= scale:
            return f"{number / scale:.4g} {suffix}"
    return f"{number:g} B"


def parse_budget_item(text: str) -> tuple[str, float]:
    """One limit of a budget: (`device_seconds` | `seconds` | `trials`, amount > 0).

    Raises `BudgetError`.
    """
    match = _NUMBER.match(text)
    amount = float(match.group(1)) if match else math.nan
    unit = match.group(2).lower() if match else ""
    if not (math.isfinite(amount) and amount > 0):
        raise BudgetError(f"budget {text.strip()!r} is not a positive amount; allowed: {BUDGET_FORMS}")
    if unit == "gpuh":
        return "device_seconds", amount * 3600.0
    if unit in _SECONDS:
        return "seconds", amount * _SECONDS[unit]
    if unit in ("trials", "trial"):
        if amount != int(amount):
            raise BudgetError(f"budget {text.strip()!r}: trials are whole numbers; allowed: {BUDGET_FORMS}")
        return "trials", amount
    raise BudgetError(f"budget {text.strip()!r} has no known unit; allowed: {BUDGET_FORMS}")


def format_count(number: float) -> str:
    """`25557032` as `25.56M`; below 10,000 as it is."""
    for suffix, scale in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if abs(number) >= scale and abs(number) >= 1e4:
            return f"{number / scale:.4g}{suffix}"
    return f"{number:g}"


def format_seconds(seconds: float) -> str:
    """`4000` as `1h 6m`, `75` as `1m 15s`, `3.21` as `3.2s`."""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    total = round(seconds)
    if total < 3600:
        return f"{total // 60}m {total % 60:02d}s"
    if total < 86400:
        return f"{total // 3600}h {total % 3600 // 60:02d}m"
    return f"{total // 86400}d {total % 86400 // 3600:02d}h"
