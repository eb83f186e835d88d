"""A network as one plain PyTorch file that belongs to its user: classes, loops, no import of `nas`."""

from __future__ import annotations

import re

from nas.arch import Architecture, lower
from nas.arch.graph import GraphBuilder
from nas.errors import ArchitectureError
from nas.export.python.body import written
from nas.export.python.draft import Drafter, Instance, module_of
from nas.export.python.form import Form
from nas.export.python.module import Names, sources
from nas.export.python.network import network
from nas.export.python.plan import planned
from nas.export.python.settle import settle
from nas.export.python.text import TAB
from nas.ops import Leaf, Shape

__all__ = ["leaf_to_python", "to_python"]

_OUTPUTS = f'''class Outputs(NamedTuple):
{TAB}"""Logits (N, classes), in training with those of the auxiliary heads."""

{TAB}main: Tensor
{TAB}aux: tuple[Tensor, ...]'''


def to_python(architecture: Architecture, drop_path: float = 0.0, weights: str = "") -> str:
    """The text of a Python file whose class `Network` is the network of `nas.build.build(architecture, drop_path)`.

    It takes the same state dict and gives the same output. `weights` is the name of the file that holds one, if it is known: the
    lines at the top that tell how to use the network name it. Raises `ArchitectureError` where the shapes do not fit, or for an
    ensemble.
    """
    if not isinstance(architecture, Architecture):
        raise ArchitectureError(f"a {type(architecture).__name__.lower()} is not written as one file; allowed: each of its members")
    lowered = lower(architecture)
    drafter, names = Drafter(drop_path), Names()
    plan = planned(architecture, lowered, drafter)
    forms = settle(drafter.drafts)
    needed = _needed(plan.modules())
    # Their names come first: they are fixed.
    for kind in sorted(of for of in needed if isinstance(of, str) and not of.startswith("nn.")):
        names.use(kind)
    # Inner ones first.
    used = [form for form in forms if form in needed]
    for form in used:
        form.name = names.free(form.label)
    classes = [written(form, names) for form in used]
    classes.append(network(plan, tuple(weight for _, _, weight in lowered.aux), names))
    texts = [*sources(names), *([_OUTPUTS] if lowered.aux else []), *["\n".join(lines) for lines in classes]]
    body = "\n\n\n".join(texts)
    return "\n".join([*_header(architecture, weights), "", *_imports(body), "", "", body, ""])


def leaf_to_python(leaf: Leaf, shapes: tuple[Shape, ...]) -> str:
    """A file whose class `Block` does what the leaf does with inputs of these shapes; its module is named as the leaf."""
    builder, drafter, names = GraphBuilder(shapes), Drafter(1.0), Names()
    output = builder.add(leaf, *range(len(shapes)))
    draft = drafter.draft(builder.finish("block", output), "", 1.0)
    (form,) = settle([draft])
    form.name = "Block"
    lines = written(form, names)
    body = "\n\n\n".join([*sources(names), "\n".join(lines)])
    return "\n".join([*_imports(body), "", "", body, ""])


def _needed(modules: list[Instance]) -> dict[Form | str, None]:
    """All classes that the modules are made of: forms, and others by their name."""
    found: dict[Form | str, None] = {}
    left = list(modules)
    while left:
        of, args = left.pop()
        left += [item for _, item in args if isinstance(item, Instance)]
        if isinstance(of, Form) and of not in found:
            left += _inner(of)
        found[of] = None
    return found


def _inner(form: Form) -> list[Instance]:
    """The modules that a class makes itself."""
    every = [draft for variant in form.variants for draft in variant.drafts]
    return [module_of(step) for draft in every for step in draft.steps if step.attribute is not None]


def _header(architecture: Architecture, weights: str) -> list[str]:
    """The docstring of the file: what the network is, and how it is used."""
    cost = architecture.cost(aux=False)
    channels, rows, columns = architecture.input
    named = weights and weights == _plain(weights)
    given = f'torch.load("{weights}", weights_only=True)' if named else "weights"
    return [
        f'"""{_plain(architecture.name)[:60]}.',
        "",
        f"Images of {channels}x{rows}x{columns}, {architecture.classes:,} classes; "
        f"{architecture.cost().params:,} parameters, {cost.macs:,} multiply-adds.",
        "",
        "Written by `nas export`. It needs PyTorch alone, and is yours to change.",
        "",
        f"{TAB}network = Network()",
        f"{TAB}network.load_state_dict({given})",
        f"{TAB}logits = network.eval()(images)  # (N, {channels}, {rows}, {columns}) to (N, {architecture.classes})",
        '"""',
    ]


def _plain(text: str) -> str:
    """Without what cannot stand in a docstring."""
    return "".join(letter for letter in text if letter.isprintable() and letter not in '\\"')


def _imports(body: str) -> list[str]:
    lines = ["from typing import NamedTuple", ""] if "NamedTuple" in body else []
    lines += ["import torch"] if re.search(r"\btorch\.", body) else []
    lines += ["import torch.nn.functional as F"] if re.search(r"\bF\.", body) else []
    return [*lines, "from torch import Tensor, nn"]
