"""Data sets, by name (`digits`, `cifar10`, ...) or as your own: `npz:PATH`, `folder:PATH`.

A new data set is one function: `@nas.data.NAMED.register("name")` over `(data_dir) -> Source`.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from nas.data import cifar, digits, folder, mnist, npz  # noqa: F401  each registers what it reads
from nas.data.base import Dataset
from nas.data.fetch import by_hand, default_folder, fetch
from nas.data.source import KINDS, NAMED, Form, Remote, Source, user_path
from nas.errors import DataError, UnknownNameError, unknown

__all__ = ["KINDS", "NAMED", "Dataset", "Form", "Remote", "Source", "absolute", "available", "default", "form", "load", "names"]

# Too large for this package to fetch, but what networks are published for (Russakovsky et al., arXiv 1409.0575).
IMAGENET = Form((3, 224, 224), 1000)


def names() -> tuple[str, ...]:
    """All data sets that have a name; beside them there are `npz:PATH` and `folder:PATH`."""
    return NAMED.names()


def load(spec: str, *, data_dir: Path | None = None, download: bool = True) -> Dataset:
    """The data set `spec`: one of `names()`, `npz:PATH` or `folder:PATH[?size=64]`.

    A named set is looked for in `data_dir` (default: the user's cache folder for `nas`) and, when absent there and
    `download` is allowed, fetched into it; files that are there are never written over.
    Raises `UnknownNameError` for an unknown name, `DataError` for anything missing, damaged or of the wrong form.
    """
    place = _folder(data_dir)
    source = _source(spec, place)
    if source.missing and not download:
        remark = source.remark and f" ({source.remark})"
        raise DataError(f"{spec} is not in {place}{remark}; {by_hand(source.missing)}")
    return (_fetched(spec, source, place) if source.missing else source).read()


def available(spec: str, data_dir: Path | None = None) -> bool:
    """Whether `load` would find the files of `spec` without a download. Raises `UnknownNameError`."""
    source = _source(spec, _folder(data_dir))
    return source.present and not source.missing


def form(spec: str, data_dir: Path | None = None) -> Form:
    """Shape of an image and number of classes of a data set, or of `imagenet`.

    Only what states neither is read: `npz:PATH`, `folder:PATH`. Raises as `load` does.
    """
    if spec == "imagenet":
        return IMAGENET
    try:
        known = _source(spec, _folder(data_dir)).form
    except UnknownNameError:
        raise unknown("data set", spec, ("imagenet", *NAMED.names(), *(f"{kind}:PATH" for kind in KINDS.names()))) from None
    if known is not None:
        return known
    found = load(spec, data_dir=data_dir)
    return Form(found.input, found.classes)


def default(device_hours: float, data_dir: Path | None = None) -> tuple[str, str | None]:
    """The data set of a search that names none, and a line for the person where that is not obvious.

    Digits, which need no download; over one device-hour CIFAR-10, if it is there. `inf`: a budget without a time limit.
    """
    if device_hours <= 1 or math.isinf(device_hours):
        return "digits", None
    if available("cifar10", data_dir):
        return "cifar10", "no --dataset was given: searching on cifar10"
    advice = "this budget affords more: --dataset cifar10, or your own (nas search --help)"
    return "digits", f"no --dataset was given, and cifar10 is not in {_folder(data_dir)}: searching on digits; {advice}"


def absolute(dataset: str) -> str:
    """The same data set from wherever a worker runs: Ray gives each a folder of its own."""
    kind, colon, where = dataset.partition(":")
    if colon and where and kind in KINDS:
        return f"{kind}:{os.path.abspath(os.path.expanduser(where))}"
    return dataset


def _source(spec: str, place: Path) -> Source:
    kind, colon, where = str(spec).partition(":")
    if colon and kind in KINDS:
        if not where:
            raise DataError(f"{spec} names no path; allowed: {kind}:PATH")
        return KINDS.get(kind)(where)
    if spec in NAMED:
        return NAMED.get(spec)(place)
    _suggest_kind(str(spec))
    raise unknown("data set", spec, (*NAMED.names(), *(f"{kind}:PATH" for kind in KINDS.names())))


def _suggest_kind(spec: str) -> None:
    """A bare path is a likely slip; say what to write instead."""
    path = user_path(spec)
    if spec and os.path.exists(path):
        kind = "folder" if os.path.isdir(path) else "npz"
        raise DataError(f"{spec} is a path; allowed: a name ({', '.join(names())}) or {kind}:{spec}")


def _folder(data_dir: Path | None) -> Path:
    if data_dir is None:
        return default_folder()
    place = user_path(str(data_dir))
    if os.path.lexists(place) and not os.path.isdir(place):
        raise DataError(f"data folder {place} is no folder; allowed: a folder, or a path where one can be made")
    return place


def _fetched(spec: str, source: Source, place: Path) -> Source:
    """The source once its missing files are there. Raises `DataError`, with the source's remark on what is there."""
    try:
        fetch(source.missing)
    except DataError as error:
        raise DataError(f"{error}{source.remark and '; ' + source.remark}") from None
    return _source(spec, place)
