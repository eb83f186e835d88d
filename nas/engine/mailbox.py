"""The mailbox between the driver and its lanes on Ray: an actor that both ask with long polls. It knows no Ray itself."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nas.engine.lanes import Done, Event, Lost, Ready
from nas.evaluators import Outcome

STOP = b""
AGAIN = b"again"  # in place of a parcel: the lane was given up for dead, and is to join again (a pickle begins otherwise)
BEAT_SECONDS = 1.0  # between two signs of life of a lane
WATCH_SECONDS = 1.0  # between two looks at who gave none
NODE_SILENT_SECONDS = 10.0  # a node of whose lanes none is heard for so long is lost; that a process died is told by Ray at once
LANE_SILENT_SECONDS = 30.0  # a lane that is not heard while others of its node are: its process may be held up


@dataclass
class _Box:
    """One lane's. `ticket` counts the lane's lives, `seconds` is how long it has worked by its last sign of life."""

    ticket: int = 0
    inbox: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    seconds: float = 0.0
    delivered: float | None = None  # when it got what it holds, and until when it may hold it, by this process's clock
    deadline: float | None = None
    heard: float | None = None  # when it gave its last sign of life; None: nobody has this ticket
    node: str = ""  # by the name of its device: `NODE`, or `NODE:GPU`
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # of what it holds

    def worked(self) -> float:
        """At most how long a lane that was found dead has worked on what it held."""
        if self.delivered is None:
            return 0.0
        return min(self.seconds + BEAT_SECONDS, time.monotonic() - self.delivered)


class Mailbox:
    """Parcels (pickled candidates) go from the driver to lanes, events the other way. Candidates are not unpacked here."""

    def __init__(self) -> None:
        self._boxes: dict[int, _Box] = {}
        self._events: list[Event] = []
        self._news = asyncio.Event()
        self._watched = time.monotonic()
        self._closed = False

    # ---- the lane's side -----------------------------------------------------------------------------------------

    async def join(self, ready: Ready) -> int:
        """A lane has started; its ticket. Whoever had the lane before is gone, or will be refused."""
        lane, before = ready.lane, self._boxes.get(ready.lane, _Box())
        before.ended.set()
        before.inbox.put_nowait(STOP)
        box = self._boxes[lane] = _Box(before.ticket + 1, heard=time.monotonic(), node=ready.device.partition(":")[0])
        if self._closed:
            box.inbox.put_nowait(STOP)
        self._tell(replace(ready, seconds=before.worked(), life=box.ticket))
        return box.ticket

    async def next(self, lane: int, ticket: int, done: tuple[int, Outcome] | None) -> bytes:
        """Report what was done, if anything, and wait for the next parcel; `STOP` when there will be none, `AGAIN` to join again."""
        box = self._boxes[lane]
        if box.ticket != ticket:
            return AGAIN if box.heard is None and not self._closed else STOP
        box.heard = time.monotonic()
        if done is not None:
            self._finish(lane, box, done, gone=False)
        return await box.inbox.get()

    async def leave(self, lane: int, ticket: int, done: tuple[int, Outcome]) -> None:
        """Report what was done by a lane that is about to end itself."""
        box = self._boxes[lane]
        if box.ticket == ticket:
            self._finish(lane, box, done, gone=True)

    async def beat(self, lane: int, ticket: int, seconds: float) -> float | None:
        """A sign of life after `seconds` of work on what the lane holds; the seconds it may go on, None if unlimited."""
        box = self._boxes[lane]
        if box.ticket != ticket:
            return 0.0
        box.seconds, box.heard = seconds, time.monotonic()
        return None if box.deadline is None else box.deadline - time.monotonic()

    def _finish(self, lane: int, box: _Box, done: tuple[int, Outcome], *, gone: bool) -> None:
        box.seconds, box.delivered, box.deadline = 0.0, None, None
        box.ended.set()
        self._tell(Done(lane, *done, gone=gone))

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        self._news.set()

    # ---- the driver's side ---------------------------------------------------------------------------------------

    async def deliver(self, lane: int, parcel: bytes, life: int = 0) -> None:
        """Put a parcel into a lane's inbox, at once; dropped where another life of the lane was meant (0: any).

        It answers when the lane has ended what it was given, so that Ray shows that for as long as it runs.
        """
        box = self._boxes[lane]
        if life and box.ticket != life:
            return
        box.delivered, box.ended = time.monotonic(), asyncio.Event()
        box.inbox.put_nowait(parcel)
        await box.ended.wait()

    async def limit(self, seconds: Mapping[int, float]) -> None:
        """Move the deadlines of what lanes hold, in seconds from now, by lane."""
        now = time.monotonic()
        for lane, amount in seconds.items():
            self._boxes[lane].deadline = now + amount

    async def lose(self, lane: int, silent: bool) -> None:
        """A lane is known to be dead; nothing where it was given up before."""
        if lane in self._boxes and self._boxes[lane].heard is not None:
            self._lose(lane, silent)

    def _lose(self, lane: int, silent: bool) -> None:
        """Its ticket is of no more use: an answer that comes late is refused, and it has to join again."""
        before = self._boxes[lane]
        self._tell(Lost(lane, before.worked(), silent))
        self._boxes[lane] = _Box(before.ticket + 1)
        before.ended.set()
        before.inbox.put_nowait(AGAIN)

    async def events(self) -> list[Event]:
        """What has happened since the last time; waits until something has."""
        while not self._events:
            self._watch()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), WATCH_SECONDS)
        self._news.clear()
        events, self._events = self._events, []
        return events

    def _watch(self) -> None:
        """Give those up of whom nothing was heard for too long."""
        now, before = time.monotonic(), self._watched
        self._watched = now
        up = {lane: box for lane, box in self._boxes.items() if box.heard is not None}
        late = now - before - WATCH_SECONDS
        if late > WATCH_SECONDS:  # this process was held up itself, and what was sent meanwhile is still to be read
            for box in up.values():
                box.heard = min(now, (box.heard or now) + late)
        quiet = {lane: now - (box.heard or now) for lane, box in up.items()}
        nodes: dict[str, float] = {}
        for lane, box in up.items():
            nodes[box.node] = min(quiet[lane], nodes.get(box.node, quiet[lane]))
        for lane, box in up.items():
            if quiet[lane] > LANE_SILENT_SECONDS or nodes[box.node] > NODE_SILENT_SECONDS:
                self._lose(lane, silent=True)

    async def close(self) -> None:
        """Let lanes that hold nothing end."""
        self._closed = True
        for box in self._boxes.values():
            box.inbox.put_nowait(STOP)
            box.ended.set()
