"""Modules as constructor calls, and the source of those classes that are not torch's."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

from nas.export.python.draft import SEQUENCE, Instance
from nas.export.python.form import Form, Half, Param
from nas.export.python.text import Group, Repeated, Text, named
from nas.ops import Call


class Names:
    """The names of the file's classes, and which classes of ours it needs."""

    def __init__(self) -> None:
        self.taken = {"Network", "Outputs", "Tensor", "NamedTuple"}
        self.own: dict[str, str] = {}

    def free(self, label: str) -> str:
        """A class name for a label in snake case."""
        made = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", label) if part) or "Block"
        made = made if made[0].isalpha() else f"Block{made}"
        count, name = 1, made
        while name in self.taken:
            count += 1
            name = f"{made}{count}"
        self.taken.add(name)
        return name

    def use(self, kind: str) -> str:
        """The name by which the file calls a class of ours."""
        name = self.own.get(kind)
        if name is None:
            name = self.own[kind] = kind.rpartition(":")[2].removesuffix("Module")
            self.taken.add(name)
        return name


def value(item: Any) -> str:
    """A number or the like, as code."""
    return repr(item).replace("'", '"') if isinstance(item, str) else repr(item)


def bound(item: Any) -> str:
    """What an argument is bound to: an argument of the class around it, or a literal."""
    if isinstance(item, Half):
        return f"{item.param.name} // 2"
    return item.name if isinstance(item, Param) else value(item)


@lru_cache(maxsize=256)
def _defaults(kind: str) -> dict[str, Any]:
    parameters = inspect.signature(Call(kind, {}).type().__init__).parameters
    return {name: each.default for name, each in parameters.items()}


def constructed(kind: str, args: Mapping[str, Any], names: Names, write: Callable[[Any], str] = value) -> Group:
    """The call of a class of torch or ours: what it must be given by place, the rest by name unless it is the default."""
    defaults, items = _defaults(kind), []
    torchs = kind.startswith("nn.")
    for name in [name for name in defaults if name in args]:
        default, given = defaults[name], args[name]
        if default is inspect.Parameter.empty:
            items.append(write(given) if torchs else f"{name}={write(given)}")
        elif isinstance(given, Param | Half) or given != default:
            items.append(f"{name}={write(given)}")
    return Group(f"{kind if torchs else names.use(kind)}(", tuple(items))


def instance(item: Instance, names: Names) -> Text:
    """A module with its arguments."""
    if isinstance(item.of, Form):
        return called(item.of, dict(item.args), names)
    if item.of == SEQUENCE:
        return Group("nn.Sequential(", listed([instance(each, names) for _, each in item.args]))
    return constructed(item.of, dict(item.args), names)


def called(form: Form, args: Mapping[str, Any], names: Names) -> Group:
    """The call of a class of the file; what is the default is left out."""
    items: list[Text] = []
    for param in form.params:
        given = args[param.name]
        if isinstance(given, Param | Half) or given != param.default:
            items.append(named(param.name, argument(given, names)))
    return Group(f"{form.name}(", tuple(items))


def argument(given: Any, names: Names) -> Text:
    """An argument of a call, which may be a module."""
    return instance(given, names) if isinstance(given, Instance) else bound(given)


def listed(items: list[Text]) -> tuple[Text, ...]:
    """Items of a list, equal ones and those in which one number grows evenly as a loop."""
    made: list[Text] = []
    start = 0
    while start < len(items):
        end, loop = _run(items, start)
        made += [loop] if loop is not None else items[start:end]
        start = end
    return tuple(made)


def _run(items: list[Text], start: int) -> tuple[int, Text | None]:
    """The end of the run that begins at `start`, and the loop in its stead if it is worth one."""
    first, end = items[start], start + 1
    while end < len(items) and str(items[end]) == str(first):
        end += 1
    if end - start > 1:
        return end, Repeated(first, f"_ in range({end - start})")
    growing = _growing(items, start)
    return growing if growing is not None else (start + 1, None)


def _growing(items: list[Text], start: int) -> tuple[int, Text] | None:
    """A loop over items that differ in one number by the same step, three or more of them."""
    rows = [_numbers(item) for item in items[start:]]
    shape, begin = rows[0]
    if len(rows) < 3 or rows[1][0] != shape:
        return None
    places = [i for i, (a, b) in enumerate(zip(begin, rows[1][1], strict=True)) if a != b]
    if len(places) != 1:
        return None
    place = places[0]
    step, count = rows[1][1][place] - begin[place], 2
    while count < len(rows) and rows[count][0] == shape:
        wanted = [n + step * count if i == place else n for i, n in enumerate(begin)]
        if rows[count][1] != wanted:
            break
        count += 1
    group = items[start]
    if count < 3 or not isinstance(group, Group) or not all(isinstance(item, str) for item in group.items):
        return None
    return start + count, _loop(group, place, begin[place], step, count)


def _numbers(item: Text) -> tuple[str, list[int]]:
    text = str(item)
    return re.sub(r"(?<![\w.])\d+(?![\w.])", "#", text), [int(n) for n in re.findall(r"(?<![\w.])\d+(?![\w.])", text)]


def _loop(group: Group, place: int, first: int, step: int, count: int) -> Text:
    seen, items, variable = 0, [], "n"
    for item in group.items:
        found = list(re.finditer(r"(?<![\w.])\d+(?![\w.])", str(item)))
        text = str(item)
        if seen <= place < seen + len(found):
            match = found[place - seen]
            variable = text.partition("=")[0] if text.partition("=")[0].isidentifier() else "n"
            text = text[: match.start()] + variable + text[match.end() :]
        seen += len(found)
        items.append(text)
    stop = first + step * count
    clause = f"{variable} in range({first}, {stop}, {step})" if step != 1 else f"{variable} in range({first}, {stop})"
    return Repeated(Group(group.head, tuple(items), group.tail), clause)


def sources(names: Names) -> list[str]:
    """The source of the classes of ours that the file needs, with what these need in their own files."""
    by_file: dict[str, list[str]] = {}
    for kind in names.own:
        made = Call(kind, {}).type()
        by_file.setdefault(made.__module__, []).append(made.__name__)
    texts = []
    for module, wanted in by_file.items():
        parts = _parts(sys.modules[module])
        for name in _needed(parts, wanted):
            texts.append(re.sub(r"\b([A-Z]\w*)Module\b", partial(_short, parts), parts[name]))
    return texts


def _short(parts: dict[str, str], match: re.Match[str]) -> str:
    return match[1] if match[0] in parts else match[0]


def _needed(parts: dict[str, str], wanted: list[str]) -> list[str]:
    """All that the wanted ones name, in the order of the file."""
    found: set[str] = set()
    left = list(wanted)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [each for each in set(re.findall(r"\w+", parts[name])) if each in parts]
    return [name for name in parts if name in found]


@lru_cache(maxsize=8)
def _parts(module: ModuleType) -> dict[str, str]:
    """Source of everything at the top of a file by its name, the comment before it included."""
    text = inspect.getsource(module)
    lines, made = text.splitlines(), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            name = node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
        else:
            continue
        start = node.lineno - 1
        while start and lines[start - 1].startswith("#"):
            start -= 1
        made[name] = "\n".join(lines[start : node.end_lineno])
    return made
