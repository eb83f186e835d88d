"""The YAML that is written is read back as it was, by our reader and by any other."""

from __future__ import annotations

import random
from typing import Any

import pytest
import yaml

import nas
from nas import baselines, spaces
from nas.arch.text import dump, parse

TEXTS = [
    *("a", "yes", "No", "on", "null", "~", "", " a", "a b", "a.b-c_d", "1", "1e5", "0x1f", ".5", "12:30", "2026-01-01", "-"),
    *("- a", "a: b", "#c", "é", "\n", "\t", '"', "'", "a,b", "{", "<<", "=", "\x07"),
]
NUMBERS = [0, -1, 10**12, 0.1, 1e-5, 1e22, -2.5e-7, 1.0, True, False, None]


def random_data(rng: random.Random, depth: int) -> Any:
    """Nested plain data."""
    kind = rng.random()
    if depth == 0 or kind < 0.3:
        return rng.choice([*TEXTS, *NUMBERS])
    size = rng.randrange(4)
    if kind < 0.65:
        return [random_data(rng, depth - 1) for _ in range(size)]
    return {rng.choice(TEXTS): random_data(rng, depth - 1) for _ in range(size)}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {x: x}, lambda x: [[x], {x: [x]}]])
def test_texts(text: str, wrap: Any) -> None:
    data = wrap(text)
    assert yaml.safe_load(dump(data)) == data


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_keep_their_type(number: Any) -> None:
    back = yaml.safe_load(dump({"a": [number]}))["a"][0]
    assert back == number
    assert type(back) is type(number)


def test_nested_data() -> None:
    rng = random.Random(0)
    for _ in range(3000):
        data = random_data(rng, 5)
        assert yaml.safe_load(dump(data)) == data


@pytest.mark.parametrize("name", baselines.names())
def test_baselines(name: str) -> None:
    data = nas.load(name).to_dict()
    assert parse(dump(data)) == yaml.safe_load(dump(data)) == data


@pytest.mark.parametrize("name", spaces.names())
def test_spaces(name: str) -> None:
    data = spaces.load(name).to_dict()
    assert parse(dump(data)) == data


def test_what_is_handed_out_can_be_changed() -> None:
    network = nas.load("googlenet")
    before = network.to_yaml()
    network.to_dict()["stem"][0]["block"]["conv"]["kernel"] = 99
    network.to_dict()["head"].clear()
    assert network.to_yaml() == before
