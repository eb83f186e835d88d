"""YAML in and out, safely: no tags, no objects, bounded size and depth."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

from nas.errors import ArchitectureError

MAX_BYTES = 2**20
MAX_TEXT = 1000  # characters of one value: a number of more digits could not even be printed
MAX_EVENTS = 50_000
MAX_VALUES = 200_000  # aliases written out: nine levels of nine aliases are 387 million values in 300 characters
MAX_DEPTH = 60
# libyaml where the wheel has it: ten times faster, the same text.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_LOADER):  # type: ignore[misc]
    """The safe loader, with a key that stands twice in one mapping an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            seen: set[str] = set()
            twice = next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise ArchitectureError(f"the key {twice!r} stands twice, line {node.start_mark.line + 1}; allowed: once")
        return super().construct_mapping(node, deep)


def parse(text: str, where: str = "", *, max_bytes: int = MAX_BYTES, max_text: int = MAX_TEXT) -> Any:
    """YAML text as plain data: a tree without cycles, of bounded size: `max_bytes` in all, `max_text` characters a value.

    Raises `ArchitectureError` with line and column.
    """
    prefix = f"{where}: " if where else ""
    try:
        if len(text) > max_bytes:
            raise ArchitectureError(f"the document has {len(text)} characters; allowed: {max_bytes}")
        _check_events(text, max_text)
        data = yaml.load(text, Loader=_Loader)
        _check_tree(data, {}, set())
        return data
    except ArchitectureError as error:
        raise ArchitectureError(f"{prefix}{error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ArchitectureError(f"{prefix}not YAML{place}: {problem}; allowed: plain YAML without tags") from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise ArchitectureError(f"{prefix}not YAML: {type(error).__name__}; allowed: plain YAML without tags") from None


_STARTS = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_ENDS = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


def _check_events(text: str, max_text: int) -> None:
    """A first pass without recursion: libyaml's loader overflows the stack of the process on deep nesting."""
    depth = 0
    for number, item in enumerate(yaml.parse(text, Loader=_LOADER)):
        event: Any = item
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if len(event.value) > max_text:
                raise _at(event, f"a text of {len(event.value)} characters", f"{max_text}")
            if event.value == "<<" and event.implicit[0]:
                raise _at(event, "a merge key <<", "anchors and aliases")
        elif kind in _STARTS:
            depth += 1
        elif kind in _ENDS:
            depth -= 1
        if getattr(event, "tag", None) is not None:
            raise _at(event, f"the tag {event.tag[:60]!r}", "plain YAML without tags")
        if depth > MAX_DEPTH or number > MAX_EVENTS:
            raise _at(event, "the document is too large or too deep", f"at most {MAX_EVENTS} values, {MAX_DEPTH} levels")


def _at(event: Any, what: str, allowed: str) -> ArchitectureError:
    return ArchitectureError(f"{what}, line {event.start_mark.line + 1}; allowed: {allowed}")


def _check_tree(data: Any, known: dict[int, tuple[int, int]], above: set[int]) -> tuple[int, int]:
    """Number of values and of levels with all aliases written out. An alias follows its anchor, so `known` keeps this linear."""
    if not isinstance(data, (dict, list)):
        return 1, 1
    if id(data) in above:
        raise ArchitectureError("the document contains itself; allowed: a tree")
    if id(data) not in known:
        above.add(id(data))
        inner = [_check_tree(item, known, above) for item in (data.values() if isinstance(data, dict) else data)]
        above.discard(id(data))
        size, depth = 1 + sum(n for n, _ in inner), 1 + max((d for _, d in inner), default=0)
        if size > MAX_VALUES or depth > MAX_DEPTH:
            limit = f"{MAX_VALUES} values, {MAX_DEPTH} levels"
            raise ArchitectureError(f"the document with its aliases written out is too large or too deep; allowed: at most {limit}")
        known[id(data)] = size, depth
    return known[id(data)]


def dump(data: Any) -> str:
    """Plain data (mappings, lists, texts, numbers, true, false, null) as YAML, innermost collections in one line.

    Written here and not by PyYAML, because a search writes one network a trial: this takes a tenth of the time.
    """
    lines: list[str] = []
    _write(data, "", "", lines)
    return "\n".join(lines) + "\n"


def _write(data: Any, first: str, indent: str, lines: list[str]) -> None:
    """Append the lines of a value: the first begins with `first`, the others with `indent`."""
    if not _nested(data):
        lines.append(first + _flow(data))
    elif isinstance(data, dict):
        for key, item in data.items():
            head = f"{first}{_scalar(key)}:"
            if not _nested(item):
                lines.append(f"{head} {_flow(item)}")
            elif isinstance(item, dict):
                lines.append(head)
                _write(item, indent + "  ", indent + "  ", lines)
            else:
                lines.append(head)
                _write(item, indent, indent, lines)
            first = indent
    else:
        for item in data:
            _write(item, f"{first}- ", indent + "  ", lines)
            first = indent


def _nested(data: Any) -> bool:
    """Whether a collection holds collections that are not empty."""
    if not isinstance(data, (dict, list)):
        return False
    return any(isinstance(item, (dict, list)) and item for item in (data.values() if isinstance(data, dict) else data))


def _flow(data: Any) -> str:
    if isinstance(data, dict):
        return "{" + ", ".join([f"{_scalar(key)}: {_flow(item)}" for key, item in data.items()]) + "}"
    if isinstance(data, list):
        return "[" + ", ".join([_flow(item) for item in data]) + "]"
    return _scalar(data)


def _scalar(data: Any) -> str:
    if isinstance(data, str):
        return data if _PLAIN.match(data) and data.lower() not in _RESERVED else json.dumps(data)
    if data is None:
        return "null"
    if isinstance(data, bool):
        return "true" if data else "false"
    text = repr(data)
    if isinstance(data, float):
        if not math.isfinite(data):
            return {"inf": ".inf", "-inf": "-.inf"}.get(text, ".nan")
        # YAML 1.1 knows no number without a point that has an exponent.
        return text.replace("e", ".0e", 1) if "e" in text and "." not in text else text
    return text


# Texts that need no quotes; those that YAML 1.1 would read as something else are quoted all the same.
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")
_RESERVED = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
