"""`nas search`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nas.cli.app import Examples
from nas.errors import NasError


def engine_options(function: Any) -> Any:
    """Options that say where candidates are trained; `search` and `resume` share them."""
    for option in reversed((
        click.option("--workers", type=click.IntRange(1), metavar="N", help="Candidates at once (default: all GPUs, else all cores)."),
        click.option("--gpus-per-trial", type=click.FloatRange(0), metavar="X", help="Share of a GPU a worker holds, such as 0.25."),
        click.option("--engine", type=click.Choice(["ray", "local"]), help="ray (default), or local: in this process, without Ray."),
        click.option("--address", metavar="WHERE", help="A running Ray cluster: auto, or ray://HOST:PORT."),
        click.option("--no-dashboard", is_flag=True, help="Without the Ray dashboard."),
        click.option("--storage", metavar="URL", help="Optuna storage, such as sqlite:///s.db (default: a file in the run folder)."),
    )):  # fmt: skip
        function = option(function)
    return function


def honest_options(function: Any) -> Any:
    """Options that say what is measured after a search; `search` and `resume` share them."""
    for option in reversed((
        click.option(
            "--confirm", metavar="KxR",
            help="Train the K best networks again with R fresh seeds each, at full size: 3x3, or 3, which is the same.",
        ),
        click.option(
            "--confirm-epochs", type=click.IntRange(1), metavar="N",
            help="Epochs of these trainings (default: 30, or the search's if more).",
        ),
        click.option("--control", is_flag=True, help="Then a random search under the same budget, confirmed in the same way."),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command(
    cls=Examples,
    examples=(
        "nas search --space nasnet-cell --budget 5m",
        "nas search --space nasnet-cell --budget 100gpuh --dataset cifar10 --strategy rl",
        "nas search --space my-space.yaml --dataset npz:mine.npz --budget 2h,500trials --out runs/mine",
        "nas search --space tiny --budget 20trials --engine local --strategy random --seed 1",
        "nas search --space tiny --budget 20trials --confirm 3x3 --control",
    ),
)
@click.option("--space", default="nasnet-cell", show_default=True, metavar="NAME|FILE", help="Space (`nas list spaces`), or a YAML file.")
@click.option(
    "--strategy", default="auto", show_default=True, metavar="NAME",
    help="auto (by space size, budget and objectives), predictor, local, evolution, rl, ... (`nas list strategies`).",
)  # fmt: skip
@click.option(
    "--dataset", metavar="NAME|KIND:PATH",
    help="digits, cifar10, cifar100, mnist, fashion-mnist, npz:FILE, folder:DIR (default: digits; over one device-hour cifar10 if there).",
)  # fmt: skip
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where data sets lie, or are downloaded to.")
@click.option(
    "--budget", default="5m", show_default=True, metavar="B",
    help="Ngpuh (device-hours over all workers), Ns, Nm, Nh, Nd, Ntrials; several joined by commas: the first to be reached ends it.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of proposals and trainings.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Run folder, new (default: runs/SPACE-TIME).")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Epochs a candidate (default: fitted to the budget).")
@click.option("--width", type=click.FloatRange(0, 1, min_open=True), metavar="X", help="Width of the proxy, a fraction (default: fitted).")
@click.option("--depth", type=click.FloatRange(0, 1, min_open=True), metavar="X", help="Depth of the proxy, a fraction (default: fitted).")
@click.option("--start", metavar="NAMES", default="", help="Networks to try first, joined by commas: names or YAML files in the space.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds that one candidate may take.")
@honest_options
@engine_options
def command(
    space: str, strategy: str, dataset: str | None, data_dir: Path | None, budget: str, seed: int, out: Path | None,
    epochs: int | None, width: float | None, depth: float | None, start: str, timeout: float | None,
    confirm: str | None, confirm_epochs: int | None, control: bool,
    workers: int | None, gpus_per_trial: float | None, engine: str | None, address: str | None, no_dashboard: bool, storage: str | None,
) -> None:  # fmt: skip
    """Search a space for the network that validates best, within a budget.

    Candidates are trained as small proxies (fewer cells, fewer channels, few epochs; fitted to the budget) on the
    training images and judged on a part held out of them; test images are never used to choose. The run folder holds
    the record of every trial, run.yaml, best.yaml and best.svg. Without a GPU a CPU core counts as a device.

    A single training can be lucky: --confirm trains the best networks again, in RUN/confirm, and gives means with their
    intervals; --control holds the search against random search, in RUN/control. Neither is charged to the budget.
    """
    import nas
    from nas.report.screen import Screen

    with Screen() as screen, summary(screen):
        study = nas.search(
            space, strategy=strategy, dataset=dataset, evaluator_options={"data_dir": str(data_dir)} if data_dir else None,
            budget=budget, start=[name.strip() for name in start.split(",") if name.strip()],
            fidelity=_fidelity(epochs, width, depth), workers=workers, gpus_per_trial=gpus_per_trial, timeout=timeout,
            confirm=confirm, confirm_epochs=confirm_epochs, control=control,
            seed=seed, out=out, storage=storage, engine=engine or "ray", address=address, dashboard=not no_dashboard, observer=screen,
        )  # fmt: skip
        closing(study)


def _fidelity(epochs: int | None, width: float | None, depth: float | None) -> Any:
    if epochs is None and width is None and depth is None:
        return None
    if epochs is None:
        raise NasError("--width and --depth need --epochs; allowed: all fitted to the budget, or the number of epochs given")
    from nas.evaluators import Fidelity

    return Fidelity(epochs, width or 1.0, depth or 1.0)


class summary:
    """After Ctrl-C: what was found so far and how to go on, then exit status 130."""

    def __init__(self, screen: Any) -> None:
        self.screen = screen

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not KeyboardInterrupt:
            return
        self.screen.close()
        directory = self.screen.directory
        if directory is None:
            click.echo("interrupted before the first trial; nothing to resume", err=True)
        else:
            import nas

            click.echo("interrupted")
            closing(nas.open_study(directory))
        raise SystemExit(130)


def closing(study: Any) -> None:
    """The best five, what was used, what was measured afterwards, and what to type next."""
    from rich.text import Text

    from nas.report.honest import honest
    from nas.report.tables import console, short_path, top_table
    from nas.units import format_seconds

    ledger, single = study.ledger(), study.settings.role == "confirm"  # a single training is no best network
    if study.best is not None and not single:
        click.echo(f"best of {short_path(study.directory)}")
        console().print(top_table(study))
    failed = f", {ledger.failed} failed" if ledger.failed else ""
    click.echo(
        f"{ledger.finished} trials finished{failed}; used {ledger.device_seconds / 3600:.3g} device-hours, "
        f"{format_seconds(ledger.seconds)} of wall time; budget {study.settings.budget}"
    )
    for part in honest(study):
        console().print(part, soft_wrap=isinstance(part, Text))
    where = short_path(study.directory)
    if single:
        click.echo(f"next:  nas status {short_path(study.directory.parent)}      the means of these trainings")
    elif study.best is not None:
        click.echo(f"next:  nas show {where}/best.yaml      its layers and costs; its picture is {where}/best.svg")
        click.echo(f"       nas resume {where}      goes on after an interruption")
        if study.settings.storage is None:
            click.echo(f"       optuna-dashboard {where}/study.journal      every trial (pip install optuna-dashboard)")
    else:
        click.echo(f"next:  nas resume {where}")
