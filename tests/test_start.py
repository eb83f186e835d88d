"""Networks that a search starts from: found in the space, tried first, and kept over a resume."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import nas
from nas import spaces
from nas.errors import SpaceError

IN_CASE_STUDY = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "plain20", "plain56")


def depth(architecture: nas.Architecture, fidelity: object) -> float:
    """A measure that needs no training."""
    return sum(block.repeat for stage in architecture.stages for block in stage) / 100


@pytest.mark.parametrize("name", IN_CASE_STUDY)
def test_baselines_lie_in_the_case_study_space(name: str) -> None:
    space = spaces.load("case-study")
    assert space.decode(space.recognise(nas.load(name))).stages == nas.load(name).stages


@pytest.mark.parametrize("name", spaces.names())
def test_recognise_is_the_inverse_of_decode(name: str) -> None:
    space, rng = spaces.load(name), random.Random(1)
    for _ in range(60):
        network = space.decode(space.sample(rng))
        found = space.recognise(network.with_input((1, 16, 16), 3))
        assert space.decode(found).digest == network.digest


def test_what_does_not_lie_in_the_space_is_named() -> None:
    with pytest.raises(SpaceError, match=r"'vgg16' does not lie in space 'case-study'.*stem"):
        spaces.load("case-study").recognise(nas.load("vgg16"))
    with pytest.raises(SpaceError, match="resnet50"):
        nas.search("case-study", start=["resnet50"], evaluator=depth, budget="2trials", engine="local", out="never")
    assert not Path("never").exists()


@pytest.mark.parametrize("strategy", ["random", "evolution", "rl"])
def test_they_are_the_first_trials(tmp_path: Path, strategy: str) -> None:
    study = nas.search(
        "case-study", strategy=strategy, start=["plain20", nas.load("resnet110")], evaluator=depth, budget="4trials",
        engine="local", out=tmp_path / "run",
    )  # fmt: skip
    stages = [trial.architecture.stages for trial in study.trials]
    assert stages[:2] == [nas.load("plain20").stages, nas.load("resnet110").stages]
    assert stages[2] not in stages[:2]
    again = nas.open_study(tmp_path / "run")
    assert [trial.decisions for trial in again.trials] == [trial.decisions for trial in study.trials]
    assert again.settings.start == [study.trials[0].decisions, study.trials[1].decisions]


def test_evolution_goes_on_from_them(tmp_path: Path) -> None:
    study = nas.search("case-study", start=["resnet110"], evaluator=depth, budget="60trials", engine="local", out=tmp_path / "run")
    assert study.best is not None
    assert study.best.value is not None
    assert study.best.value >= study.trials[0].value  # type: ignore[operator]
