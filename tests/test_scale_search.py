"""The search for scaling coefficients: the word `scale` of spaces, training at a candidate's own resolution, and the search."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
import pytest
import torch

import nas
from nas.arch import Architecture
from nas.arch.text import parse
from nas.cli import scale_search as cli
from nas.engine import Observer
from nas.engine.coefficients import DECISION, REFERENCES, grid, label, space, triples
from nas.errors import ArchitectureError, NasError, SpaceError, StudyError
from nas.evaluators import Evaluation, Fidelity, create, run
from nas.evaluators.proxy import Seconds, plan
from nas.loading import load_one
from nas.report.coefficients import plain
from nas.scale import Coefficients, compound
from nas.scale.law import PAPER
from nas.spaces import Space
from nas.spaces import load as load_space
from nas.study import Study, open_study
from nas.study.interval import difference, t_interval
from nas.testing import spaces as kit
from nas.training.loop import judge, train
from nas.training.recipe import Recipe
from tests.cli import nas as command_line
from tests.test_engine import Watching, interrupt, proposals
from tests.toy import SEEDED

SMALL = Architecture.from_yaml("""
name: small
input: [3, 16, 16]
classes: 10
stem: [{block: conv, width: 8}]
stages:
- {block: residual_basic, width: 8, repeat: 2}
- {block: residual_basic, width: 16, repeat: 2, stride: 2}
head: [global_pool, {block: linear, width: classes}]
""")


def scaled(scale: Any, base: Architecture = SMALL) -> Space:
    return Space({**base.to_dict(), "scale": scale})


# ---- the word ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "count"),
    [
        ({"choose": [[1, 1, 1], [2, 1, 1], [1, 1.41, 1], [1, 1, 1.41]], "labels": ["base", "d", "w", "r"], "name": "how"}, 4),
        ({"depth": {"choose": [1, 1.5, 2]}, "width": {"choose": [1, 1.5], "name": "wide"}}, 6),
        ([{"choose": [1, 2]}, 1.5, {"choose": [1, 1.25]}], 4),
        ({"choose": [[1, 1, 1], {"width": {"choose": [1.5, 2], "name": "wide"}}], "name": "how"}, 3),
    ],
)
def test_a_space_that_scales_keeps_the_contract(scale: Any, count: int) -> None:
    made = scaled(scale)
    kit.check(made)
    every = kit.check_count(made)
    assert len(every) == count
    for decisions in every:
        assert made.decode(decisions) == compound(SMALL, made.coefficients(decisions))
        assert made.recognise(made.decode(decisions)).keys() == decisions.keys()


def test_a_cell_and_its_coefficients_are_searched_together() -> None:
    base = load_space("tiny")
    made = Space({**base.to_data(), "scale": {"choose": [[1, 1, 1], [1, 1, 1.5], [1, 2, 1]], "name": "how"}})
    kit.check(made)
    assert made.count() == 3 * base.count()
    assert list(made.choices) == [*base.choices, "how"]
    assert Space(parse(made.to_yaml())).to_data() == made.to_data()
    decisions = {**base.recognise(base.decode(base.decode_vector(base.encode(kit.enumerate_all(base).__next__())))), "how": "[1, 2, 1]"}
    assert made.decode(decisions) == compound(base.decode({k: v for k, v in decisions.items() if k != "how"}), Coefficients(width=2.0))


def test_the_input_of_a_space_is_that_of_the_base() -> None:
    made = scaled({"choose": [[1, 1, 1], [1, 1, 1.5]], "name": "how"}).with_input((1, 8, 8), 5)
    assert [made.decode({"how": option}).input for option in made.choices["how"]] == [(1, 8, 8), (1, 12, 12)]
    assert {made.decode({"how": option}).classes for option in made.choices["how"]} == {5}
    # A network of another task is known by its depth and width, one of this task by its resolution, too.
    assert made.recognise(SMALL.with_input((3, 99, 99), 7)) == {"how": "[1, 1, 1]"}
    assert made.recognise(SMALL.with_input((1, 12, 12), 5)) == {"how": "[1, 1, 1.5]"}
    with pytest.raises(SpaceError, match="none of the 2"):
        made.recognise(SMALL.resized(width=3))


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        ([1, 2], "scale="), ([1, 2, "x"], "scale.resolution='x'"), ({"depth": 0}, "depth=0.0"), ([1, math.nan, 1], "width=nan"),
        (None, "scale=None"), ({"deep": 2}, "'deep'"), ({"choose": []}, "scale.choose"), ([1, 1, math.inf], "resolution=inf"),
        ([1, 1, 1], "no field"),
    ],
)  # fmt: skip
def test_a_bad_scale_is_named(scale: Any, said: str) -> None:
    with pytest.raises(SpaceError) as caught:
        scaled(scale)
    assert said in str(caught.value)


# ---- which triples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.05, 0.1, 0.25])
def test_triples_double_the_cost_and_scale_two_dimensions_or_more(step: float) -> None:
    made = list(triples(step))
    assert made[0] == PAPER
    assert len(made) >= 3
    for by in made:
        assert all(value >= 1 for value in by)
        assert abs(by.growth - 2) <= 0.2 + 1e-9
        assert sum(value > 1 for value in by) >= 2
    assert all(abs(each.growth - 2) < 1e-9 for name, each in REFERENCES.items() if name != "base")


@pytest.mark.parametrize("step", [0, -1, 0.01, 1.0, math.nan, "a", True])
def test_a_bad_step_is_named(step: Any) -> None:
    with pytest.raises(NasError, match=r"step=.*allowed: 0.04 to 0.5"):
        next(triples(step))


def test_no_two_candidates_are_one_network() -> None:
    found = grid(SMALL.with_input((1, 8, 8), 10))
    assert list(found.references) == list(REFERENCES)
    made = [compound(SMALL.with_input((1, 8, 8), 10), by).digest for by in (*found.references.values(), *found.triples.values())]
    assert len(set(made)) == len(made)
    assert label(PAPER) in found.triples, "of several triples for one network the paper's own stands for it"
    assert len(grid(SMALL.with_input((3, 224, 224), 10)).triples) > len(found.triples)


def test_a_dimension_that_cannot_be_scaled_is_said() -> None:
    flat = Architecture.from_dict({**SMALL.to_dict(), "stages": [], "head": ["flatten", {"block": "linear", "width": "classes"}]})
    found = grid(flat)
    assert "depth only" not in found.references
    assert any("no depth only scaling" in line and "same network as base" in line for line in found.left_out)


def test_a_network_that_cannot_be_scaled_is_named() -> None:
    bare = Architecture.from_dict(
        {"name": "bare", "input": [1, 1, 1], "classes": 2, "stages": [], "head": ["flatten", {"block": "linear", "width": "classes"}]}
    )
    with pytest.raises(NasError, match="bare at input 1x1x1 cannot be scaled"):
        grid(bare)


def test_a_network_that_does_not_fit_the_images_is_said_to_be_so() -> None:
    with pytest.raises(ArchitectureError, match="lenet5 does not fit images of 1x8x8, before it is scaled: "):
        grid(load_one("lenet5").with_input((1, 8, 8), 10))


# ---- training at a candidate's own resolution ----------------------------------------------------------------------


def test_resampled_images_train_as_if_the_data_set_had_them() -> None:
    from dataclasses import replace

    from nas.build import resample
    from nas.data import load
    from nas.training.augment import Normalisation
    from nas.training.dataset import TrainingData

    recipe = Recipe(batch=64, translate=0.0, flip=False, cutout=0.0)
    data = TrainingData.of(load("digits"), 0.2, 0, torch.device("cpu")).part(0.2, 0)
    shown = resample(data.normalisation(data.images).permute(0, 3, 1, 2), (11, 11)).permute(0, 2, 3, 1).contiguous()
    plain = replace(data, images=shown, normalisation=Normalisation(torch.zeros(1), torch.ones(1), 0.0, 1.0))
    results = []
    for each, size in ((data, (11, 11)), (plain, None)):
        torch.manual_seed(0)
        module = SMALL.with_input((1, 11, 11), 10).build()
        metrics = train(module, each, recipe, 1, seed=3, size=size)
        assert judge(module, each, recipe, size=size) == metrics["accuracy"]
        results.append((metrics["accuracy"], metrics["train_loss"], metrics["val_loss"]))
    assert results[0] == pytest.approx(results[1], rel=1e-4)


def test_the_evaluator_trains_at_the_candidates_own_resolution() -> None:
    candidate = compound(SMALL.with_input((1, 8, 8), 10), Coefficients(resolution=1.5))
    facts = {}
    for resample in (True, False):
        evaluator: Any = create("training", resample=resample)
        assert create("training", **evaluator.settings()).settings() == evaluator.settings()  # type: ignore[attr-defined]
        outcome = run(evaluator, candidate, Fidelity(1, samples=0.1, test=True), Evaluation(seed=1))
        assert outcome.state == "complete", outcome.reason
        facts[resample] = outcome.metrics["macs"]
    assert facts[True] == candidate.cost(aux=False).macs
    assert facts[False] == candidate.with_input((1, 8, 8), 10).cost(aux=False).macs


def test_a_proxy_of_scaled_candidates_keeps_them_as_they_are() -> None:
    evaluator: Any = create("training", resample=True)
    base = SMALL.with_input((1, 8, 8), 10)
    fidelity = evaluator.prepare(space(base, grid(base).triples), 20.0, 0)
    assert (fidelity.width, fidelity.depth) == (1.0, 1.0)
    with pytest.raises(NasError, match="resample=True"):
        create("training").check(space(base, grid(base).triples))  # type: ignore[attr-defined]


def test_few_candidates_are_trained_for_longer() -> None:
    costs = {(1.0, 1.0): [Seconds(0.1, 1e-3, 1e-3)]}
    many, few, five = (plan(costs, 1000, 200, 300.0, most).fidelity for most in (math.inf, 10, 2))
    assert many.epochs < few.epochs < five.epochs
    assert plan(costs, 1000, 200, 300.0, 10).candidates >= 10


# ---- the search ----------------------------------------------------------------------------------------------------


def search(out: Path, **options: Any) -> Study:
    values = {"evaluator": SEEDED, "budget": "5m", "engine": "local", "out": out, "confirm": "2x3"}
    return nas.scale_search(**({"network": SMALL} | values | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return search(tmp_path_factory.mktemp("scale") / "run")


def test_every_candidate_is_tried_once_what_they_are_held_against_first(whole: Study) -> None:
    tried = [trial.decisions[DECISION] for trial in whole.trials]
    assert tried[:4] == list(REFERENCES)
    assert sorted(tried) == sorted(whole.space.choices[DECISION])  # type: ignore[type-var]
    assert len({trial.digest for trial in whole.trials}) == len(tried)
    assert all(whole.space.decode(trial.decisions).digest == trial.digest for trial in whole.trials)


def test_the_best_triples_and_all_references_are_trained_again(whole: Study) -> None:
    own = [trial for trial in whole.ranked() if trial.decisions[DECISION] not in REFERENCES]
    again = {item.trial.number: item for item in whole.confirmation}
    assert set(again) == {0, 1, 2, 3, own[0].number, own[1].number}
    assert all(len(item.values) == 3 and item.interval == t_interval(item.values) for item in again.values())
    assert whole.best == own[0]
    assert load_one(whole.directory).digest == own[0].digest, "best.yaml is no reference"
    assert load_one(whole.directory / "confirmed.yaml").digest in {trial.digest for trial in own[:2]}


def test_what_is_found_is_held_against_the_best_single_dimension(whole: Study) -> None:
    found = plain(whole)
    means = {row["name"]: row["mean"] for row in found["tried"] if row["mean"] is not None}
    assert found["best"]["mean"] == max(mean for name, mean in means.items() if name not in REFERENCES)
    assert found["control"]["mean"] == max(means[name] for name in REFERENCES if name != "base")
    made, interval = difference(found["best"]["values"], found["control"]["values"])
    assert (found["comparison"]["difference"], found["comparison"]["interval"]) == (made, interval)
    assert found["comparison"]["better"] == (interval is not None and interval[0] > 0)
    assert found["pending"] == 0
    assert found["command"].startswith("nas scale small --phi 1 --alpha ")
    base = next(row for row in found["tried"] if row["name"] == "base")
    for row in found["tried"]:
        architecture = compound(SMALL, Coefficients(row["depth"], row["width"], row["resolution"]))
        assert (row["digest"], row["macs"]) == (architecture.digest, architecture.cost(aux=False).macs)
        assert row["macs_growth"] == row["macs"] / base["macs"]


@pytest.mark.parametrize("after", [3, 60])
def test_broken_off_it_goes_on_to_the_same(whole: Study, tmp_path: Path, after: int) -> None:
    after = min(after, len(whole.trials) + 5)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "run", observer=Watching(after, interrupt))
    half = open_study(tmp_path / "run")
    assert sum(trial.finished for trial in half.trials) == min(after, len(whole.trials))
    assert plain(half)["pending"] > 0
    nas.resume(tmp_path / "run", evaluator=SEEDED)
    again = open_study(tmp_path / "run")
    assert proposals(again) == proposals(whole)
    assert plain(again)["comparison"] == plain(whole)["comparison"]
    nas.resume(tmp_path / "run", evaluator=SEEDED)  # nothing is left to do
    assert proposals(open_study(tmp_path / "run")) == proposals(again)


def test_another_strategy_goes_on_until_the_budget_ends(tmp_path: Path) -> None:
    study = search(tmp_path / "run", strategy="random", budget="9trials", confirm=None)
    assert [trial.how for trial in study.trials] == ["start"] * 4 + ["sample"] * 5
    found = plain(study)
    assert found["comparison"]["confirmed"] is False
    assert found["comparison"]["interval"] is None


def test_an_evaluator_that_plans_by_time_alone_will_do(tmp_path: Path) -> None:
    class Planning(type(SEEDED)):  # type: ignore[misc]
        def prepare(self, space: Space, seconds: float, seed: int) -> Fidelity:
            return Fidelity(epochs=3)

    study = search(tmp_path / "run", evaluator=Planning(), budget="1h,5trials", confirm=None)
    assert study.settings.fidelity["epochs"] == 3


def test_a_budget_for_a_few_candidates(tmp_path: Path) -> None:
    study = search(tmp_path / "run", budget="2trials", confirm=None)
    found = plain(study)
    assert (found["best"], found["command"], found["comparison"]) == (None, None, None)
    assert found["control"]["name"] == "depth only"
    assert nas.open_study(tmp_path / "run").best is not None, "with nothing else a reference"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"budget": "5 parsecs"}, NasError, "parsecs"),
        ({"step": 2}, NasError, "step=2"),
        ({"control": True}, NasError, "references of its own"),
        ({"confirm": "x"}, NasError, "confirm='x'"),
        ({"strategy": "nope"}, NasError, "nope"),
        ({"evaluator": "training", "dataset": "nope"}, NasError, "nope"),
        ({"evaluator": "training", "evaluator_options": {"resample": False}}, NasError, "resample=True"),
        ({"evaluator": "zero-cost:naswot", "dataset": "digits"}, NasError, "resolution"),
        ({"network": "no_such_network"}, NasError, "no_such_network"),
    ],
)
def test_bad_input_is_said_before_anything_is_written(options: Any, error: type[Exception], said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said):
        search(tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_space_of_ones_own_is_searched_at_its_resolutions(tmp_path: Path) -> None:
    own = scaled({"choose": [[1, 1, 1], [1, 1, 1.5]], "name": "how"})
    study = nas.search(own, budget="2trials", strategy="grid", engine="local", fidelity=Fidelity(1, samples=0.1), out=tmp_path / "run")
    assert study.settings.evaluator_options["resample"] is True
    assert {trial.architecture.input for trial in study.trials} == {(1, 8, 8), (1, 12, 12)}
    assert all(trial.metrics["macs"] == trial.architecture.cost(aux=False).macs for trial in study.trials)


def test_an_ensemble_is_not_scaled(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(nas.ensemble([SMALL, SMALL]).to_yaml())
    with pytest.raises(ArchitectureError, match="ensemble"):
        search(tmp_path / "run", network=path)


def test_no_random_control_is_added_later(whole: Study) -> None:
    with pytest.raises(StudyError, match="references of its own"):
        nas.resume(whole.directory, evaluator=SEEDED, control=True)


# ---- the command line ----------------------------------------------------------------------------------------------


@click.command()
@click.argument("network")
@click.option("--search", is_flag=True)
@click.option("--out", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
@click.option("--phi", type=float)
@cli.search_options
@click.pass_context
def scale(context: click.Context, network: str, search: bool, out: Path | None, as_json: bool, **options: Any) -> None:
    """What stands for `nas scale` here."""
    cli.refuse(context, search)
    phi = options.pop("phi")
    if search:
        cli.run(network, out=out, as_json=as_json, **options)
    else:
        assert phi is not None


def call(*arguments: object) -> None:
    scale.main(list(map(str, arguments)), standalone_mode=False)


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL.to_yaml())
    fast = ("--engine", "local", "--epochs", 1, "--budget", "5trials", "--confirm", "1x2", "--confirm-epochs", 1)
    call("small.yaml", "--search", "--out", "run", "--dataset", "digits", *fast)
    text = capsys.readouterr().out
    for part in (*REFERENCES, "95% interval", "best triple: depth ", "triple less single dimension"):
        assert part in text
    assert "use:   nas scale small.yaml --phi 1 --alpha " in text
    study = open_study("run")
    assert {trial.metrics["epochs"] for trial in study.trials} == {1.0}
    assert all(trial.metrics["macs"] == trial.architecture.cost(aux=False).macs for trial in study.trials)
    status = command_line(capsys, monkeypatch, "status", "run")
    assert text[text.index("small.yaml scaled") :] == status.out[status.out.index("small.yaml scaled") :]
    found = json.loads(command_line(capsys, monkeypatch, "status", "run", "--json").out)
    assert found["coefficients"] == json.loads(json.dumps(plain(study)))
    assert command_line(capsys, monkeypatch, "resume", "run").out.endswith(status.out)


def test_json_alone_goes_to_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.to_yaml())
    call(path, "--search", "--json", "--out", tmp_path / "run", "--engine", "local", "--epochs", 1, "--budget", "5trials", "--confirm", 0)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["network"] == str(path)
    assert "trial" in captured.err


def test_options_of_the_search_need_it() -> None:
    call("resnet20", "--phi", 1)
    with pytest.raises(NasError, match=r"--budget is for the search for coefficients; allowed: with --search"):
        call("resnet20", "--phi", 1, "--budget", "5m")
    with pytest.raises(NasError, match=r"--phi is for how a network is scaled; allowed: without --search"):
        call("resnet20", "--search", "--phi", 1)
    assert {"budget", "dataset", "step", "confirm", "workers", "storage"} < set(cli.names())


def test_notes_say_what_is_tried(tmp_path: Path) -> None:
    lines: list[str] = []

    class Noting(Observer):
        def note(self, line: str) -> None:
            lines.append(line)

    search(tmp_path / "run", observer=Noting(), confirm=None, budget="1trials")
    assert "different networks of about twice the cost, and base, depth only, width only, resolution only" in lines[0]
