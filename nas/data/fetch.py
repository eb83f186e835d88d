"""Downloading a file: checked against its MD5, with a progress bar, giving up after seconds rather than minutes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from nas.data.source import Remote
from nas.errors import DataError

TIMEOUT_SECONDS = 10.0  # to connect, and between two pieces of data
WAY_OUT = "or use --dataset digits, which needs no file"


def default_folder() -> Path:
    """The user's cache folder for `nas` (`~/.cache/nas` on Linux); not created here."""
    from platformdirs import user_cache_path

    return user_cache_path("nas", appauthor=False)


def fetch(files: Sequence[Remote], *, timeout: float = TIMEOUT_SECONDS) -> None:
    """Download `files`; each appears in its folder whole and with the right checksum, or not at all.

    The addresses of a file are tried in turn. Raises `DataError` at the first file that can't be had; it says why, what
    to fetch by hand into which folder, and the way out.
    """
    for index, remote in enumerate(files):
        reasons: list[str] = []
        for url in remote.urls:
            reason = _try(remote, url, timeout)
            if reason is None:
                break
            reasons.append(f"{urlsplit(url).netloc}: {reason}")
        else:
            raise DataError(f"could not download {remote.path.name} ({'; '.join(reasons)}); {by_hand(files[index:])}")


def by_hand(files: Sequence[Remote]) -> str:
    """What a person without a network does about the missing files, as one address that a shell and curl can expand."""
    base = files[0].urls[0].rpartition("/")[0]
    names = ",".join(remote.path.name for remote in files)
    address = f"{base}/{names}" if len(files) == 1 else f"{base}/{{{names}}}"
    return f"put {address} into {files[0].path.parent}, {WAY_OUT}"


def _try(remote: Remote, url: str, timeout: float) -> str | None:
    """None when the file is there, or the reason why not in a few words."""
    import pooch

    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=timeout)
    try:
        remote.path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(url, f"md5:{remote.md5}", fname=remote.path.name, path=remote.path.parent, downloader=downloader)
    except (
        OSError,
        ValueError,
    ) as error:  # requests' errors are OSErrors; pooch reports a wrong checksum as ValueError
        return _reason(error, timeout)
    return None


def _reason(error: Exception, timeout: float) -> str:
    """The error in a few words: requests' own texts are a paragraph of nested representations."""
    import requests

    match error:
        case requests.Timeout():
            return f"no answer in {timeout:g} s"
        case requests.HTTPError() if error.response is not None:
            return f"HTTP status {error.response.status_code}"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection broke off"
        case requests.ConnectionError():
            return "no connection"
        case ValueError() if "hash" in str(error):
            return "what arrived has another checksum than the published one"
        case OSError() if error.strerror:
            return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        case _:
            return (str(error).splitlines() or [type(error).__name__])[0][:200]
