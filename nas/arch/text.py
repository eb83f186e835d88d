"""YAML in and out, safely: no tags, no objects, bounded size."""

from __future__ import annotations

from typing import Any

import yaml

from nas.errors import ArchitectureError

MAX_BYTES = 2**20
# libyaml where the wheel has it: ten times faster, the same text.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Loader(_LOADER):  # type: ignore[misc]
    """The safe loader, with a key that stands twice in one mapping an error."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key in keys if keys.count(key) > 1 and key != "<<"), None)
        if twice is not None:
            raise ArchitectureError(f"the key {twice!r} stands twice, line {node.start_mark.line + 1}; allowed: once")
        return super().construct_mapping(node, deep)


def parse(text: str, where: str = "") -> Any:
    """YAML text as plain data. Raises `ArchitectureError` with line and column."""
    prefix = f"{where}: " if where else ""
    if len(text) > MAX_BYTES:
        raise ArchitectureError(f"{prefix}the document has {len(text)} characters; allowed: {MAX_BYTES}")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ArchitectureError(f"{prefix}not YAML{place}: {problem}; allowed: plain YAML without tags") from None
    except (RecursionError, ValueError) as error:
        raise ArchitectureError(f"{prefix}not YAML: {type(error).__name__}; allowed: plain YAML, at most 60 levels deep") from None


class _Dumper(_DUMPER):  # type: ignore[misc]
    """Without anchors: a repeated value is written again, so that a text can be cut and pasted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: Any) -> str:
    """Plain data as YAML, keys in the order given, innermost collections in one line."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120))
