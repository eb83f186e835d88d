"""The page of a search while it runs: served by this process, made anew as trials finish."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.errors import NasError
from nas.report import serving
from nas.report.page.data import Reading
from nas.report.page.render import render, to_json

if TYPE_CHECKING:
    from nas.study import Study

SECONDS = 2.0  # from one look at the record to the next, and from one question of a page to the next
REST = 3.0  # times as long as a look took the record is left alone after it: a large one is not read all the time
IDLE = 30.0  # seconds without a question, and nobody is looking any more
TYPES = {"/": "text/html; charset=utf-8", "/data.json": "application/json"}


@dataclass(frozen=True)
class Look:
    """What the record held: the data, the same as JSON, and a mark that changes with it."""

    data: dict[str, Any]
    json: bytes
    mark: str


class Live:
    """Looks at a study again and again in a thread of its own, for as long as somebody asks."""

    def __init__(self, study: Study, seconds: float = SECONDS) -> None:
        self._study, self._seconds = study, seconds
        self._reading = Reading(study)
        self._asked = time.monotonic()
        self._wanted, self._ready = threading.Event(), threading.Condition()
        self._look: Look | None = None
        self._error = ""
        self._thread = threading.Thread(target=self._run, daemon=True, name="nas-watch")
        self._wanted.set()
        self._thread.start()

    def now(self) -> Look:
        """The last look; the first is waited for. Raises `NasError` where the record cannot be read."""
        self._asked = time.monotonic()
        self._wanted.set()
        with self._ready:
            self._ready.wait_for(lambda: self._look is not None or self._error)
            if self._look is None:
                raise NasError(self._error)
            return self._look

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            begun = time.monotonic()
            self._read()
            time.sleep(max(self._seconds, REST * (time.monotonic() - begun)))
            if time.monotonic() - self._asked > IDLE:
                self._wanted.clear()

    def _read(self) -> None:
        try:
            found, error = look(self._reading, bool(self._study.drivers()), self._seconds), ""
        except Exception as raised:  # a record that is being moved, a database that is away: the page goes on with what it has
            found, error = None, f"{type(raised).__name__}: {raised}" if not isinstance(raised, NasError) else str(raised)
        with self._ready:
            self._look, self._error = found or self._look, error
            self._ready.notify_all()


def look(reading: Reading, running: bool, seconds: float = SECONDS) -> Look:
    """What the record holds now. Raises `StudyError`."""
    data = reading.data(running=running, live={"url": "data.json", "seconds": seconds})
    mark = hashlib.sha256(to_json({**data, "made": ""}).encode()).hexdigest()[:32]
    return Look(data, to_json(data).encode(), f'"{mark}"')


def application(live: Live) -> serving.App:
    """Answers `/` with the page and `/data.json` with the data, 304 where a browser has it already."""

    def app(environ: dict[str, Any], start: serving.Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path not in TYPES:
            return _answer(start, "404 Not Found", "text/plain", b"allowed: / and /data.json\n")
        try:
            found = live.now()
        except NasError as error:
            return _answer(start, "503 Service Unavailable", "text/plain; charset=utf-8", f"{error}\n".encode())
        if path == "/":
            return _answer(start, "200 OK", TYPES[path], render(found.data).encode())
        if environ.get("HTTP_IF_NONE_MATCH") == found.mark:
            return _answer(start, "304 Not Modified", TYPES[path], b"", found.mark)
        return _answer(start, "200 OK", TYPES[path], found.json, found.mark)

    return app


def _answer(start: serving.Start, status: str, kind: str, body: bytes, mark: str | None = None) -> list[bytes]:
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-cache")]
    start(status, [*headers, ("X-Content-Type-Options", "nosniff"), *([("ETag", mark)] if mark else [])])
    return [body]


class Server(serving.Server):
    """Listens from the moment it is made; `serve` until Ctrl-C. `url` is the page."""

    def __init__(self, study: Study, host: str = serving.LOOPBACK, port: int = 0, seconds: float = SECONDS) -> None:
        """Port 0: one that is free. Raises `NasError` where it cannot listen there."""
        super().__init__(application(Live(study, seconds)), host, port, "nas watch")
        self.url = f"{self.address}/"
