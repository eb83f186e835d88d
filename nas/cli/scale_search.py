"""`nas scale NAME --search`: the coefficients by which a network is scaled best, searched with the means of `nas search`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from nas.cli.search import engine_options
from nas.cli.watching import Watching
from nas.errors import NasError

OWN = (
    click.option(
        "--budget", default="5m", show_default=True, metavar="B",
        help="For --search: Ngpuh (device-hours over all workers), Ns, Nm, Nh, Nd, Ntrials; several joined by commas.",
    ),
    click.option("--dataset", metavar="NAME|KIND:PATH", help="For --search: digits, cifar10, npz:FILE, folder:DIR, ... (default: digits)."),
    click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where data sets lie, or are downloaded to."),
    click.option(
        "--step", type=float, default=0.1, show_default=True, metavar="X",
        help="Step of the grid of each coefficient; the finer, the more candidates.",
    ),
    click.option(
        "--strategy", default="grid", show_default=True, metavar="NAME[(OPTION=X,...)]",
        help="grid tries every candidate once; others (`nas list strategies`) look for good ones until the budget ends.",
    ),
    click.option("--epochs", type=click.IntRange(1), metavar="N", help="Epochs a candidate (default: fitted to the budget)."),
    click.option(
        "--confirm", default="3x3", show_default=True, metavar="KxR",
        help="Train the K best triples again with R fresh seeds each, and with them what they are held against; 0: none.",
    ),
    click.option("--confirm-epochs", type=click.IntRange(1), metavar="N", help="Epochs of these (default: 30, or the search's if more)."),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of the order and of trainings."),
)  # fmt: skip


def search_options(function: Any) -> Any:
    """The options that `nas scale` reads with --search alone, those of the engine among them."""
    function = engine_options(function)
    for option in reversed(OWN):
        function = option(function)
    return function


def names() -> tuple[str, ...]:
    """The parameters that `search_options` adds, as they are handed to `run`."""

    @click.command()
    @search_options
    def probe(**options: Any) -> None:
        """Nothing."""

    return tuple(str(each.name) for each in probe.params)


def refuse(context: click.Context, searching: bool) -> None:
    """Raise `NasError` for an option of the search that was typed without --search, or one of scaling that was typed with it."""
    both, own = ("network", "out", "as_json", "search", "quiet"), names()
    for parameter in context.command.params:
        name = str(parameter.name)
        typed = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if typed and name not in both and (name in own) != searching:
            what = "how a network is scaled" if searching else "the search for coefficients"
            raise NasError(f"{parameter.opts[0]} is for {what}; allowed: {'without' if searching else 'with'} --search")


def run(
    network: str, *, out: str | Path | None, as_json: bool, budget: str, dataset: str | None, data_dir: Path | None, step: float,
    strategy: str, epochs: int | None, confirm: str, confirm_epochs: int | None, seed: int, workers: int | None,
    gpus_per_trial: float | str | None, memory_per_device: str | None, no_mps: bool,
    engine: str | None, address: str | None, max_workers: int | None, wait_for_nodes: str, no_ship: bool, max_failures: int | None,
    no_dashboard: bool, storage: str | None, results: str | None, quiet: bool = False,
) -> None:  # fmt: skip
    """Search in the run folder `out` (default: runs/NAME-TIME), and print what was found; as JSON the progress goes to stderr."""
    import nas
    from nas.evaluators import Fidelity
    from nas.report.tables import console
    from nas.strategies.specs import read

    chosen = read(strategy)
    again = None if confirm == "0" else confirm
    with Watching("text", {}, storage=storage, out=console(stderr=True) if as_json else None, quiet=quiet) as watching:
        study = nas.scale_search(
            network, step=step, strategy=chosen.name, strategy_options=chosen.options, budget=budget, dataset=dataset,
            evaluator_options={} if data_dir is None else {"data_dir": str(data_dir)},
            fidelity=None if epochs is None else Fidelity(epochs), confirm=again, confirm_epochs=confirm_epochs, seed=seed,
            workers=workers, gpus_per_trial=gpus_per_trial, memory_per_device=memory_per_device, mps=not no_mps,
            engine=engine or "ray", address=address, dashboard=not no_dashboard,
            storage=storage, results=results, out=out, observer=watching.observer,
            max_workers=max_workers, wait_for_nodes=wait_for_nodes, ship=not no_ship, max_failures=max_failures,
        )  # fmt: skip
        if not as_json:
            watching.closing(study)
    if as_json:
        from nas.report.coefficients import plain

        click.echo(json.dumps({"run": str(study.directory), **plain(study)}, indent=2))
