"""A search on a real cluster of several raylets on this machine: a node is lost, another joins, a user's module travels along.

In a file of its own: one cluster, started once.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.engine import search
from nas.errors import NasError
from tests.test_engine import Watching

pytestmark = pytest.mark.slow

MODULE = '''
import os, time
from pathlib import Path

import ray


class Mine:
    """Notes where it was; the trials from `held` on wait for the file `go`. A relative path reaches the data beside this module."""

    objective = "accuracy"

    def __init__(self, shared, held):
        self.shared, self.held = Path(shared), held

    def evaluate(self, architecture, fidelity, evaluation):
        import nas

        row = (evaluation.task.number, ray.get_runtime_context().get_node_id(), os.getpid(), Path.cwd(), Path(nas.__file__))
        with open(self.shared / "log", "a") as file:
            file.write(" ".join(map(str, row)) + "\\n")
        while evaluation.task.number >= self.held and not (self.shared / "go").exists():
            evaluation.clock.check()
            time.sleep(0.05)
        time.sleep(0.1)
        return {"accuracy": float(Path("data/value.txt").read_text())}
'''


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    from nas.engine.ray_start import loopback, quiet

    with quiet(), loopback():
        made = Cluster(initialize_head=True, head_node_args=node(cpus=0))
        try:
            yield made
        finally:
            made.shutdown()


def node(cpus: int = 1, place: Path | None = None) -> dict[str, Any]:
    """A node's options. place: a folder of its own, as machines have: else the end of one takes away what was sent to all."""
    options = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.1"}
    return options if place is None else options | {"temp_dir": str(place)}


class Shepherd(Watching):
    """Loses a node once two trials are on their way that wait, and adds one when it hears of that; in the driver's thread."""

    def __init__(self, lose: Callable[[], None], add: Callable[[], None], go: Path) -> None:
        super().__init__()
        self.lose, self.add, self.go = lose, add, go
        self.notes: list[str] = []

    def tick(self, progress: Any) -> None:
        super().tick(progress)
        if self.lose and progress.ledger.finished == 6 and progress.running == 2:
            act, self.lose = self.lose, None  # type: ignore[assignment]
            act()

    def note(self, line: str) -> None:
        self.notes.append(line)
        if "is lost" in line:
            self.add()
        if "has come up" in line:
            self.go.touch()


def test_a_node_is_lost_and_another_joins(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "mine.py").write_text(MODULE)
    (home / "data/value.txt").write_text("0.25")
    (home / ".secret").write_text("x")
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    import mine  # type: ignore[import-not-found]

    places = [Path(tempfile.mkdtemp(prefix="nas-node-")) for _ in range(3)]  # short: paths of sockets are
    nodes = [cluster.add_node(**node(place=place)) for place in places[:2]]
    added: list[Any] = []
    watcher = Shepherd(
        lambda: cluster.remove_node(nodes[1], allow_graceful=False),
        lambda: added.append(cluster.add_node(**node(place=places[2]))),
        tmp_path / "go",
    )
    try:
        study = search(
            "tiny", evaluator=mine.Mine(tmp_path, 6), budget="14trials", strategy="random", workers=2, max_workers=3, max_failures=0,
            address=cluster.address, out=tmp_path / "run", observer=watcher,
        )  # fmt: skip
    finally:
        for each in [nodes[0], *added]:
            cluster.remove_node(each, allow_graceful=True)
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
    trials = study.trials
    assert [(trial.number, trial.state, trial.value) for trial in trials] == [(number, "COMPLETE", 0.25) for number in range(14)]
    assert sorted(trial.lost for trial in trials) == [0] * 13 + [1]  # what was on the lost node, which is no failure of its
    assert [trial.lost_nodes for trial in trials] == [trial.lost for trial in trials]
    rows = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(int(row[0]) for row in rows) == sorted([*range(14), *(trial.number for trial in trials if trial.lost)])
    by_node = {row[1] for row in rows}
    assert by_node == {each.node_id for each in (*nodes, *added)}
    assert {row[3] for row in rows}.isdisjoint({str(home), str(Path.cwd())})  # a copy of the working directory
    assert not any((Path(row[3]) / ".secret").exists() for row in rows)
    assert all(row[4].startswith(row[3]) for row in rows)
    assert not ray.is_initialized()
    assert sum("is lost" in line for line in watcher.notes) == 1
    assert sum("has come up" in line for line in watcher.notes) == 1
    assert_nothing_is_left(cluster)


def assert_nothing_is_left(cluster: Any) -> None:
    import ray

    from nas.engine.ray_start import init

    init(cluster.address, None, False)
    try:
        assert any(each["Alive"] for each in ray.nodes())
        groups = ray.util.placement_group_table().values()
        assert {group["state"] for group in groups} <= {"REMOVED"}
        assert {actor["State"] for actor in ray._private.state.actors().values()} <= {"DEAD"}
    finally:
        ray.shutdown()


def test_what_cannot_be_joined_or_sent_is_one_clear_line(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"budget": "2trials", "out": tmp_path / "run"}
    for address in ("127.0.0.1:1", "nowhere", "ray://127.0.0.1", "127.0.0.1:http"):
        with pytest.raises(NasError, match="cannot be reached") as caught:
            search("tiny", address=address, **options)
        assert "\n" not in str(caught.value)
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(2 * 10**8)
    with pytest.raises(NasError, match=r"too large to be sent to workers: 200 MB \(large.bin 200 MB\); allowed: 100 MB"):
        search("tiny", address=cluster.address, **options)
    assert not (tmp_path / "run").exists()
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()
