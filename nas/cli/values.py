"""What the shell offers where an option or an argument of any verb wants a value.

One table for all verbs, by the name under which a value is asked for; a new verb that asks for a `network` completes networks.
Nothing is imported before a value is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Items = list[CompletionItem]
Values = Callable[[str], Items]  # what a word that is half typed may become

RUN_FILES = ("run.yaml", "train.yaml")
MANY = 500  # entries of a folder that are looked at: completing must not wait for a large one


def networks(word: str) -> Items:
    """Baselines; from a path on, files and folders."""
    from nas import baselines

    return _named(word, baselines.names()) or _files(word)


def spaces(word: str) -> Items:
    """Shipped spaces, or a file."""
    from nas.spaces import files

    return _named(word, files.names()) or _files(word)


def datasets(word: str) -> Items:
    """Named data sets, and the kinds that a path follows: `npz:FILE`, `folder:DIR`."""
    from nas import data

    kind, colon, path = word.partition(":")
    if colon and kind in data.KINDS:
        return [CompletionItem(f"{kind}:{found}") for found in _paths(path)]
    return _named(word, (*data.names(), *(f"{kind}:" for kind in data.KINDS.names())))


def targets(word: str) -> Items:
    """What cells are transferred to."""
    return _named(word, ("imagenet",)) + datasets(word)


def strategies(word: str) -> Items:
    """Strategies, and after `asha:` what it goes around."""
    from nas import strategies as made

    outer, colon, inner = word.partition(":")
    if colon and outer in made.WRAPPERS:
        return _named(inner, (name for name, each in made.STRATEGIES.items() if not each.phase), f"{outer}:")
    return _named(word, (*made.names(), *(f"{name}:" for name in made.WRAPPERS.names())))


def evaluators(word: str) -> Items:
    """Evaluators; after `zero-cost:` the scores."""
    from nas import evaluators as made

    kind, colon, argument = word.partition(":")
    if colon and made.ARGUMENTS.get(kind) == "proxy":
        return _named(argument, _proxies(), f"{kind}:")
    return _named(word, (f"{name}:" if name in made.ARGUMENTS else name for name in made.EVALUATORS.names()))


def measures(word: str) -> Items:
    """Everything that is known of a network without training."""
    from nas import measures as made

    return _named(word, made.names())


def filters(word: str) -> Items:
    """Scores, which a quantile follows."""
    return _named(word, (f"{name}:" for name in _proxies()))


def objectives(word: str) -> Items:
    """Accuracy, and what a network costs."""
    return _named(word, ("accuracy", "val_loss")) + measures(word)


def recipes(word: str) -> Items:
    """Shipped recipes, or a file."""
    from nas.training import recipes as made

    return _named(word, made.names()) or _files(word)


def tables(word: str) -> Items:
    """The made-up table, or a file."""
    return _named(word, ("synthetic",)) or _files(word)


def runs(word: str) -> Items:
    """Folders of `nas search` and `nas train`: those below `runs`, or below what is typed."""
    folder, _, _ = word.rpartition("/")
    found = [path for path in _paths(f"{folder}/" if folder else "runs/") if path.startswith(word) and _is_run(path)]
    return [CompletionItem(path.rstrip("/")) for path in found] or [CompletionItem(word, type="dir")]


def _proxies() -> Iterable[str]:
    from nas import measures as made

    return [name for name, each in made.MEASURES.items() if each.proxy]


def _named(word: str, names: Iterable[str], before: str = "") -> Items:
    return [CompletionItem(before + name) for name in names if name.startswith(word)]


def _files(word: str) -> Items:
    """Leaves it to the shell."""
    return [CompletionItem(word, type="file")]


def _paths(word: str) -> list[str]:
    """Paths that begin as `word` does, as it is spelt; folders end with a slash."""
    folder, slash, begin = word.rpartition("/")
    where = os.path.expanduser(folder) if folder else slash or "."
    try:
        with os.scandir(where) as entries:
            near = [entry for entry, _ in zip(entries, range(MANY), strict=False)]
            return sorted(
                f"{folder}{slash}{entry.name}{'/' * entry.is_dir()}"
                for entry in near if entry.name.startswith(begin) and (begin or not entry.name.startswith("."))
            )  # fmt: skip
    except OSError:
        return []


def _is_run(path: str) -> bool:
    folder = Path(os.path.expanduser(path))
    return any((folder / name).is_file() for name in RUN_FILES)


# By the name of the parameter that a verb is handed.
VALUES: dict[str, Values] = {
    "network": networks,
    "networks": networks,
    "names": networks,
    "start": networks,
    "run": runs,
    "runs": runs,
    "space": spaces,
    "dataset": datasets,
    "strategy": strategies,
    "strategies": strategies,
    "evaluator": evaluators,
    "objectives": objectives,
    "recipe": recipes,
    "table": tables,
    "proxies": measures,
    "filters": filters,
}
# By the option as it is typed, where the same name means something else.
OPTIONS: dict[str, Values] = {"--to": targets, "--csv": _files, "--weights": _files}
LISTS = ("start", "strategies", "objectives", "proxies")  # several values, joined by commas


def of(parameter: click.Parameter) -> Values | None:
    """What completes a parameter; None where click knows better: choices, paths, flags."""
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return None
    found = next((OPTIONS[option] for option in parameter.opts if option in OPTIONS), VALUES.get(parameter.name or ""))
    if found is None or isinstance(parameter.type, click.Choice):
        return None
    return _last_of_several(found) if parameter.name in LISTS else found


def _last_of_several(values: Values) -> Values:
    def last(word: str) -> Items:
        before, comma, begun = word.rpartition(",")
        return [CompletionItem(f"{before}{comma}{item.value}") for item in values(begun) if item.type == "plain"]

    return last
