"""`nas search`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nas.cli.app import Examples
from nas.cli.forecast import check_options, forecast_options, show
from nas.cli.quiet import quiet_option, refuse
from nas.cli.watching import Watching, watch_options
from nas.errors import NasError

FRONT_ROWS = 20


def limit_options(function: Any) -> Any:
    """Options that say which candidates are tried at all."""
    for option in reversed((
        click.option("--max-params", metavar="N", help="No candidate with more parameters, such as 5M."),
        click.option("--max-macs", metavar="N", help="No candidate with more multiply-adds an image, such as 600M."),
        click.option("--max-latency-ms", metavar="X", help="No candidate slower than X ms an image: measured here."),
        click.option(
            "--latency", metavar="SETTING",
            help="How latency_ms is measured: batch=1,threads=1,device=auto,backend=torch (default: these; auto: where workers train).",
        ),
        click.option("--filter", "filters", metavar="PROXY:Q", help="Only candidates at or above quantile Q of a proxy: naswot:0.5."),
        click.option("--features", default="", metavar="NAMES", help="Proxies that the strategy learns from, joined by commas."),
    )):  # fmt: skip
        function = option(function)
    return function


def fidelity_options(function: Any) -> Any:
    """Options that say how closely candidates are looked at, and what is kept of their trainings."""
    for option in reversed((
        click.option(
            "--ladder", metavar="STEPS",
            help="What rungs of asha and hyperband shrink, in order: of epochs,samples,resolution,cells,channels.",
        ),
        click.option(
            "--stop-early", is_flag=False, flag_value="median", metavar="[Q]",
            help="Stop candidates whose curves lie below the median of the others', or below quantile Q, such as 0.25.",
        ),
        click.option("--keep", metavar="SIZE", help="What weights kept for promotions may take: 2GB (default: 1GB; 0: the needed)."),
        click.option("--inherit", is_flag=True, help="Candidates made from others begin with the trained parts that fit them."),
    )):  # fmt: skip
        function = option(function)
    return function


class Share(click.ParamType[float | str]):
    """A number from 0, or `auto`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        """As click asks for it."""
        if value == "auto":
            return "auto"
        try:
            return click.FloatRange(0).convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r}; allowed: a fraction of a GPU, a whole number of them, 0 for none, or auto", param, ctx)


def engine_options(function: Any) -> Any:
    """Options that say where candidates are trained; `search` and `resume` share them."""
    for option in reversed((
        click.option("--workers", type=click.IntRange(1), metavar="N", help="Candidates at once (default: all GPUs, else all cores)."),
        click.option(
            "--gpus-per-trial", type=Share(), metavar="X|auto",
            help="Share of a GPU a worker holds, such as 0.25; auto: as many workers share it as their candidates fit.",
        ),
        click.option(
            "--memory-per-device", metavar="SIZE",
            help="What candidates may take together of a GPU, or of the host: 40GB (default: what a GPU has; of the host no bound).",
        ),
        click.option("--no-mps", is_flag=True, help="Without NVIDIA's MPS where workers share a GPU (default: with, where it runs)."),
        click.option("--engine", type=click.Choice(["ray", "local"]), help="ray (default), or local: in this process, without Ray."),
        click.option("--address", metavar="WHERE", help="A running Ray cluster to join: auto, HOST:PORT or ray://HOST:PORT."),
        click.option(
            "--max-workers", type=click.IntRange(1), metavar="N",
            help="On a cluster: so many candidates at once as soon as nodes have joined it (default: --workers).",
        ),
        click.option(
            "--wait-for-nodes", default="10m", metavar="T",
            help="How long to wait for a node once the last worker is gone (default: 10m).",
        ),
        click.option("--no-ship", is_flag=True, help="Send neither nas nor the working directory to a cluster's workers: they have both."),
        click.option(
            "--max-failures", type=click.IntRange(0), metavar="N",
            help="Times a candidate is run again after its worker died (default: 2); a lost node is no fault of its.",
        ),
        click.option("--no-dashboard", is_flag=True, help="Without the Ray dashboard."),
        click.option("--storage", metavar="URL", help="Optuna storage, such as sqlite:///s.db (default: a file in the run folder)."),
        click.option(
            "--results", metavar="URL",
            help="Where all workers find weights, and a copy of the results goes: s3://bucket/x, gs://..., file:///nfs/x.",
        ),
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
        click.option(
            "--correlate", metavar="N[xR]",
            help="After a search on shared weights train N networks of its ranking alone, with R seeds each, and say how well it ranked.",
        ),
        click.option(
            "--baselines", metavar="NAMES", default="",
            help="Then train these networks as the candidates were, to stand beside them: names or YAML files, joined by commas.",
        ),
    )):  # fmt: skip
        function = option(function)
    return function


@click.command(
    cls=Examples,
    examples=(
        "nas search --space nasnet-cell --budget 5m",
        "nas search --space nasnet-cell --budget 100gpuh --dataset cifar10 --strategy rl",
        "nas search --space my-space.yaml --dataset npz:mine.npz --budget 2h,500trials --out runs/mine",
        "nas search --plugin mine.py --space my-space.yaml --budget 2h",
        "nas search --space nasnet-cell --budget 5m --max-params 2M --filter naswot:0.5",
        "nas search --space nas-bench-201 --evaluator zero-cost:naswot --budget 50trials --engine local",
        "nas search --space tiny --budget 20trials --engine local --strategy random --seed 1",
        "nas search --space nasnet-cell --budget 10gpuh --dataset cifar10 --dry-run --price 2.5",
        "nas search --space nasnet-cell --budget 1h --objectives accuracy,params --strategy nsga2",
        "nas search --space nasnet-cell --budget 1h --objectives accuracy,latency_ms --latency batch=8,threads=2",
        "nas search --space nas-bench-201 --evaluator tabular --table synthetic --budget 12000s --engine local",
        "nas search --space tiny --budget 20trials --confirm 3x3 --control",
        "nas search --space nasnet-cell --budget 10gpuh --dataset cifar10 --recipe nasnet",
        "nas search --space nasnet-cell --budget 5m --execution precision=float32,threads=1",
        "nas search --space darts --strategy darts --budget 10gpuh --dataset cifar10",
        "nas search --space nas-bench-201 --evaluator shared --strategy rl --budget 10m",
        "nas search --space nas-bench-201 --evaluator 'shared(sampling=fair)' --strategy evolution --budget 10m --correlate 10",
        "nas search --space nasnet-cell --budget 10m --baselines resnet20,mobilenet_v2_cifar,my.yaml",
        "nas search --space nasnet-cell --budget 1h --strategy evolution --inherit",
        "nas search --space nasnet-cell --budget 1h --strategy asha:evolution --ladder epochs,resolution --keep 2GB",
        "nas search --space nasnet-cell --budget 1h --stop-early",
        "nas search --space nasnet-cell --budget 10gpuh --dataset cifar10 --gpus-per-trial auto",
        "nas search --space nasnet-cell --budget 100gpuh --dataset cifar10 --address auto --workers 8 --max-workers 32",
        "nas search --space nasnet-cell --budget 100gpuh --address 10.0.0.1:6379 --gpu-weights H100=2.5,A100=1 --max-failures 5",
        "nas search --space nasnet-cell --budget 100gpuh --address auto --strategy asha:evolution --results s3://bucket/searches",
        "nas search --space nasnet-cell --budget 1h --tensorboard --mlflow http://localhost:5000",
        "nas search --space nasnet-cell --budget 1h --log-format json | jq -c 'select(.event == \"finished\") | [.trial, .value]'",
    ),
)
@click.option("--space", default="nasnet-cell", show_default=True, metavar="NAME|FILE", help="Space (`nas list spaces`), or a YAML file.")
@click.option(
    "--strategy", default="auto", show_default=True, metavar="NAME[(OPTION=X,...)]",
    help="auto (by space size, budget and objectives), predictor, local, evolution, rl, ... (`nas list strategies`).",
)  # fmt: skip
@click.option(
    "--evaluator", default="training", show_default=True, metavar="NAME[:ARG|(OPTION=X,...)]",
    help="training, shared (weights are), zero-cost:PROXY (a score without training), or tabular (results of --table).",
)  # fmt: skip
@click.option("--table", metavar="FILE", help="For --evaluator tabular: an .npz archive, or synthetic, a made-up one.")
@click.option(
    "--dataset", metavar="NAME|KIND:PATH",
    help="digits, cifar10, cifar100, mnist, fashion-mnist, npz:FILE, folder:DIR (default: digits; over one device-hour cifar10 if there).",
)  # fmt: skip
@click.option("--data-dir", type=click.Path(path_type=Path), metavar="DIR", help="Where data sets lie, or are downloaded to.")
@click.option(
    "--budget", default="5m", show_default=True, metavar="B",
    help="Ngpuh (device-hours over all workers), Ns, Nm, Nh, Nd, Ntrials; several joined by commas: the first to be reached ends it.",
)  # fmt: skip
@click.option(
    "--objectives", metavar="NAMES",
    help="What is to be good, joined by commas: accuracy,params,macs,min:val_loss (default: accuracy). Costs are minimised.",
)  # fmt: skip
@click.option("--recipe", metavar="NAME|FILE", help="How candidates are trained (`nas list recipes`), but for the epochs.")
@click.option(
    "--execution", metavar="SETTING",
    help="How steps are run: layout=channels_last,precision=float32,graphs=off,threads=1, or a part (default: measured).",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Seed of proposals and trainings.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Run folder, new (default: runs/SPACE-TIME).")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Epochs a candidate (default: fitted to the budget).")
@click.option("--width", type=click.FloatRange(0, 1, min_open=True), metavar="X", help="Width of the proxy, a fraction (default: fitted).")
@click.option("--depth", type=click.FloatRange(0, 1, min_open=True), metavar="X", help="Depth of the proxy, a fraction (default: fitted).")
@click.option("--start", metavar="NAMES", default="", help="Networks to try first, joined by commas: names or YAML files in the space.")
@click.option("--gpu-weights", default="", metavar="KIND=X,...", help="A second on such a GPU counts X in gpuh: H100=2.5,A100=1,T4=0.3.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds that one candidate may take.")
@fidelity_options
@limit_options
@honest_options
@engine_options
@forecast_options
@watch_options
@quiet_option
def command(
    space: str, strategy: str, evaluator: str, table: str | None, dataset: str | None, data_dir: Path | None, budget: str,
    recipe: str | None, execution: str | None, seed: int, out: Path | None, objectives: str | None,
    epochs: int | None, width: float | None, depth: float | None, start: str,
    ladder: str | None, stop_early: str | None, keep: str | None, inherit: bool,
    timeout: float | None, max_params: str | None, max_macs: str | None, max_latency_ms: str | None, latency: str | None,
    filters: str | None, features: str, confirm: str | None, confirm_epochs: int | None, control: bool, correlate: str | None,
    baselines: str, workers: int | None, gpus_per_trial: float | str | None, memory_per_device: str | None, no_mps: bool,
    engine: str | None, address: str | None, max_workers: int | None, wait_for_nodes: str, no_ship: bool, max_failures: int | None,
    gpu_weights: str, no_dashboard: bool, storage: str | None, results: str | None,
    dry_run: bool, price: float | None, as_json: bool, log_format: str, quiet: bool, **trackers: str | None,
) -> None:  # fmt: skip
    """Search a space for the network that validates best, within a budget.

    Candidates are trained as small proxies (fewer cells, fewer channels, few epochs; fitted to the budget) on the
    training images and judged on a part held out of them; test images are never used to choose. The run folder holds
    the record of every trial, run.yaml, best.yaml and best.svg. Without a GPU a CPU core counts as a device.

    A single training can be lucky: --confirm trains the best networks again, in RUN/confirm, and gives means with their
    intervals; --control holds the search against random search, in RUN/control; --baselines trains hand-designed networks
    as the candidates were, in RUN/baselines. None of them is charged to the budget.
    """
    import nas
    from nas.report.tables import console
    from nas.strategies.specs import read

    check_options(dry_run, price, as_json)
    refuse(quiet, ("--dry-run", dry_run))
    chosen, act = read(strategy), nas.plan if dry_run else nas.search
    with Watching(log_format, trackers, storage=storage, out=console(stderr=True) if as_json else None, quiet=quiet) as watching:
        made: Any = act(
            space, strategy=chosen.name, strategy_options=chosen.options, evaluator=evaluator, dataset=dataset,
            evaluator_options=_given(data_dir=data_dir, table=table, recipe=recipe, execution=execution),
            budget=budget, objectives=objectives, start=[name.strip() for name in start.split(",") if name.strip()],
            limits=_limits(params=max_params, macs=max_macs, latency_ms=max_latency_ms), latency=latency, filter=filters,
            features=[name for name in features.split(",") if name.strip()],
            fidelity=_fidelity(epochs, width, depth), ladder=ladder, stop_early=stop_early, keep=keep, inherit=inherit,
            workers=workers, gpus_per_trial=gpus_per_trial, memory_per_device=memory_per_device, mps=not no_mps, timeout=timeout,
            confirm=confirm, confirm_epochs=confirm_epochs, control=control, correlate=correlate,
            baselines=baselines, seed=seed, out=out, storage=storage, results=results,
            engine=engine or "ray", address=address, dashboard=not no_dashboard, observer=watching.observer,
            max_workers=max_workers, wait_for_nodes=wait_for_nodes, ship=not no_ship, gpu_weights=gpu_weights,
            max_failures=max_failures,
        )  # fmt: skip
        if dry_run:
            show(made, price, as_json)
        else:
            watching.closing(made)


def _given(**options: Any) -> dict[str, str]:
    """The options that were given."""
    return {name: str(value) for name, value in options.items() if value is not None}


def _limits(**given: str | None) -> dict[str, float]:
    """The limits that were given. Raises `NasError`, naming the option."""
    from nas.units import parse_count

    limits = {}
    for name, text in given.items():
        option = f"--max-{name.replace('_', '-')}"
        if text is not None and not (value := parse_count(text, where=option)) > 0:
            raise NasError(f"{option}={text!r}; allowed: a number above 0, such as {'20' if name == 'latency_ms' else '5M'}")
        if text is not None:
            limits[name] = value
    return limits


def _fidelity(epochs: int | None, width: float | None, depth: float | None) -> Any:
    if epochs is None and width is None and depth is None:
        return None
    if epochs is None:
        raise NasError("--width and --depth need --epochs; allowed: all fitted to the budget, or the number of epochs given")
    from nas.evaluators import Fidelity

    return Fidelity(epochs, width or 1.0, depth or 1.0)


def closing(study: Any) -> None:
    """The best five or the front, what was used, what was measured afterwards, and what to type next."""
    from rich.text import Text

    from nas.report.baselines import shown as beside
    from nas.report.coefficients import coefficients
    from nas.report.darts import lines
    from nas.report.fidelity import keeping_lines, ladder_lines, stopping_lines
    from nas.report.honest import honest
    from nas.report.tables import console, front_table, short_path, top_table
    from nas.units import format_seconds

    ledger, role = study.ledger(), study.settings.role
    single = role in ("confirm", "correlate", "baselines")  # a single training is no best network
    front = study.front if len(study.goals) > 1 and not single else []
    scaling = study.settings.network is not None and not single
    if scaling:
        pass  # below, with what was measured afterwards
    elif front:
        more = f"; the first {FRONT_ROWS} by {study.goals[0].name}" if len(front) > FRONT_ROWS else ""
        click.echo(f"front of {short_path(study.directory)}: {len(front)} of {ledger.finished} networks{more}")
        console().print(front_table(study, front[:FRONT_ROWS]))
    elif study.best is not None and not single:
        click.echo(f"best of {short_path(study.directory)}")
        console().print(top_table(study))
    failed = f", {ledger.failed} failed" if ledger.failed else ""
    click.echo(
        f"{ledger.finished} trials finished{failed}; used {ledger.device_seconds / 3600:.3g} device-hours, "
        f"{format_seconds(ledger.seconds)} of wall time; budget {study.settings.budget}"
    )
    if not single:
        for line in (*lines(study), *ladder_lines(study), *stopping_lines(study), *keeping_lines(study)):
            click.echo(line)
    for part in (*coefficients(study), *beside(study)) if scaling else honest(study):
        console().print(part, soft_wrap=isinstance(part, Text))
    where = short_path(study.directory)
    if single:
        what = "these networks beside what was found" if role == "baselines" else "the means of these trainings"
        click.echo(f"next:  nas status {short_path(study.directory.parent)}      {what}")
    elif study.best is not None:
        click.echo(f"next:  nas show {where}/best.yaml      its layers and costs; its picture is {where}/best.svg")
        if front:
            click.echo(f"       nas show {where}/front/{front[-1].number}.yaml      any other of the front, by its trial")
        click.echo(f"       nas report {where}      one page about all of it, to open in a browser")
        click.echo(f"       nas resume {where}      goes on after an interruption")
        click.echo(f"       nas dashboard {where}      every trial, in a browser")
    else:
        click.echo(f"next:  nas resume {where}")
