"""How soon a search on a cluster recovers: of a killed worker, of a lost node, and when a node joins.

A real `ray.cluster_utils.Cluster` on this machine: a head without cores for the driver, and nodes of a core each.

    python scripts/bench/comeback.py --rounds 3
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from nas.engine import Observer, search
from nas.engine.lanes import Lost, Ready


class Slow:
    """Takes so long that what is killed is always at work."""

    objective = "accuracy"

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def evaluate(self, architecture: Any, fidelity: Any, evaluation: Any) -> dict[str, float]:
        import ray

        (Path(self.folder) / ray.get_runtime_context().get_node_id()).write_text(str(os.getpid()))
        for _ in range(40):
            time.sleep(0.05)
            evaluation.clock.check()
        return {"accuracy": 0.5}


class Watch(Observer):
    """Kills, loses and adds in turn, from the driver's thread, and notes when what followed of it was seen."""

    def __init__(self, cluster: Any, nodes: list[Any], folder: Path, rounds: int) -> None:
        self.cluster, self.nodes, self.folder = cluster, nodes, folder
        self.plan = ["worker", "node", "join"] * rounds
        self.did, self.at, self.rows = "", 0.0, []
        self.seen: dict[str, float] = {}
        self.calm = time.monotonic()

    def note(self, line: str) -> None:
        print(f"    {time.monotonic() - self.at:6.1f} s  {line}" if self.at else f"    {line}", flush=True)

    def lost(self, number: int, times: int) -> None:
        self.seen.setdefault("noticed", time.monotonic() - self.at)
        self.number = number

    def launched(self, number: int, architecture: Any) -> None:
        if self.did and "noticed" in self.seen and number == self.number:
            self.seen.setdefault("runs again", time.monotonic() - self.at)

    def event(self, event: Any) -> None:
        if self.did and isinstance(event, Ready):
            self.seen.setdefault("a lane is up", time.monotonic() - self.at)

    def tick(self, progress: Any) -> None:
        awaited = () if self.did == "join" else ("noticed", "runs again")
        awaited += ("a lane is up",) if self.did in ("join", "worker") else ()
        if self.did and all(name in self.seen for name in awaited):
            print(f"{self.did:8s}", {name: round(seconds, 1) for name, seconds in self.seen.items()}, flush=True)
            self.rows.append((self.did, self.seen))
            self.did, self.calm = "", time.monotonic()
        if not self.did and time.monotonic() - self.calm > 4.0:
            if not self.plan:
                raise KeyboardInterrupt
            self.did, self.seen = self.plan.pop(0), {}
            self.act()

    def act(self) -> None:
        self.at = time.monotonic()
        if self.did == "worker":
            os.kill(int((self.folder / self.nodes[-1].node_id).read_text()), signal.SIGKILL)
        elif self.did == "node":
            self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)
        else:
            self.nodes.append(self.cluster.add_node(**node()))
            self.at = time.monotonic()  # from when the node is there


def node(cpus: int = 1) -> dict[str, Any]:
    return {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = parser.parse_args().rounds
    from ray.cluster_utils import Cluster

    from nas.engine.ray_lanes import RayLanes
    from nas.engine.ray_start import loopback, quiet

    with tempfile.TemporaryDirectory() as folder, quiet(), loopback():
        cluster = Cluster(initialize_head=True, head_node_args=node(cpus=0))
        nodes = [cluster.add_node(**node()) for _ in range(2)]
        watch = Watch(cluster, nodes, Path(folder), rounds)
        poll = RayLanes.poll

        def polled(self: Any, timeout: float) -> Any:
            events = poll(self, timeout)
            for event in events:
                if isinstance(event, Ready | Lost):
                    print(f"    {time.monotonic() - watch.at:6.1f} s  {type(event).__name__} lane {event.lane}", flush=True)
                watch.event(event)
            return events

        RayLanes.poll = polled  # type: ignore[method-assign]
        os.chdir(folder)
        try:
            search(
                "tiny", evaluator=Slow(folder), budget="2h", workers=2, max_workers=3, address=cluster.address, strategy="random",
                out=Path(folder) / "run", observer=watch,
            )  # fmt: skip
        except KeyboardInterrupt:
            pass
        finally:
            cluster.shutdown()
    for kind in ("worker", "node", "join"):
        for what in ("noticed", "runs again", "a lane is up"):
            found = [seen[what] for did, seen in watch.rows if did == kind and what in seen]
            if found:
                print(f"{kind:8s} {what:14s} {', '.join(f'{seconds:.1f}' for seconds in found)} s")


if __name__ == "__main__":
    main()
