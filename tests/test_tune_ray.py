"""The examples of docs/ray-tune.md on Ray Tune itself: ASHA with our searcher, its restoring, and population-based training."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from nas.engine.ray_start import loopback
from nas.tune import Searcher

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # within Tune
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
PAGE = Path(__file__).parent.parent / "docs" / "ray-tune.md"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One Ray for all of them."""
    with loopback():
        ray.init(address="local", num_cpus=2, num_gpus=0, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the blocks of the page left, as a person would paste them one after another: by block, its `results`."""
    folder = tmp_path_factory.mktemp("tune")
    names: dict[str, Any] = {}
    found = {}
    for code in re.findall(r"```py\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(code.replace("/tmp/nas-tune", str(folder)), str(PAGE), "exec"), names)
        found[names["results"].experiment_path.rsplit("/", 1)[-1]] = names["results"]
    return found


def test_asha_stops_what_our_searcher_proposed(ran: dict[str, Any]) -> None:
    results = ran["asha"]
    assert not results.errors
    assert len(results) == 6
    epochs = sorted(result.metrics["training_iteration"] for result in results)
    assert epochs[0] < 4 <= epochs[-1]
    best = results.get_best_result("accuracy", "max", scope="last")
    assert best.metrics["accuracy"] > 0.3
    (state,) = Path(results.experiment_path).glob("searcher-state-*.json")
    told = json.loads(state.read_text())["told"]
    values = {result.config["number"]: result.metrics["accuracy"] for result in results}
    assert {number: value for number, _, value in told} == values
    again = Searcher("tiny", "evolution", seed=1, population=4, sample=2)
    again.restore_from_dir(results.experiment_path)
    assert again.get_state()["told"] == told
    assert again.suggest("next")["number"] == 6


def test_members_of_a_population_take_over_each_other(ran: dict[str, Any]) -> None:
    results = ran["pbt"]
    assert not results.errors
    assert [result.metrics["training_iteration"] for result in results] == [4, 4]
    assert all(result.config["lr"] > 0.0001 for result in results)  # of which nothing can be learnt in four epochs
    assert any(Path(results.experiment_path).glob("pbt_policy_*.txt"))
    checkpoint = results.get_best_result().checkpoint
    with checkpoint.as_directory() as folder:
        assert [path.name for path in Path(folder).iterdir() if not path.name.startswith(".")] == ["state.pt"]
        torch.load(Path(folder) / "state.pt", weights_only=True)
