"""The command line: every verb, its JSON, and bad input that is one clear line with exit status 2."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import nas as package
from nas import baselines, spaces
from nas.cli.app import VERBS
from tests.cli import Run, nas

Call = Callable[..., Run]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`call("show", "resnet50")` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch)


SEARCH = ("search", "--space", "tiny", "--engine", "local", "--budget", "3trials", "--epochs", 1, "--width", 0.5)


def test_help_names_every_verb(call: Call) -> None:
    run = call("--help")
    assert run.status == 0
    assert all(verb in run.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_has_examples(call: Call, verb: str) -> None:
    run = call(verb, "--help")
    assert run.status == 0
    assert f"nas {verb}" in run.out.split("Examples:")[1]


@pytest.mark.parametrize("name", baselines.names())
def test_show_baselines(call: Call, name: str) -> None:
    run = call("show", name)
    assert run.status == 0
    assert f"{package.load(name).cost().params:,}" in run.out


@pytest.mark.parametrize("by", ["layer", "block", "stage"])
@pytest.mark.parametrize("name", ["googlenet", "nasnet_a_cifar", "vit_b16"])
def test_show_rows_add_up_at_every_level(call: Call, name: str, by: str) -> None:
    run = call("show", name, "--by", by, "--json")
    shown = json.loads(run.out)
    for key in ("params", "macs", "activations"):
        assert sum(row[key] for row in shown["layers"]) == shown[key] == getattr(package.load(name).cost(), key)


def test_show_counts_without_auxiliary_heads(call: Call) -> None:
    shown = json.loads(call("show", "googlenet", "--json").out)
    assert (shown["params"], shown["inference"]["params"]) == (13_004_888, 6_624_904)
    table = call("show", "googlenet").out
    assert "13,004,888" in table
    assert "6,624,904" in table


def test_show_other_input_and_classes(call: Call) -> None:
    shown = json.loads(call("show", "resnet50", "--input", "1x64x48", "--classes", 7, "--json").out)
    assert shown["input"] == [1, 64, 48]
    assert shown["layers"][-1]["output"] == [7]


def test_show_yaml_is_read_again(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(call("show", "mobilenet_v2", "--yaml").out)
    assert json.loads(call("show", "mine.yaml", "--json").out)["digest"] == package.load("mobilenet_v2").digest


def test_show_draws(call: Call, tmp_path: Path) -> None:
    assert call("show", "nasnet_a_cifar", "--svg", "cell.svg").status == 0
    assert (tmp_path / "cell.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("kind", ["baselines", "spaces", "strategies", "datasets", "recipes", "operations"])
def test_list(call: Call, kind: str) -> None:
    rows = json.loads(call("list", kind, "--json").out)
    table = call("list", kind).out
    assert rows
    assert all(row["name"] in table for row in rows)


def test_list_counts_spaces(call: Call) -> None:
    listed = {row["name"]: row["architectures"] for row in json.loads(call("list", "spaces", "--json").out)}
    assert listed == {name: spaces.load(name).count() for name in spaces.names()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shwo",), "show"),
        ((), "Verbs"),
        (("show",), "NETWORK"),
        (("show", "resnet5O"), "resnet50"),
        (("show", "missing.yaml"), "missing.yaml"),
        (("show", "runs/none"), "runs/none"),
        (("show", "resnet50", "--input", "3x224"), "3x224"),
        (("show", "resnet50", "--input", "3x-1x5"), "3x-1x5"),
        (("show", "resnet50", "--input", "0x32x32"), "0x32x32"),
        (("show", "resnet50", "--input", "3x999999999999x3"), "3x999999999999x3"),
        (("show", "resnet50", "--classes", 0), "classes=0"),
        (("show", "vit_b16", "--input", "3x100x100"), "size=16"),
        (("show", "nasnet_a_mobile", "--input", "3x8x8"), "aux"),
        (("show", "resnet50", "--svg", "no/such/folder.svg"), "no/such/folder.svg"),
        (("list", "cells"), "cells"),
        (("status", "runs/none"), "runs/none"),
        (("resume", "runs/none"), "runs/none"),
        (("search", "--space", "nasnet-sell"), "nasnet-cell"),
        (("search", "--strategy", "evolutoin"), "evolution"),
        (("search", "--dataset", "cifar11"), "cifar10"),
        (("search", "--dataset", "npz:none.npz"), "none.npz"),
        (("search", "--budget", "0"), "'0'"),
        (("search", "--budget", "-3h"), "-3h"),
        (("search", "--budget", "12parsecs"), "12parsecs"),
        (("search", "--budget", "1h,,2h"), "budget"),
        (("search", "--budget", "1.5trials"), "1.5trials"),
        (("search", "--workers", 0), "--workers"),
        (("search", "--seed", -1), "--seed"),
        (("search", "--width", 0.5), "--epochs"),
        (("search", "--gpus-per-trial", 0.5, "--engine", "local"), "GPU"),
        (("search", "--address", "auto", "--engine", "local"), "address"),
    ],
)
def test_bad_input_is_one_line_and_status_2(call: Call, tmp_path: Path, arguments: tuple[object, ...], said: str) -> None:
    run = call(*arguments)
    assert run.status == 2
    assert said in run.err + run.out
    assert "Traceback" not in run.err + run.out
    if arguments:
        assert run.err.startswith("error: ")
        assert run.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_search_shows_and_keeps_what_it_found(call: Call, tmp_path: Path) -> None:
    run = call(*SEARCH, "--out", "runs/a")
    assert run.status == 0, run.err
    assert "3 trials finished" in run.out
    assert {"best.yaml", "best.svg", "run.yaml", "study.journal"} <= {path.name for path in (tmp_path / "runs/a").iterdir()}
    status = json.loads(call("status", "runs/a", "--json").out)
    assert status["ledger"]["finished"] == len(status["trials"]) == 3
    best = max(status["trials"], key=lambda trial: trial["value"])
    shown = json.loads(call("show", "runs/a", "--json").out)
    assert shown["digest"] == best["digest"]
    assert shown["input"] == [1, 8, 8], "the network that was found is the one for the data it was searched on"
    assert "best of runs/a" in call("status", "runs/a").out


def test_search_does_not_write_over_a_run(call: Call, tmp_path: Path) -> None:
    call(*SEARCH, "--out", "runs/a")
    before = {path: path.read_bytes() for path in (tmp_path / "runs/a").iterdir()}
    run = call(*SEARCH, "--out", "runs/a")
    assert run.status == 2
    assert "runs/a" in run.err
    assert before == {path: path.read_bytes() for path in (tmp_path / "runs/a").iterdir()}


def test_resume_of_a_finished_search_is_a_summary(call: Call) -> None:
    call(*SEARCH, "--out", "runs/a")
    run = call("resume", "runs/a", "--no-dashboard")
    assert run.status == 0, run.err
    assert "3 trials finished" in run.out


def test_search_in_which_nothing_finishes_ends_with_status_3(call: Call) -> None:
    run = call("search", "--space", "nasnet-cell", "--engine", "local", "--budget", "0.5s", "--epochs", 50, "--out", "runs/a")
    assert run.status == 3
    assert "--budget" in run.err


def test_large_budget_without_a_dataset_says_what_it_searches_on(call: Call) -> None:
    run = call(*SEARCH, "--budget", "2gpuh,1trials", "--data-dir", ".", "--out", "runs/a")
    assert "digits" in run.out
    assert "--dataset cifar10" in run.out


def test_start_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['nas', 'show', 'resnet50']\nfrom nas.cli import main\nmain()\nprint(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    modules = out.splitlines()[-1]
    assert not [name for name in ("torch", "ray", "optuna", "numpy", "pandas") if f"'{name}'" in modules]
