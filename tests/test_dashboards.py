"""`nas dashboard`: optuna-dashboard on a run, to read; and a Grafana dashboard of the series that searches publish."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import BaseStorage

import nas
from nas.engine.ray_metrics import SERIES
from nas.errors import StudyError
from nas.report.serving import is_loopback, only_reading
from nas.study.readonly import read_only
from tests.cli import nas as call
from tests.test_trackers import Curved

TOP = Path(__file__).parent.parent


def search(out: Path, budget: str = "4trials", **options: Any) -> Any:
    return nas.search("tiny", strategy="random", evaluator=Curved(), budget=budget, engine="local", out=out, seed=3, **options)


@pytest.fixture(scope="module", params=["journal", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that has ended."""
    folder = tmp_path_factory.mktemp(request.param)
    url = f"sqlite:///{folder / 'study.db'}" if request.param == "sqlite" else None
    search(folder / "run", storage=url)
    if url:
        search(folder / "another", storage=url, budget="1trials")
    return folder / "run"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with a journal file."""
    folder = tmp_path_factory.mktemp("journal")
    search(folder / "run")
    return folder / "run"


@contextmanager
def served(run: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that `nas dashboard` names, while it listens there."""
    command = [sys.executable, "-m", "nas", "dashboard", str(run), *options]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0], process
        finally:
            process.kill()


def ask(url: str, method: str = "GET", host: str | None = None) -> tuple[int, str]:
    """Status and text."""
    request = urllib.request.Request(url, method=method, headers={"Host": host} if host else {}, data=b"{}" if method != "GET" else None)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_shows_the_run_and_changes_nothing(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.parent.rglob("*") if path.suffix in (".journal", ".db")}
    study = nas.open_study(run)
    with served(run) as (url, process):
        assert url.startswith("http://127.0.0.1:")
        top, number = url.split("/dashboard")[0], url.rpartition("/")[2]
        assert "<html" in ask(url)[1].lower()
        shown = json.loads(ask(f"{top}/api/studies")[1])["study_summaries"]
        assert [item["study_name"] for item in shown] == ["run"]  # not the other one of the database
        trials = json.loads(ask(f"{top}/api/studies/{number}")[1])["trials"]
        assert [(item["number"], item["state"]) for item in trials] == [(trial.number, trial.state.capitalize()) for trial in study.trials]
        for item, trial in zip(trials, study.trials, strict=True):
            attrs = {pair["key"]: pair["value"] for pair in item["user_attrs"]}
            assert attrs["digest"] == trial.digest
            curve = [(point["step"], point["value"]) for point in item["intermediate_values"]]
            assert curve == [(epoch, value) for epoch, value, _ in trial.curve]
        assert ask(f"{top}/api/studies/{number}", "DELETE")[0] == 403
        assert ask(f"{top}/api/studies", "POST")[0] == 403
        assert ask(f"{top}/api/studies/{number}/note", "PUT")[0] == 403
        assert ask(f"{top}/api/studies", host="a-page-elsewhere.com")[0] == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert before == {path: path.read_bytes() for path in before}


def test_it_follows_a_search_that_runs(tmp_path: Path) -> None:
    """What the driver has written since is there at the next look."""
    from nas.engine import Observer

    seen: list[int] = []

    class Looking(Observer):
        def finished(self, finished: Any) -> None:
            storage = self.storage = getattr(self, "storage", None) or read_only(nas.open_study(tmp_path / "run"))
            seen.append(len(storage.get_all_trials(0)))

    search(tmp_path / "run", observer=Looking())
    assert seen == [1, 2, 3, 4] or seen == [2, 3, 4, 4]


def test_no_write_of_a_storage_gets_through(run: Path) -> None:
    storage = read_only(nas.open_study(run))
    reads = {
        "get_study_id_from_name": ("run",), "get_study_name_from_id": (None,), "get_study_directions": (None,),
        "get_study_user_attrs": (None,), "get_study_system_attrs": (None,),
        "get_all_studies": (), "get_trial": (1,), "get_all_trials": (None,),
    }  # fmt: skip
    number = storage.get_study_id_from_name("run")
    for name in sorted(BaseStorage.__abstractmethods__):
        if name in reads:
            getattr(storage, name)(*(number if value is None else value for value in reads[name]))
        else:
            count = len(inspect.signature(getattr(BaseStorage, name)).parameters) - 1
            with pytest.raises(StudyError, match="read-only"):
                getattr(storage, name)(*range(count))
    with pytest.raises(KeyError):
        storage.get_study_id_from_name("another")


def test_another_address_is_said_to_be_open_to_others(journal: Path) -> None:
    with served(journal, "--host", "0.0.0.0") as (url, process):
        assert url.startswith("http://0.0.0.0:")
        process.terminate()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read().startswith("warning: everybody who reaches 0.0.0.0 of this machine can read the record here")


def test_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.1", "example.com")))
    seen: list[str] = []

    def app(environ: dict[str, Any], start: Any) -> list[bytes]:
        return [b"shown"]

    def status(host: str, asked: str, method: str = "GET") -> bool:
        made = only_reading(app, host)({"REQUEST_METHOD": method, "HTTP_HOST": asked}, lambda line, headers: seen.append(line))
        return list(made) == [b"shown"]

    assert status("127.0.0.1", "localhost:80")
    assert status("::1", "[::1]:80")
    assert not status("127.0.0.1", "evil.com")
    assert status("0.0.0.0", "my-machine:80")
    assert not status("0.0.0.0", "my-machine:80", "POST")
    assert seen == ["403 Forbidden"] * 2


def test_wrong_things(journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def error(*arguments: object) -> str:
        made = call(capsys, monkeypatch, "dashboard", *arguments)
        assert made.status == 2
        assert len(made.err.splitlines()) == 1
        return made.err

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen there" in error(journal, "--port", taken.getsockname()[1])
    assert "cannot listen there" in error(journal, "--host", "192.0.2.1")
    assert "no such folder" in error(tmp_path / "none")
    assert "RUN is missing" in error()
    assert "--grafana" in error(journal, "--grafana")
    assert "70000" in error(journal, "--port", "70000")
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert "allowed: pip install 'nas[dashboard]'" in error(journal)


def test_in_a_browser(journal: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine: the page's own scripts are not run; its API is tested above")
    best = nas.open_study(journal).best
    assert best is not None
    with served(journal) as (url, _):
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000")
        page = subprocess.run([browser, *options, "--dump-dom", url], capture_output=True, text=True, timeout=200, check=True)
    assert f"Best Trial (number={best.number})" in page.stdout
    assert str(best.value) in page.stdout
    assert "Timeline" in page.stdout


# ---- Grafana --------------------------------------------------------------------------------------------------------


def published() -> set[str]:
    """Names as Prometheus has them."""
    endings = {"Gauge": ("",), "Counter": ("_total",), "Histogram": ("_bucket", "_sum", "_count")}
    return {f"ray_{name}{ending}" for name, (kind, _, _) in SERIES.items() for ending in endings[kind]}


def test_the_grafana_dashboard(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = json.loads(call(capsys, monkeypatch, "dashboard", "--grafana").out)
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    used: set[str] = set()
    for panel in panels:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            names = set(re.findall(r"ray_\w+", target["expr"]))
            assert names
            assert names <= published(), target["expr"]
            tags = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert all(tags <= {*SERIES[re.sub(r"^ray_|_total$|_bucket$", "", name)][2]} for name in names)
            used |= names
    shown = {re.sub(r"^ray_|_total$|_bucket$", "", name) for name in used}
    assert shown == set(SERIES), "every series has a panel"
    squares = [(x, y) for panel in panels for x, y in _squares(panel["gridPos"])]
    assert len(set(squares)) == len(squares), "no panel lies on another"
    (variable,) = [item for item in made["templating"]["list"] if item["type"] == "query"]
    assert set(re.findall(r"ray_\w+", variable["query"])) <= published()


def _squares(place: dict[str, int]) -> list[tuple[int, int]]:
    return [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]


def test_the_series_are_documented() -> None:
    text = (TOP / "docs" / "dashboards.md").read_text()
    rows = dict(re.findall(r"^\| `ray_(\w+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE))
    assert {name.removesuffix("_total"): set(re.findall(r"`(\w+)`", tags)) for name, tags in rows.items()} == {
        name: set(tags) for name, (_, _, tags) in SERIES.items()
    }
