"""The class `Network`: stem, stages and head as containers of blocks, and its `forward`."""

from __future__ import annotations

from nas.export.python.module import Names, instance, listed
from nas.export.python.plan import Part, Plan
from nas.export.python.text import TAB, Group, Text, laid_out
from nas.export.python.walk import Walk


def network(plan: Plan, aux_weights: tuple[float, ...], names: Names) -> list[str]:
    """The lines of the class; `aux_weights` has how much the loss of each auxiliary head counts."""
    lines = ["class Network(nn.Module):", f'{TAB}"""The whole network."""', ""]
    if plan.aux:
        weights = ", ".join(map(repr, aux_weights)) + ("," if len(aux_weights) == 1 else "")
        lines += [f"{TAB}# How much the loss of each auxiliary head counts in training.", f"{TAB}aux_weights = ({weights})", ""]
    lines += [f"{TAB}def __init__(self) -> None:", f"{TAB * 2}super().__init__()"]
    for name, made in _members(plan, names).items():
        lines += laid_out(made, 2, lead=f"self.{name} = ")
    result = "Tensor | Outputs" if plan.aux else "Tensor"
    return [*lines, "", f"{TAB}def forward(self, x: Tensor) -> {result}:", *[TAB * 2 + line for line in _forward(plan)]]


def _members(plan: Plan, names: Names) -> dict[str, Text]:
    """The containers of the outermost level, in the order of the parts."""
    made: dict[str, Text] = {}
    stages = [_container(plan, part, names) for part in plan.parts if part.path.startswith("stages.")]
    for part in plan.parts:
        if not part.path.startswith("stages."):
            made[part.path] = _container(plan, part, names)
        else:
            made["stages"] = _list(tuple(stages))
    if plan.aux:
        made["aux"] = _list(tuple(_sequence(part, names) for part, _ in plan.aux))
    return made


def _container(plan: Plan, part: Part, names: Names) -> Text:
    return _sequence(part, names) if plan.chained(part) else _list(_blocks(part, names))


def _sequence(part: Part, names: Names) -> Text:
    return Group("nn.Sequential(", _blocks(part, names))


def _list(items: tuple[Text, ...]) -> Text:
    return Group("nn.ModuleList(", (Group("[", items, "]"),))


def _blocks(part: Part, names: Names) -> tuple[Text, ...]:
    return listed([instance(block.module, names) for block in part.blocks])


def _forward(plan: Plan) -> list[str]:
    """The body of `forward`."""
    *lines, last = Walk(plan).lines()
    if plan.aux:
        heads = [f"self.aux[{i}]({plan.taps[source]})" for i, (_, source) in enumerate(plan.aux)]
        tail = f"({', '.join(heads)}{',' if len(heads) == 1 else ''})"
        return [*lines, last, "if not self.training:", f"{TAB}return x", f"return Outputs(x, {tail})"]
    if last.startswith("x = "):
        return [*lines, "return " + last.removeprefix("x = ")]
    return [*lines, last, "return x"]
