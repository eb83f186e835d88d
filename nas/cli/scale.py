"""`nas scale`: a network at another size."""

from __future__ import annotations

import json
import math
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from nas.cli import scale_search
from nas.cli.app import Examples
from nas.cli.quiet import quiet_option, say
from nas.errors import NasError

if TYPE_CHECKING:
    from nas.arch import Architecture
    from nas.scale import Aim, Choice, Coefficients, Solution

OUT = "scaled.yaml"


@click.command(
    cls=Examples,
    examples=(
        "nas scale efficientnet --phi 3",
        "nas scale resnet50 --phi 1 --out resnet50-1.yaml",
        "nas scale runs/NAME/best.yaml --phi 2",
        "nas scale vit_s16 --target-macs 9G",
        "nas scale efficientnet --target-memory 8GB --batch 64",
        "nas scale resnet20 --target-params 2M --only-width",
        "nas scale mobilenet_v2 --phi 0.5 --alpha 1.4 --beta 1 --gamma 1.2 --json",
        "nas scale efficientnet --search --budget 20gpuh --dataset cifar10",
    ),
)
@click.argument("network")
@click.option("--phi", type=float, metavar="X", help="By how much: each step of 1 about doubles the MACs. May be a fraction or negative.")
@click.option("--target-macs", metavar="N", help="Find phi for so many multiply-adds, such as 1.8G.")
@click.option("--target-params", metavar="N", help="Find phi for so many parameters, such as 10M.")
@click.option("--target-memory", metavar="SIZE", help="Find phi for so much training memory, such as 4GB.")
@click.option("--target-latency-ms", type=float, metavar="MS", help="Find phi for so long an image on this machine, one thread.")
@click.option("--only-width", is_flag=True, help="Reach --target-params by width alone, by no phi.")
@click.option("--multiple", type=click.IntRange(1, 4096), metavar="N", help="With --only-width: multiples of N channels.")
@click.option("--batch", type=click.IntRange(1, 10**6), default=32, show_default=True, metavar="N", help="Images of the training memory.")
@click.option("--rule", type=click.Choice(["published", "powers"]), help="Which is the answer (default: published where there is one).")
@click.option("--alpha", type=click.FloatRange(0, min_open=True), metavar="A", help="Depth at phi 1 (default: the family's, or 1.2).")
@click.option("--beta", type=click.FloatRange(0, min_open=True), metavar="B", help="Width at phi 1 (default: the family's, or 1.1).")
@click.option("--gamma", type=click.FloatRange(0, min_open=True), metavar="G", help="Resolution at phi 1 (default: the family's, or 1.15).")
@click.option("--force", is_flag=True, help="Also what comes to no channel or pixel, or to more than 10^12 parameters.")
@click.option(
    "--out", is_flag=False, flag_value="", metavar="[FILE]",
    help=f"Write the answer to FILE, or to a new {OUT}; with --search the run folder.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--search", is_flag=True, help="Search alpha, beta and gamma: candidates of about twice the cost are trained.")
@quiet_option
@scale_search.search_options
@click.pass_context
def command(
    context: click.Context, /, network: str, out: str | None, as_json: bool, batch: int, search: bool, quiet: bool, **given: Any
) -> None:
    """Scale NETWORK in depth, width and resolution together: a baseline's name, a YAML file, or a run folder.

    Depth, width and resolution are multiplied by alpha, beta and gamma to the power of phi (compound scaling, arXiv 1905.11946).
    Where networks of that family were published, as EfficientNet-B0 to B7, a whole phi is the published one, which is not quite
    those powers; both are shown, the answer with a star.

    --search looks for alpha, beta and gamma themselves, as `nas search` looks for networks, and holds the best against scaling
    one dimension alone.
    """
    scale_search.refuse(context, search)
    own = {name: given.pop(name) for name in scale_search.names()}
    if search:
        scale_search.run(network, out=out or None, as_json=as_json, quiet=quiet, **own)
        return
    from nas.loading import load_one
    from nas.report.scale import header, scale_table, to_dict
    from nas.scale import base_of
    from nas.writing import out_path, write_whole

    path = None if out is None else out_path(out, OUT)
    target = _target(batch, **given)
    _check_width(target, **given)
    base = load_one(network)
    law, made, solution = _answer(base, target, **given)
    solved = (target, solution) if target is not None and solution is not None else None
    if path is not None:
        typed = shlex.join(["nas", *sys.argv[1:]])
        write_whole(path, (header(typed, base, made[0]) + made[0].architecture.to_yaml()).encode())
    if as_json:
        click.echo(json.dumps(to_dict(base_of(base), made, law, batch, solved), indent=2))
    elif quiet and path is not None:
        say([path])
    else:
        from nas.report.tables import console

        console().print(scale_table(base_of(base), made, batch, solved))
        if path is not None:
            click.echo(f"wrote {path}")


def _answer(
    base: Architecture, target: Aim | None, *, phi: float | None, rule: str | None, force: bool, alpha: float | None,
    beta: float | None, gamma: float | None, only_width: bool, multiple: int | None, **_: object,
) -> tuple[Coefficients, tuple[Choice, ...], Solution | None]:  # fmt: skip
    """The law, the networks with the answer first, and what a target led to."""
    from nas.scale import Coefficients, by_width, choices, law_of, solve

    if target is not None and only_width:
        choice, solution = by_width(base, target, multiple or 1)
        return law_of(base), (choice,), solution
    own = (alpha, beta, gamma)
    if rule == "published" and any(each is not None for each in own):
        raise NasError("--rule published with --alpha, --beta or --gamma; allowed: one of the two")
    law = Coefficients(*(default if each is None else each for default, each in zip(law_of(base), own, strict=True)))
    if target is None:
        assert phi is not None
        changed = law if any(each is not None for each in own) else None
        return law, choices(base, phi, changed, rule, force), None  # type: ignore[arg-type]
    if rule == "published":
        raise NasError("--rule published with a target; allowed: --rule powers, by which phi is found")
    solution = solve(base, law, target, force=force)
    best, others = solution.best.choice, () if solution.exact else solution.around
    return law, (best, *(each.choice for each in others if each is not solution.best)), solution


def _check_width(target: Aim | None, *, only_width: bool, multiple: int | None, **given: Any) -> None:
    """Raise `NasError` for options that --only-width needs, or has no use for."""
    if multiple is not None and not only_width:
        raise NasError("--multiple without --only-width; allowed: both, or neither: phi rounds by a rule of its own")
    if not only_width:
        return
    if target is None or target.name != "params":
        raise NasError("--only-width without --target-params; allowed: --target-params N --only-width")
    if unused := [f"--{name}" for name in ("rule", "alpha", "beta", "gamma") if given[name] is not None]:
        raise NasError(f"{', '.join(unused)} with --only-width, which has no phi; allowed: without")


def _target(batch: int, **given: Any) -> Aim | None:
    """What is asked for in place of phi. Raises `NasError` unless it is one thing."""
    names = ("phi", "target_macs", "target_params", "target_memory", "target_latency_ms")
    asked = [name for name in names if given[name] is not None]
    if len(asked) != 1:
        options = [f"--{name.replace('_', '-')}" for name in names]
        typed = " and ".join(options[names.index(name)] for name in asked) or "neither --phi nor a target"
        raise NasError(f"{typed} given; allowed: one of {', '.join(options)}")
    return None if asked[0] == "phi" else _make_target(asked[0], given[asked[0]], batch)


def _make_target(name: str, value: str | float, batch: int) -> Aim:
    from nas.scale import Aim
    from nas.scale.solve import TOLERANCE
    from nas.units import format_bytes, format_count, parse_bytes, parse_count

    where = f"--{name.replace('_', '-')}"
    if isinstance(value, str):
        value = (parse_bytes if name == "target_memory" else parse_count)(value, where=where)
    if not 0 < value < math.inf:
        raise NasError(f"{where}={value:g}; allowed: a finite number above 0")
    if name == "target_memory":
        return Aim(f"training memory at {batch}", value, lambda made: made.cost().training_bytes(batch), format_bytes)
    if name == "target_latency_ms":
        return Aim("latency", value, _latency, "{:.3g} ms".format, settle=TOLERANCE, tries=6)
    count = name.removeprefix("target_")
    return Aim(count, value, lambda made: float(getattr(made.cost(aux=False), count)), format_count)


def _latency(architecture: Architecture) -> float:
    from nas.latency import Setting, measure

    (found,) = measure([architecture], Setting())
    return found.median_ms
