"""The group of verbs."""

from __future__ import annotations

import difflib
import importlib
import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Verb: module under `nas.cli`, and the line that `nas --help` shows without importing it.
VERBS = {
    "search": ("search", "Search a space for a network within a budget."),
    "resume": ("resume", "Go on with a search or a training after Ctrl-C or a kill."),
    "status": ("status", "What a run has found and used so far."),
    "budget": ("budget", "What a search has spent, on what, and what is left."),
    "report": ("report", "What a search has found, as one page to open, to keep and to mail."),
    "watch": ("watch", "The same page live, while the search goes on."),
    "dashboard": ("dashboard", "The trials of a search in a browser; for Grafana, for TensorBoard."),
    "show": ("show", "Table and picture of a network: shapes, parameters, MACs."),
    "draw": ("draw", "Pictures of a network and its cells for papers: SVG, PNG, PDF, Graphviz."),
    "transfer": ("transfer", "Found cells stacked anew for another data set and size."),
    "scale": ("scale", "A network deeper, wider and on larger images."),
    "train": ("train", "Train a network for real, by a recipe."),
    "export": ("export", "A network as a file: ONNX, torch.export, plain PyTorch."),
    "latency": ("latency", "How long networks take on this machine."),
    "compare": ("compare", "Networks side by side, and accuracy against MACs as a figure."),
    "score": ("score", "What can be known of networks without training."),
    "bench": ("bench", "Strategies against each other on known results."),
    "list": ("listing", "Names of networks, spaces, strategies, recipes, data sets."),
    "doctor": ("doctor", "Whether searches can run here, and how to mend what is in their way."),
    "completion": ("completion", "What lets bash, zsh or fish complete verbs, options and names."),
}
COMPLETING = "_NAS_COMPLETE"  # set by a shell that asks what may come next


PLUGINS = "nas.plugins"  # under which a context keeps those that were named


def _keep(context: click.Context, _option: click.Parameter, plugins: tuple[str, ...]) -> None:
    context.meta[PLUGINS] = plugins


class Verbs(click.Group):
    """Imports a verb when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"nas.cli.{VERBS[cmd_name][0]}").command
        if COMPLETING in os.environ:
            from nas.cli.completing import teach

            teach(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """From the table above, so that no verb is imported."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=text) for name, (_, text) in VERBS.items() if name.startswith(incomplete)]
        return verbs or click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest verbs where there is no such verb."""
        if args and args[0] not in VERBS and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], VERBS, n=2, cutoff=0.5)
            raise click.UsageError(f"unknown verb {args[0]!r}; allowed: {', '.join(near or VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table above, so that no verb is imported."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


class Examples(click.Command):
    """A command whose help ends with examples, one a line, as they are typed. All take plugins, which are run first."""

    def __init__(self, *args: object, examples: tuple[str, ...] = (), **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.examples = examples
        self.params.append(click.Option(
            ["--plugin"], multiple=True, expose_value=False, callback=_keep, metavar="FILE.py|MODULE",
            help="Your own operations, strategies, ...: Python that is run first; may be given several times.",
        ))  # fmt: skip

    def invoke(self, ctx: click.Context) -> object:
        """Run the plugins, then the command."""
        for each in ctx.meta.get(PLUGINS, ()):
            from nas.plugins import load

            load(each)
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        with formatter.section("Examples"):
            formatter.write("".join(f"  {line}\n" for line in self.examples))


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """One line that a report of a fault can quote; nothing is imported for it."""
    if not asked or ctx.resilient_parsing:
        return
    import platform
    from importlib import metadata

    from nas import __version__

    def installed(name: str) -> str:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            return f"no {name}"

    click.echo(f"nas {__version__} (Python {platform.python_version()}, {installed('torch')}, {installed('ray')})")
    ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Versions.")
def app() -> None:
    """Neural architecture search: find a network, or look at one.

    \b
    Examples:
      nas search --space nasnet-cell --budget 5m     search on digits for five minutes
      nas search --space nasnet-cell --budget 100gpuh --dataset cifar10
      nas resume runs/NAME                           go on after Ctrl-C
      nas show resnet50                              layers, parameters, MACs
      nas train runs/NAME --dataset cifar10 --recipe nasnet --out runs/mine
      nas export runs/mine --out mine.py             one PyTorch file that is yours

    \b
    Exit statuses:
      0 done   1 `nas doctor` found a problem   2 wrong usage, or refused
      3 a search in which nothing finished
      130 interrupted (Ctrl-C)   143 terminated (SIGTERM)   141 whoever read the output has gone
    """
