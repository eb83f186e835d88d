"""`nas report` and `nas watch`: what they say of a study, how it is written and served. The page itself: `tests/test_page.py`."""

from __future__ import annotations

import datetime
import html
import json
import math
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nas
from nas.arch.text import dump
from nas.errors import NasError, StudyError
from nas.objectives import Objective
from nas.report.live import Server
from nas.report.page.columns import CURVE, clock, curve, digits, encoded, in_base_36, moments, number, short_ids
from nas.report.page.data import Reading, page_data
from nas.report.page.decisions import count_text, decisions, operations, script_json, space_data
from nas.report.page.render import render, to_json
from nas.spaces import files
from nas.spaces.form import form, resolve
from nas.study import Trial, open_study
from nas.study.importance import LEAST, best_of, importances
from nas.study.leading import comparable
from tests.cli import Run
from tests.cli import nas as call

BEGIN = datetime.datetime(2026, 1, 1)


def evaluate(architecture: nas.Architecture, fidelity: object) -> dict[str, float]:
    """Made up, and the same in every process; more parameters help a little."""
    params = architecture.cost(aux=False).params
    return {"accuracy": 0.5 + 0.3 * math.tanh(params / 1e5) + int(architecture.digest[:4], 16) / 2**19, "params": params}


def search(out: Path, budget: str = "24trials", **options: Any) -> Any:
    given = {"strategy": "evolution(population=6,sample=3)", "evaluator": evaluate, "engine": "local", "seed": 3, **options}
    return nas.search("tiny", budget=budget, out=out, **given)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that has ended, with a confirmation and a control."""
    folder = tmp_path_factory.mktemp("report") / "run"
    search(folder, confirm="2x2", control=True)
    return folder


@pytest.fixture(scope="module")
def data(run: Path) -> dict[str, Any]:
    return page_data(open_study(run))


@pytest.fixture
def type_in(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path) -> Callable[..., Run]:
    """The command line, beside the run."""
    monkeypatch.chdir(run.parent)
    return partial(call, capsys, monkeypatch)


# What the page is told --------------------------------------------------------------------------------------------


def test_candidates_come_back_from_their_decisions(run: Path, data: dict[str, Any]) -> None:
    """As the page does it: numbers in base 36, the space's form, a document."""
    study = open_study(run)
    made = json.loads(to_json(data))
    for trial, text in zip(study.trials, made["trials"]["decisions"], strict=True):
        width = made["space"]["digits"]
        numbers = [int(text[i : i + width], 36) for i in range(0, len(text), width)]
        rows = zip(made["space"]["decisions"], numbers, strict=True)
        chosen = {row["name"]: row["options"][i - 1] for row, i in rows if i}
        assert chosen == trial.decisions
        found = nas.Architecture.from_yaml(dump(resolve(made["space"]["form"], chosen)))
        assert found.digest == trial.digest
        assert trial.digest.startswith(made["trials"]["digest"][trial.number])


def test_the_page_is_told_what_the_study_says(run: Path, data: dict[str, Any]) -> None:
    study = open_study(run)
    best, trials = study.best, study.trials
    assert best is not None
    assert data["best"] == data["winner"]["trial"] == best.number
    assert data["winner"]["yaml"] == best.yaml
    assert data["trials"]["values"] == [[number(trial.value) for trial in trials]]
    assert data["trials"]["params"] == [trial.architecture.cost(aux=False).params for trial in trials]
    assert data["trials"]["parent"] == [trial.parent for trial in trials]
    assert max(data["trials"]["clock"]) == pytest.approx(study.ledger().device_seconds, rel=1e-6)
    assert data["state"] == "ended"
    assert ["trials", "24 finished"] in data["summary"]
    assert data["goals"] == [{"name": "accuracy", "label": "accuracy", "maximise": True, "unit": "%", "fraction": True}]
    assert data["run_yaml"] == (run / "run.yaml").read_text()
    assert {len(column) for name, column in data["trials"].items() if name != "values"} == {24}


def test_what_it_is_held_against(run: Path, data: dict[str, Any]) -> None:
    study = open_study(run)
    control = study.control
    assert control is not None
    assert data["control"]["trials"]["value"] == [number(trial.value) for trial in control.trials]
    assert [row["mean"] for row in data["confirmed"]["rows"]] == [number(item.mean) for item in study.confirmation]
    assert [row["trial"] for row in data["confirmed"]["control"]] == [item.trial.number for item in control.confirmation]
    assert data["verdict"].startswith("search less control")
    assert [name for name, *_ in data["ledger"]["following"]] == ["confirm", "control", "control/confirm"]


def test_importances_are_shares(data: dict[str, Any]) -> None:
    shares = [share for _, share in data["importance"]["rows"]]
    assert sum(shares) == pytest.approx(1.0, abs=0.01)
    assert shares == sorted(shares, reverse=True)
    assert data["importance"]["goals"][0]["rows"] == data["importance"]["rows"]


def test_several_objectives_have_a_front_and_importances_each(tmp_path: Path) -> None:
    made = search(tmp_path / "run", objectives=("accuracy", "params"), strategy="nsga2")
    data = page_data(made)
    assert data["front"] == [trial.number for trial in made.front]
    assert [goal["goal"] for goal in data["importance"]["goals"]] == ["accuracy", "params"]
    assert data["goals"][1] == {"name": "params", "label": "parameters", "maximise": False, "unit": "count", "fraction": False}
    assert len(data["trials"]["values"]) == 2


def test_a_study_without_results(tmp_path: Path) -> None:
    def fails(architecture: nas.Architecture, fidelity: object) -> dict[str, float]:
        raise ValueError(f"<b>no</b> {architecture.digest[:4]}")

    with pytest.raises(NasError):
        search(tmp_path / "run", "3trials", evaluator=fails)
    data = page_data(open_study(tmp_path / "run"))
    assert (data["best"], data["winner"], data["importance"], data["control"], data["confirmed"]) == (None, None, None, None, None)
    assert "too few" in data["hints"]["importance"]
    assert data["trials"]["state"] == ["F", "F", "F"]
    assert None not in data["trials"]["kind"]
    assert "<b>no</b>" in data["strings"][data["trials"]["reason"][0]]
    assert "<b>no" not in to_json(data)
    assert isinstance(open_study(tmp_path / "run")._repr_html_(), str)


# The columns -------------------------------------------------------------------------------------------------------


def trial(number: int, begin: float | None = None, end: float | None = None, **fields: Any) -> Trial:
    times = tuple(None if at is None else BEGIN + datetime.timedelta(seconds=at) for at in (begin, end))
    state = fields.pop("state", "COMPLETE" if end is not None else "RUNNING")
    return Trial(number, state, fields.pop("value", None), fields.pop("decisions", {}), "", "", times=times, **fields)  # type: ignore[arg-type]


def test_time_in_which_nothing_ran_does_not_count() -> None:
    found = moments([trial(0, 0, 10), trial(1, 5, 20), trial(2, 1000, 1010), trial(3, 1005, None), trial(4), trial(5, 2000, 2001)])
    assert found[0] == (0, 10)
    assert found[1] == (5, 20)
    assert found[2] == (20, 30)
    assert found[3] == (25, None)
    assert found[4] == (None, None)
    assert found[5] == (30, 31)


def test_the_clock_goes_by_completion() -> None:
    done = [trial(0, 0, 9, device_seconds=9.0, order=1), trial(1, 0, 3, device_seconds=3.0, order=0), trial(2, 0, device_seconds=99.0)]
    assert clock(done) == {1: 3.0, 0: 12.0}


def test_a_long_curve_keeps_its_ends() -> None:
    points = tuple((float(i), i / 1000, 0.0) for i in range(1, 1001))
    made = curve(trial(0, curve=points))
    assert made is not None
    assert (len(made[0]), made[0][0], made[0][-1], made[1][-1]) == (CURVE, 1, 1000, 1)
    assert curve(trial(0)) is None


def test_numbers_are_what_json_knows() -> None:
    assert [number(value) for value in (None, math.nan, math.inf, 1.0, 0.1234567, 12345678.0)] == [None, None, None, 1, 0.123457, 12345700]
    assert [int(in_base_36(value, 3), 36) for value in range(2000)] == list(range(2000))
    assert [digits({"a": range(size)}) for size in (2, 35, 36, 1000)] == [1, 1, 2, 2]


def test_devices_have_names_that_fit_a_table() -> None:
    assert short_ids(f"{'0f' * 28}, worker 0") == "node 0f0f0f, worker 0"
    assert short_ids("cuda:0 of deadbeef") == "cuda:0 of deadbeef"


def test_decisions_of_another_program_are_not_known() -> None:
    places: Any = {"a": {(int, 1): 1, (bool, True): 2}, "b": {(str, "x"): 1}}
    assert encoded({"a": True}, places) == "20"
    assert encoded({"a": 1, "b": "x"}, places) == "11"
    assert encoded({"a": 7}, places) is None
    assert encoded({}, places) is None


def test_only_what_was_looked_at_most_closely_is_compared() -> None:
    given = [
        trial(0, 0, 1, value=0.5, values=(0.5,), fraction=0.5), trial(1, 0, 1, value=0.4, values=(0.4,)),
        trial(2, 0, 1, value=0.9, values=(0.9,), stopped=1.0), trial(3, 0, 1, value=0.9, values=(0.9,), phase="train"),
    ]  # fmt: skip
    assert [item.number for item in comparable(given)] == [1]


# The space ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", files.names())
def test_every_operation_of_a_space_has_a_name_and_a_colour(name: str) -> None:
    space = files.load(name)
    known = operations(space)
    made = resolve(form(space), space.sample(random.Random(name)))
    blocks = [block for part in ("stem", "head") for block in made.get(part, ())]
    for block in [*blocks, *(block for stage in made["stages"] for block in (stage if isinstance(stage, list) else [stage]))]:
        op = block["block"] if isinstance(block, dict) else block
        if isinstance(op, dict) and "layers" in op:
            continue  # a graph of layers has too many ways to list; its layers are operations of their own
        assert script_json(op) in known, op
    for row in space_data(space)["decisions"]:
        assert row["kind"] in ("operation", "input", "width", "number", "other")
        assert row["kind"] != "operation" or len(row["short"]) == len(row["families"]) == len(row["options"])


def test_kinds_of_decisions() -> None:
    kinds = {row["name"]: row["kind"] for row in decisions(files.load("nasnet-cell"), form(files.load("nasnet-cell")))}
    assert kinds["normal.nodes[0][0].op"] == "operation"
    assert kinds["normal.nodes[0][0].from"] == "input"
    assert kinds["normal.nodes[0].combine"] == "other"
    macro = {row["name"]: row for row in decisions(files.load("enas-macro"), form(files.load("enas-macro")))}
    assert macro["1.op"]["short"][1] == "sep conv 3x3"
    assert macro["2.reads=0"]["kind"] == "input"


def test_counts_are_read_at_a_glance() -> None:
    assert [count_text(count) for count in (15_625, 5_199_990_000_000, 10**400)] == ["15,625", "5.2e+12", "10^400"]


# What decisions were worth -----------------------------------------------------------------------------------------


def judged(count: int) -> list[Trial]:
    """`op` decides, `width` hardly, `depth` is there only for one of the operations and does nothing."""
    rng, made = random.Random(0), []
    for i in range(count):
        chosen: dict[str, Any] = {"op": rng.choice(["conv", "pool", "skip"]), "width": rng.choice([1, 2])}
        if chosen["op"] == "conv":
            chosen["depth"] = rng.choice([1, 2, 3])
        value = (chosen["op"] == "conv") + 0.01 * chosen["width"] + 0.1 * rng.random()
        made.append(trial(i, 0, 1, value=value, values=(value,), decisions=chosen))
    return made


OPTIONS: dict[str, tuple[object, ...]] = {"op": ("conv", "pool", "skip"), "width": (1, 2), "depth": (1, 2, 3), "never": (1, 2), "one": (1,)}


def test_the_decision_that_decides_is_worth_most() -> None:
    found = importances(judged(200), Objective("accuracy"), OPTIONS)
    assert next(iter(found)) == "op"
    assert found["op"] > 0.5
    assert set(found) == {"op", "width", "depth"}
    assert sum(found.values()) == pytest.approx(1.0)
    assert found == importances(judged(200), Objective("accuracy"), OPTIONS)


def test_few_trials_are_told_by_their_best_five() -> None:
    assert [best_of(count) for count in (20, 50, 51, 5000)] == [5, 5, 6, 500]
    assert next(iter(importances(judged(40), Objective("accuracy"), OPTIONS))) == "op"


def test_of_a_cost_less_is_better() -> None:
    turned = [trial(t.number, 0, 1, value=-t.values[0], values=(-t.values[0],), decisions=t.decisions) for t in judged(200)]
    assert importances(turned, Objective("loss", maximise=False), OPTIONS) == importances(judged(200), Objective("accuracy"), OPTIONS)


def test_few_or_equal_trials_say_nothing() -> None:
    with pytest.raises(StudyError, match="too few"):
        importances(judged(LEAST - 1), Objective("accuracy"), OPTIONS)
    equal = [trial(i, 0, 1, value=1.0, values=(1.0,), decisions={"op": "conv"}) for i in range(LEAST)]
    with pytest.raises(StudyError, match="same value"):
        importances(equal, Objective("accuracy"), OPTIONS)


# The file ----------------------------------------------------------------------------------------------------------


def embedded(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="report-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    made: dict[str, Any] = json.loads(found[1])
    return made


def test_it_writes_one_file_that_asks_for_nothing(type_in: Callable[..., Run], run: Path) -> None:
    said = type_in("report", "run")
    assert said.status == 0, said.err
    assert said.out.startswith("wrote run/report.html (")
    text = (run / "report.html").read_text()
    assert embedded(text)["name"] == "run"
    assert not re.search(r'(?:src|href)="(?!#|data:)', text.split("<script", 1)[0])
    assert type_in("report", "run", "--out", "elsewhere.html").status == 0
    assert len(Path("elsewhere.html").read_bytes()) == pytest.approx(len(text.encode()), abs=5000)


def test_it_prints_what_the_page_shows(type_in: Callable[..., Run], data: dict[str, Any]) -> None:
    printed = json.loads(type_in("report", "run", "--json").out)
    here = ("made", "winner", "hints", "why")  # name the folder from where the command was typed
    assert {name: value for name, value in printed.items() if name not in here} == {
        name: value for name, value in json.loads(to_json(data)).items() if name not in here
    }


def test_wrong_things(type_in: Callable[..., Run], tmp_path: Path) -> None:
    (tmp_path / "train.yaml").write_text("")
    for words, fault in (
        (("report", "nothing"), "no such folder"),
        (("report", str(tmp_path)), "is a training, which `nas status"),
        (("report", "run", "--out", "no/such/report.html"), "no such folder"),
        (("report", "run", "--json", "--open"), "--json prints"),
        (("watch", "nothing"), "no such folder"),
        (("watch", "run", "--host", "203.0.113.1"), "cannot listen there"),
    ):
        said = type_in(*words)
        assert said.status == 2
        assert fault in said.err
        assert len(said.err.splitlines()) == 1


def test_hostile_texts_end_no_script(data: dict[str, Any]) -> None:
    evil = "</script><script>alert(1)</script><!--\u2028/*CSS*/<!--DATA-->"
    text = render({**data, "title": evil, "name": evil, "notes": [evil]})
    assert embedded(text)["notes"] == [evil]
    assert "<script>alert" not in text
    assert html.escape(evil) in text


def test_five_thousand_trials_are_under_8_mb(data: dict[str, Any], tmp_path: Path) -> None:
    """With the space that has most decisions, and a curve of ten points for every trial."""
    space = files.load("nas-rnn")
    big = {name: (column * 209)[:5000] for name, column in data["trials"].items() if name != "values"}
    big["decisions"] = ["".join(map(in_base_36, space.encode(space.sample(random.Random(i % 50))))) for i in range(5000)]
    big["curve"] = [[list(range(10)), [round(random.Random(i).random(), 5)] * 10] for i in range(5000)]
    text = render({**data, "space": space_data(space), "trials": {**big, "values": [data["trials"]["values"][0] * 209]}})
    assert len(text.encode()) < 8_000_000


# In a notebook -----------------------------------------------------------------------------------------------------


def test_a_study_shows_itself(run: Path, tmp_path: Path) -> None:
    study = open_study(run)
    page = study.report(tmp_path / "page.html")
    assert page.path == tmp_path / "page.html"
    assert Path(page).read_text().lower().startswith("<!doctype html>")
    shown = page._repr_html_()
    assert shown.startswith("<iframe")
    assert html.escape(Path(page).read_text(), quote=True) in shown
    card = study._repr_html_()
    assert "<svg" in card
    assert "24 finished" in card
    assert "<script" not in card


# Live --------------------------------------------------------------------------------------------------------------


class Steps:
    """An evaluator that waits to be told, so that a search stands still while it is looked at."""

    def __init__(self) -> None:
        self.go, self.count = threading.Semaphore(0), 0

    def __call__(self, architecture: nas.Architecture, fidelity: object) -> dict[str, float]:
        self.go.acquire(timeout=60)
        self.count += 1
        return {"accuracy": self.count / 100}


@contextmanager
def live(run: Path) -> Iterator[Server]:
    server = Server(open_study(run), seconds=0.05)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)


def fetch(url: str, **headers: str) -> tuple[int, bytes, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def eventually(what: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def opens(run: Path) -> bool:
    try:
        return bool(open_study(run).trials)
    except StudyError:  # it is just beginning
        return False


def test_it_follows_a_search(tmp_path: Path) -> None:
    steps = Steps()
    thread = threading.Thread(target=lambda: search(tmp_path / "run", "4trials", evaluator=steps), daemon=True)
    thread.start()
    eventually(lambda: opens(tmp_path / "run"))
    with live(tmp_path / "run") as server:

        def told() -> dict[str, Any]:
            made: dict[str, Any] = json.loads(fetch(server.url + "data.json")[1])
            return made

        eventually(lambda: told()["trials"]["state"] == ["R"])
        assert told()["state"] == "running"
        assert told()["live"] == {"url": "data.json", "seconds": 0.05}
        steps.go.release()
        eventually(lambda: told()["trials"]["state"] == ["C", "R"])
        assert told()["best"] == 0
        steps.go.release(3)
        thread.join(60)
        eventually(lambda: told()["state"] == "ended")
        assert embedded(fetch(server.url)[1].decode())["trials"]["state"] == ["C"] * 4


def test_it_is_told_once(run: Path) -> None:
    with live(run) as server:
        status, body, headers = fetch(server.url + "data.json")
        assert status == 200
        assert json.loads(body)["best"] is not None
        assert fetch(server.url + "data.json", **{"If-None-Match": headers["ETag"]})[:2] == (304, b"")
        assert fetch(server.url + "run.yaml")[0] == 404
        assert fetch(server.url, Host="evil.example")[0] == 403


def test_a_record_that_goes_away_leaves_what_was_seen(tmp_path: Path) -> None:
    search(tmp_path / "run", "3trials")
    with live(tmp_path / "run") as server:
        first = json.loads(fetch(server.url + "data.json")[1])
        journal = tmp_path / "run" / "study.journal"
        journal.write_bytes(journal.read_bytes() + b"garbage\n")
        time.sleep(0.5)
        assert json.loads(fetch(server.url + "data.json")[1])["trials"] == first["trials"]


def test_a_reading_keeps_what_does_not_change(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(open_study(run))
    first = reading.data(running=False)
    monkeypatch.setattr("nas.report.page.data._winner", lambda *_: pytest.fail("drawn again"))
    monkeypatch.setattr("nas.report.page.data._worth", lambda *_: pytest.fail("worked out again"))
    assert {**reading.data(running=False), "made": ""} == {**first, "made": ""}


def test_ctrl_c_ends_it(run: Path) -> None:
    command = [sys.executable, "-m", "nas", "watch", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        assert fetch(url)[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
