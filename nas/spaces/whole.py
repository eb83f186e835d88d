"""A space of whole networks: `choose` at the top of a document, where an architecture stands otherwise.

    name: classics
    choose: [resnet20, densenet_bc_100_12, {name: mine, stages: [...], ...}]

Its decision is called `network`. Each option is the name of a baseline or a document of its own, with cells of its own, and
decisions of its own where it is open in parts; `input` and `classes` beside `choose` hold for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nas import baselines
from nas.arch import Architecture
from nas.arch.architecture import decode_architecture
from nas.errors import ArchitectureError, SpaceError, unknown
from nas.spaces.template import MAX_OPTIONS, Choice, SpaceDecoder

NETWORK = "network"
TASK = ("input", "classes")
WORDS = ("name", *TASK, "choose", "labels", "grow")


def written_out(data: Mapping[str, Any]) -> dict[str, Any]:
    """A document in which networks to choose from are spelt out: a space must not change with the baselines of a version.

    Raises `SpaceError` for an unknown name.
    """
    made = dict(data)
    if _few(made.get("choose")):
        made["choose"] = [_named(option, f"choose[{place}]") for place, option in enumerate(made["choose"])]
    return made


def _few(options: Any) -> bool:
    """Whether it is a list that may be options; what is none is refused where all choices are read."""
    return isinstance(options, list) and len(options) <= MAX_OPTIONS


def _named(option: Any, where: str) -> Any:
    if not isinstance(option, str):
        return option
    if (found := baselines.find(option)) is None:
        raise SpaceError(str(unknown("network", option, baselines.names(), where=where)))
    return found.make().to_dict()


def read_template(data: Any, decoder: SpaceDecoder) -> Any:
    """What a document is read into: an architecture, open in parts, or a choice of such. Raises `ArchitectureError`."""
    if not isinstance(data, dict) or "choose" not in data:
        return decode_architecture(data, decoder)
    if extra := sorted(set(map(str, data)) - set(WORDS)):
        raise ArchitectureError(f"the top level has {', '.join(extra)} beside choose; allowed: {', '.join(WORDS)}, limits, fitting, scale")
    if "name" not in data:
        raise ArchitectureError("the top level lacks 'name'; allowed: a text, what the space is called")
    choice = {key: value for key, value in data.items() if key not in TASK}
    choice["name"] = NETWORK
    if _few(data["choose"]):
        choice["choose"], choice["labels"] = _documents(data)


    def read(option: Any, place: str) -> Any:
        decoder.scope = f"{place}."
        return decode_architecture(option, decoder, place)

    made = _different(decoder.choice(choice, NETWORK, read))
    decoder.scope = ""
    return made


def _documents(data: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The options at the input and classes that hold for all, and what they are called. The name comes first, as their kind."""
    options, task = data["choose"], {key: data[key] for key in TASK if key in data}
    for place, option in enumerate(options):
        if not isinstance(option, dict):
            raise ArchitectureError(f"choose[{place}]={option!r:.60}; allowed: the name of a network, or an architecture")
        if not isinstance(option.get("name"), str):
            raise ArchitectureError(f"choose[{place}].name={option.get('name')!r:.60}; allowed: a text")
        if "choose" in option:
            raise ArchitectureError(f"choose[{place}] is a choice itself; allowed: all networks in one list")
    names = [option["name"] for option in options]
    if "labels" not in data and (twice := [name for place, name in enumerate(names) if name in names[:place]]):
        raise ArchitectureError(f"choose has two networks called {twice[0]!r}; allowed: different names, or labels")
    return [{"name": option["name"], **option, **task} for option in options], data.get("labels", names)


def _different(choice: Choice) -> Choice:
    """Raises `ArchitectureError` where two options are one network: its decision could not be told."""
    seen: dict[Architecture, Any] = {}
    for label, value in zip(choice.labels, choice.values, strict=True):
        if isinstance(value, Architecture):
            first = seen.setdefault(replace(value, name="", input=(1, 1, 1), classes=1), label)
            if first != label:
                raise ArchitectureError(f"{first} and {label} are one network; allowed: different ones")
    return choice
