"""Bad input: one short line that names place, value and what is allowed, at once, and never another exception.

The fuzzer changes the YAML of every baseline and space at random (the seed is fixed) and asks for the same.
"""

from __future__ import annotations

import copy
import os
import random
import re
import time

import pytest
import yaml

import nas
from nas import spaces
from nas.arch import Architecture
from nas.arch.text import MAX_BYTES, dump, parse
from nas.errors import NasError
from nas.spaces import Space

TOP = "name: x\ninput: [3, 8, 8]\nclasses: 4\n"
HEAD = "head: [global_pool, {block: linear, width: classes}]\n"
GOOD = f"{TOP}stages:\n- {{block: conv, width: 8}}\n{HEAD}"
CELLS = "cells:\n  normal:\n    cell:\n      nodes:\n      - [{op: conv3x3, from: 0}, {op: skip_connect, from: 1}]\n"
NINES = "".join(f", &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
LAUGHS = f"[&a [1,1,1,1,1,1,1,1,1]{NINES}]"


def network(stages="- {block: conv, width: 8}", top=TOP, cells="", head=HEAD, more=""):
    """The text of a network with these parts."""
    return f"{top}{cells}stages:\n{stages}\n{head}{more}"


def open_(choice):
    """The text of a space whose block is this choice."""
    return network(f"- {{block: {choice}, width: 8}}")


def read_network(text):
    """Reads a network to the end: value, shapes, digest, text."""
    made = Architecture.from_yaml(text)
    made.cost()
    assert Architecture.from_yaml(made.to_yaml()) == made
    return made


def read_space(text):
    """Reads a space to the end: some candidates with their cost, a mutation, its size, its text."""
    made = Space(parse(text))
    rng = random.Random(0)
    made.count()
    Space(parse(made.to_yaml()))
    for _ in range(2):
        decisions = made.sample(rng)
        made.decode(decisions).cost()
        made.encode(decisions)
        if any(len(made.choices[name]) > 1 for name in decisions):
            made.mutate(decisions, rng)
    return made


def refused(read, text, says="", within=10.0):
    """The message of the error that `read` raises: typed, short, one line, and soon."""
    start = time.perf_counter()
    with pytest.raises(NasError) as caught:
        read(text)
    seconds = time.perf_counter() - start
    message = str(caught.value)
    assert seconds < within
    assert len(message) < 400
    assert "\n" not in message
    assert re.search(says, message), message
    return message


NETWORKS = {
    # Names.
    "unknown key": (network(more="stem_width: 3\n"), r"unknown field 'stem_width' at the top level; nearest: stem"),
    "unknown field of a block": (network("- {block: conv, widht: 8}"), r"unknown field 'widht' at stages\[0\]; nearest: width"),
    "unknown field of an operation": (network("- {block: {conv: {kernal: 3}}}"), r"'kernal' at stages\[0\].block.conv; nearest: kernel"),
    "unknown operation": (network("- {block: botleneck}"), r"unknown operation 'botleneck' at stages\[0\].block; nearest: bottleneck"),
    "unknown operation with fields": (network("- {block: {botleneck: {}}}"), r"unknown operation 'botleneck' .*; nearest: bottleneck"),
    "preset with fields": (
        network("- {block: {sep_conv_3x3: {kernel: 5}}}"),
        "is an operation with its fields set; allowed: the name alone",
    ),
    "operation that needs fields": (network("- {block: adaptive_pool}"), "'adaptive_pool' needs the fields size"),
    "two operations at once": (
        network("- {block: {conv: {}, sep_conv: {}}}"),
        "allowed: the name of an operation, or one name with its fields",
    ),
    "no operation": (network("- {block: {}}"), "allowed: the name of an operation"),
    "a cell that is not there": (network("- {block: normal}"), r"unknown operation 'normal' at stages\[0\].block"),
    "a cell in a cell": (
        network("- {block: a}", cells="cells: {a: {cell: {nodes: [[{op: b, from: 0}]]}}, b: {cell: {nodes: [[{op: a, from: 0}]]}}}\n"),
        "unknown operation 'b' at cells.a.cell",
    ),
    "a cell in itself": (network("- {block: a}", cells="cells: {a: {cell: {nodes: [[{op: a, from: 0}]]}}}\n"), "unknown operation 'a'"),
    "a cell inside an operation": (
        network("- {block: {sequential: {ops: [normal]}}, width: 8}", cells=CELLS),
        "'normal' stands inside an operation",
    ),
    "a cell named like an operation": (network(cells=CELLS.replace("normal", "conv")), "cells.conv has the name of an operation"),
    "a cell without a name": (network(cells=CELLS.replace("normal", "''")), "the name of a cell ''; allowed"),
    "a cell with a number for a name": (network(cells=CELLS.replace("normal", "7")), "cells is not a mapping of texts"),
    # Types.
    "text for a number": (network("- {block: conv, width: wide}"), r"stages\[0\].width='wide'; allowed: a whole number or classes"),
    "number for a text": (network(top=TOP.replace("x", "3")), "name=3; allowed: a text"),
    "fraction for a whole number": (network("- {block: conv, width: 8.5}"), r"width=8.5; allowed: a whole number"),
    "truth for a whole number": (network("- {block: conv, width: true}"), r"width=True; allowed: a whole number"),
    "truth for a fraction": (network("- {block: {dropout: {rate: true}}}"), "rate=True; allowed: a number"),
    "number for a truth": (network("- {block: {conv: {norm: 1}}, width: 8}"), "norm=1; allowed: true or false"),
    "date for a number": (network("- {block: conv, width: 2020-01-01}"), "allowed: a whole number"),
    "null for a number": (network(top=TOP.replace("4", "null")), "classes=None; allowed: a whole number"),
    "mapping for a list": (network(" {a: 1}"), "stages={'a': 1}; allowed: a list"),
    "text for a list": (f"{TOP}stages: conv\n{HEAD}", "stages='conv'; allowed: a list"),
    "list for a mapping": (network("- [[conv]]"), "allowed: a mapping of fields"),
    "list for a block": (network("- {block: [conv]}"), "allowed: the name of an operation"),
    "list for an operation's fields": (network("- {block: {conv: [3]}}"), "conv=.3.; allowed: a mapping of fields"),
    "list for cells": (network(cells="cells: [1]\n"), "cells is not a mapping"),
    "falsehood for cells": (network(cells="cells: false\n"), "cells is not a mapping"),
    "choice in a network": (network("- {block: conv, width: {choose: [4, 8]}}"), "width=.'choose': .4, 8..; allowed: a whole number"),
    "four numbers of input": (network(top=TOP.replace("[3, 8, 8]", "[3, 8, 8, 8]")), "input has 4 items; allowed: 3"),
    "a key that is a number": (network(more="3: 4\n"), "unknown field '3'"),
    "a key that is null": (network(more="null: 4\n"), "unknown field 'None'"),
    # What is missing.
    "empty": ("", "an architecture is nothing; allowed: a mapping with name, input"),
    "only a comment": ("# nothing\n", "an architecture is nothing"),
    "a list at the top": ("- conv\n", "an architecture is a list; allowed: a mapping"),
    "a text at the top": ("conv\n", "an architecture is a str; allowed: a mapping"),
    "no stages": (f"{TOP}{HEAD}", "the top level lacks 'stages'"),
    "no name": (GOOD.replace("name: x\n", ""), "the top level lacks 'name'"),
    "no operation in a block": (network("- {width: 8}"), r"stages\[0\] lacks 'block'"),
    "no source of an edge": (network("- {block: normal}", cells=CELLS.replace(", from: 0", "")), r"edges\[0\] lacks 'from'"),
    "no nodes": (network(cells="cells: {normal: {cell: {nodes: []}}}\n"), "0 nodes; allowed: 1 to 64"),
    "no head": (network(head=""), "head ends in 8x8x8; allowed: a vector of 4 classes"),
    "two documents": (f"{GOOD}---\n{GOOD}", "not YAML at line"),
    # Ranges.
    "zero width": (network("- {block: conv, width: 0}"), r"stages\[0\]: width=0; allowed: 1 to 65536"),
    "negative width": (network("- {block: conv, width: -8}"), "width=-8; allowed"),
    "a thousand million channels": (network("- {block: conv, width: 1000000000}"), "width=1000000000; allowed: 1 to 65536"),
    "a width of 31 digits": (network(f"- {{block: conv, width: {10**30}}}"), "width=1000000000000000000000000000000; allowed"),
    "a width of 500 digits": (network(f"- {{block: conv, width: {10**499}}}"), "width=1000.* [.]{3} .*; allowed: 1 to 65536"),
    "a width of 5,000 digits": (network(f"- {{block: conv, width: {10**4200}}}"), "a text of 4201 characters, line 5; allowed: 1000"),
    "a width of hexadecimal digits": (network(f"- {{block: conv, width: 0x{'f' * 900}}}"), "allowed: 1 to 65536"),
    "zero stride": (network("- {block: conv, width: 8, stride: 0}"), "stride=0; allowed: 1 to 64"),
    "zero repeat": (network("- {block: conv, width: 8, repeat: 0}"), "repeat=0; allowed: 1 to 4096"),
    "absurd repeat": (network("- {block: conv, width: 8, repeat: 1000000}"), "repeat=1000000; allowed"),
    "absurd repeats together": (
        network("\n".join(["- {block: conv, width: 8, repeat: 4096}"] * 30)),
        "122882 operations, repeats counted; allowed",
    ),
    "absurd repeats of absurd blocks": (
        network("- {block: {dense_layers: {layers: 512}}, repeat: 4096}"),
        "operations, repeats counted; allowed",
    ),
    "absurd repeats in a head": (
        network(more="aux: [{after: 0, head: [" + "{block: conv, repeat: 4096}, " * 20 + "]}]"),
        "operations, repeats",
    ),
    "negative read": (network("- {block: conv, reads: [-1]}"), r"reads=-1; allowed"),
    "reads of another number": (network("- {block: conv, width: 8, reads: [1, 2]}"), r"reads=\[1, 2\]; allowed: 1 numbers"),
    "groups that do not divide": (
        network("- {block: {conv: {groups: 7}}, width: 32}"),
        "groups=7 does not divide width 3 to 32; allowed: 1$",
    ),
    "even kernel": (network("- {block: {conv: {kernel: 2}}, width: 8}"), "kernel=2x2 with no padding set; allowed: odd"),
    "not a number": (network("- {block: {dropout: {rate: .nan}}}"), "rate=nan; allowed: 0 to 0.99"),
    "infinite": (network("- {block: {dropout: {rate: .inf}}}"), "rate=inf; allowed: 0 to 0.99"),
    "epsilon that is not a number": (network("- {block: {conv: {eps: .nan}}, width: 8}"), "eps=nan; allowed"),
    "unknown activation": (network("- {block: {conv: {activation: relo}}, width: 8}"), "activation='relo'; allowed: none, relu"),
    "an edge from a later state": (
        network("- {block: normal}", cells=CELLS.replace("from: 0", "from: 2")),
        r"nodes\[0\] reads state from=2",
    ),
    "auxiliary head after no stage": (network(more=f"aux: [{{after: 3, {HEAD.strip()}}}]\n"), "aux.after=3; allowed: 0 to 0"),
    "zero input": (network(top=TOP.replace("[3, 8, 8]", "[3, 0, 8]")), "input=0; allowed"),
    "no map left": (network("- {block: {conv: {kernel: 9, padding: 0}}, width: 8}"), "does not fit a map 3x8x8"),
    "a map where a vector is wanted": (network("- {block: linear, width: 8}"), "linear got map 3x8x8; allowed: vector or tokens"),
    # Hostile documents.
    "aliases that explode": (network(more=f"aux: {LAUGHS}\n"), "with its aliases written out is too large"),
    "aliases that explode in a field": (f"{TOP}stages: {LAUGHS}\n", "with its aliases written out is too large"),
    "an alias to itself": (f"{TOP}stages: &a [*a]\n", "the document contains itself"),
    "a mapping in itself": (f"{TOP}stages: [&a {{block: *a}}]\n", "the document contains itself"),
    "an alias to nothing": (network("- *nothing"), "not YAML"),
    "merge keys that explode": ("a: &a {k: 1}\nb: &b {<<: [*a, *a]}\n", "a merge key <<, line 2"),
    "tag of an object": (
        f"{GOOD}stem: !!python/object/apply:os.system ['true']\n",
        "the tag .*os.system.*; allowed: plain YAML without tags",
    ),
    "tag of a name": (f"{GOOD}stem: !!python/name:os.system\n", "the tag"),
    "tag of a set": (f"{GOOD}stem: !!set {{a, b}}\n", "the tag"),
    "tag of one's own": (f"{GOOD}stem: !mine 3\n", "the tag '!mine'"),
    "a key twice": (f"{GOOD}classes: 5\n", "the key 'classes' stands twice, line 1; allowed: once"),
    "a key twice inside": (network("- {block: conv, width: 8, width: 9}"), "the key 'width' stands twice, line 5"),
    "a list for a key": (f"{GOOD}? [a, b]\n: 1\n", "not YAML at line"),
    "deep brackets": ("[" * 500_000, "too deep"),
    "deep braces": ("{a: " * 100_000, "too deep"),
    "deep dashes": ("- " * 200_000, "too deep"),
    "deep question marks": ("? " * 200_000, "too deep"),
    "deep blocks": (network("- {block: " + "{sequential: {ops: [" * 40 + "conv" + "]}}" * 40 + ", width: 8}"), "too deep"),
    "broken brackets": ("a: [1, 2", "not YAML at line"),
    "tabs": ("\ta: 1", "not YAML at line 1"),
    "a zero byte": ("name: a\0b", "not YAML"),
    "half a surrogate": ("name: \udc80", "not YAML"),
    "an impossible date": ("name: 2001-99-99", "not YAML"),
    "a huge document": ("a" * (MAX_BYTES + 1), f"has {MAX_BYTES + 1} characters; allowed: {MAX_BYTES}"),
    "a huge list": (f"{TOP}stages: [{'1,' * 400_000}]", "too large"),
    "many keys": ("".join(f"k{i}: 1\n" for i in range(60_000)), "too large"),
    "a text of a million characters": (
        network(top=TOP.replace("4", "z" * 1_000_000)),
        "a text of 1000000 characters, line 3; allowed: 1000",
    ),
    "a key of 900 characters": (network(more=f"{'k' * 900}: 1\n"), "unknown field 'kkk.*[.]{3}'"),
    "an operation of 900 characters": (network(f"- {{block: {'k' * 900}}}"), "unknown operation 'kkk.*[.]{3}'"),
    "a cell of 900 characters": (network(cells=CELLS.replace("normal", "n" * 900)), "allowed: a word of letters"),
    "a number of sexagesimal digits": (f"{TOP}stages: 1{':59' * 300}\n", "; allowed: a list"),
}

SPACES = {
    "no choice": (GOOD, r"no field of this architecture is open; allowed: \{choose: \[...\]\}"),
    "no options": (open_("{choose: []}"), r"stages\[0\].block.choose=\[\]; allowed: a list of 1 to 1000 options"),
    "options that are a text": (open_("{choose: conv}"), "block.choose='conv'; allowed: a list"),
    "options that are a mapping": (open_("{choose: {a: 1}}"), "allowed: a list of 1"),
    "options that are null": (open_("{choose: null}"), "choose=None; allowed"),
    "thousands of options": (network(f"- {{block: conv, width: {{choose: {list(range(1, 4001))}}}}}"), "allowed: a list of 1 to 1000"),
    "an option twice": (open_("{choose: [conv, sep_conv, conv]}"), "block.choose has 'conv' twice; allowed: different options"),
    "null twice": (network("- {block: {residual_basic: {se: {choose: [null, null]}}}, width: 8}"), "has None twice"),
    "1 and true": (network("- {block: conv, width: {choose: [1, true]}}"), "has True twice"),
    "1 and 1.0": (network("- {block: conv, width: {choose: [1, 1.0]}}"), "has 1.0 twice"),
    "not a number": (network("- {block: {dropout: {rate: {choose: [.nan, 0.5]}}}}"), "choose has nan; allowed: finite numbers"),
    "a name that is a list": (open_("{choose: [conv, sep_conv], name: [a]}"), r"block.name=\['a'\]; allowed: a text"),
    "a name that is empty": (open_("{choose: [conv, sep_conv], name: ''}"), "block.name=''; allowed: a text"),
    "another key beside": (open_("{choose: [conv, sep_conv], nmae: a}"), "has nmae beside choose; allowed: name"),
    "an unknown option": (
        open_("{choose: [conv, sepconv_3x3]}"),
        r"unknown operation 'sepconv_3x3' at stages\[0\].block; nearest: sep_conv_3x3",
    ),
    "an option of the wrong type": (
        network("- {block: conv, width: {choose: [8, wide]}}"),
        r"stages\[0\].width='wide'; allowed: a whole number",
    ),
    "an option out of range": (network("- {block: conv, width: {choose: [0, -1]}}"), r"stages\[0\]: width=(0|-1); allowed: 1 to 65536"),
    "an option that does not fit": (network("- {block: {conv: {groups: {choose: [5, 7]}}}, width: 8}"), "groups=[57] does not divide"),
    "other options under one name": (
        network("- {block: conv, width: {choose: [4, 8], name: w}}\n- {block: conv, width: {choose: [4, 6], name: w}}"),
        r"stages\[1\].width: decision 'w' has other options elsewhere",
    ),
    "a choice of cells": (f"{TOP}cells: {{choose: [1, 2]}}\nstages: [conv]\n{HEAD}", "cells.choose"),
    "a choice of names": (GOOD.replace("name: x", "name: {choose: [a, b]}"), "the name of a space is open; allowed: a text"),
    "a choice in place of a key": (network("- {choose: conv, width: 8}"), "has width beside choose"),
    "a choice of everything": (f"choose: [{{{GOOD.splitlines()[0]}}}]", "allowed"),
    "a choice of very many": (f"name: x\nchoose: [{', '.join(['resnet20'] * 20_000)}]", "allowed: a list of 1 to 1000 options"),
    "a choice of networks that is one of lists": (f"name: x\nchoose: {LAUGHS}", "allowed"),
    "a choice of networks that holds itself": ("&a {name: x, choose: [*a]}", "the document contains itself"),
    "a choice in a choice": (open_("{choose: [{choose: [conv, sep_conv]}]}"), None),
    "a choice that holds itself": (open_("&a {choose: [conv, *a]}"), "the document contains itself"),
    "choices that explode": (open_(f"{{choose: {LAUGHS}}}"), "with its aliases written out is too large"),
    "a choice too deep": (open_("{choose: [" * 40 + "conv" + "]}" * 40), "too deep"),
    "a cell that is not there": (open_("{choose: [conv, normal]}"), "unknown operation 'normal'"),
    "a network that is wrong elsewhere": (open_("{choose: [conv, sep_conv]}") + "classes: 5\n", "stands twice"),
    "a list at the top": ("- 1\n", "an architecture is a list"),
    "empty": ("", "an architecture is nothing"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_refused(name):
    text, says = NETWORKS[name]
    refused(read_network, text, says)


@pytest.mark.parametrize("name", [name for name, (_, says) in SPACES.items() if says is not None])
def test_space_is_refused(name):
    text, says = SPACES[name]
    refused(read_space, text, says)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "choice in a network"])
def test_network_is_refused_as_a_space_too(name):
    refused(read_space, NETWORKS[name][0])


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        f"---\n{GOOD}...\n",
        f"# comment\n{GOOD}",
        yaml.safe_dump(yaml.safe_load(GOOD)),
        str(yaml.safe_load(GOOD)),
        GOOD.replace("width: 8", "width: 0x8"),
        GOOD.replace("- {block: conv, width: 8}", "- [{block: conv, width: 8}]"),
        GOOD.replace("block: conv", "block: {conv: {}}"),
        GOOD.replace("block: conv", "block: {conv: null}"),
        GOOD.replace("- {block: conv, width: 8}", "- &b {block: conv, width: 8, stride: 1, repeat: 1}"),
    ],
)
def test_ways_of_writing_the_same_network(text):
    assert read_network(text) == Architecture.from_yaml(GOOD)


def test_a_choice_in_a_choice_is_two_decisions():
    made = read_space(open_("{choose: [{choose: [conv, sep_conv], name: inner}, skip_connect], name: outer}"))
    assert made.count() == 3


class TestFiles:
    def test_not_text(self, tmp_path):
        (tmp_path / "a.yaml").write_bytes(b"name: \xff\xfe")
        assert "a.yaml is not text; allowed: UTF-8 YAML" in refused(nas.load, tmp_path / "a.yaml")
        refused(spaces.load, tmp_path / "a.yaml", "is not text")

    def test_too_large(self, tmp_path):
        with (tmp_path / "a.yaml").open("wb") as file:
            file.truncate(2**33)
        refused(nas.load, tmp_path / "a.yaml", f"is too large; allowed: {MAX_BYTES} bytes")

    @pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="a system without /dev/zero has no such file to be refused")
    def test_without_an_end(self):
        refused(nas.load, "/dev/zero", "too large")

    def test_missing_or_a_folder_or_unreadable(self, tmp_path):
        refused(nas.load, tmp_path / "none.yaml", "cannot read .*none.yaml: No such file")
        (tmp_path / "folder.yaml").mkdir()
        refused(nas.load, tmp_path / "folder.yaml", "cannot read .*best.yaml")
        refused(spaces.load, tmp_path / "folder.yaml", "cannot read .*folder.yaml")

    @pytest.mark.parametrize("name", ["a/\0b", "a\0b.yaml", "x" * 5000 + ".yaml", "/" * 5000, "x/" * 3000, "~/no.yaml"])
    def test_paths_that_are_none(self, name):
        refused(nas.load, name)
        refused(spaces.load, name)

    def test_errors_name_the_file(self, tmp_path):
        path = tmp_path / "mine.yaml"
        for text, says in (("a: [", "not YAML at line"), (GOOD + "x: 1\n", "unknown field 'x'"), ("[" * 10_000, "too deep")):
            path.write_text(text)
            assert str(path) in refused(nas.load, path, says)

    def test_a_long_path_leaves_room_for_what_is_wrong(self, tmp_path):
        folder = tmp_path / ("d" * 200) / ("e" * 200)
        folder.mkdir(parents=True)
        (folder / "mine.yaml").write_text(network("- {block: conv, width: 0}"))
        assert refused(nas.load, folder / "mine.yaml").endswith("width=0; allowed: 1 to 65536")


# Fuzzing ----------------------------------------------------------------------------------------------------------------------
VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 10**9, 10**30, 0.5, -0.5, float("nan"), float("inf"), "", "x", "é\u2028", "k" * 999),
    *("classes", "conv", "conv3x3", "cell", "normal", "sequential", "linear", "global_pool", "flatten", "patches", "transformer"),
    *(
        [],
        {},
        [[]],
        [0],
        [1, 2, 3],
        {"conv": {}},
        {"choose": []},
        {"choose": [1, 2]},
        {"cell": {"nodes": []}},
        {"block": "conv", "repeat": 4096},
    ),
    *({"choose": ["conv", "sep_conv_3x3"], "name": "n"}, {"sequential": {"ops": ["conv", "normal"]}}, {"residual": {"body": ["conv"]}}),
    *({"branches": {"branches": ["conv", "max_pool"]}}, {"conv": {"kernel": [1, 3], "padding": 4}}, {"dense_layers": {"layers": 512}}),
    *({"patches": {"size": 3}}, "dense_layers"),
]
KEYS = [
    *("name", "input", "classes", "cells", "stem", "stages", "head", "aux", "block", "width", "stride", "repeat", "reads", "op", "from"),
    *("edges", "nodes", "output", "combine", "choose", "kernel", "groups", "after", "weight", "inputs", "first", "", "x", 3, None),
]


def containers(data):
    """All lists and mappings of a document that have something inside."""
    if isinstance(data, (dict, list)) and data:
        yield data
        for item in data.values() if isinstance(data, dict) else data:
            yield from containers(item)


def mutated(data, rng):
    """One to three changes somewhere in a document, in place."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = list(containers(data))
        if not places:
            return data
        place = rng.choice(places)
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        other = rng.choice(list(containers(rng.choice(places))))
        change = rng.randrange(6)
        if change == 0:
            del place[key]
        elif change == 1:
            place[key] = copy.deepcopy(rng.choice(VALUES))
        elif change == 2:
            place[key] = copy.deepcopy(other)
        elif change == 3 and isinstance(place, dict):
            place[rng.choice(KEYS)] = place.pop(key)
        elif change == 4 and isinstance(place[key], int):
            place[key] = rng.choice([place[key] + 1, place[key] - 1, -place[key], place[key] * 1000, float(place[key]), str(place[key])])
        elif isinstance(place, list):
            place.insert(rng.randrange(len(place) + 1), copy.deepcopy(rng.choice(VALUES)))
        else:
            place[rng.choice(KEYS)] = copy.deepcopy(rng.choice(VALUES))
    return data


def scrambled(text, rng):
    """A few characters of a text changed, lost, doubled or moved."""
    for _ in range(rng.choice([1, 2, 5])):
        at, length = rng.randrange(len(text)), rng.choice([1, 1, 5, 40])
        piece = rng.choice(
            ["", rng.choice("[]{}:,-&*!|>'\"%@`#?\n\t 09aé\0"), text[at : at + length] * 2, text[:length], "&a ", "*a", "!!x "]
        )
        text = text[:at] + piece + text[at + length :]
    return text


def survives(read, text):
    """Reads, or raises a `NasError` of one short line. Anything else fails with the text that did it."""
    start = time.thread_time()  # of this thread alone: other work on the machine does not count
    try:
        read(text)
        outcome = "read"
    except NasError as error:
        outcome = "refused" if len(str(error)) < 400 and "\n" not in str(error) else f"refused by {error}"
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} from\n{text}") from error
    # Milliseconds are usual.
    assert time.thread_time() - start < 5.0, text
    return outcome


SOURCES = {
    **{name: (read_network, nas.load(name).to_yaml()) for name in nas.baselines.names()},
    **{name: (read_space, spaces.load(name).to_yaml()) for name in spaces.names()},
    "compositions": (
        read_network,
        network(
            "- {block: {residual: {body: [conv, {op: sep_conv, width: 8}]}}, width: 8}\n"
            "- [{block: {branches: {branches: [conv_1x1, {op: conv3x3, width: 5}]}}},\n"
            "   {block: {sequential: {ops: [conv, max_pool]}}, stride: 2}]\n"
            "- [{block: {patches: {size: 2, class_token: true}}, width: 12}, {block: {transformer: {heads: 3}}}, {block: mixer}]",
            cells=CELLS,
        ),
    ),
    "nested choices": (
        read_space,
        network(
            "- {block: {choose: [{sep_conv: {kernel: {choose: [3, 5], name: k}}}, normal]},\n"
            "   width: {choose: [8, 12]}, repeat: {choose: [1, 2]}}\n"
            "- {choose: [conv3x3, {block: {conv: {kernel: {choose: [3, 5], name: k}}}, width: 6}], name: second}",
            cells=CELLS,
        ),
    ),
}


def cases(text):
    """Number of cases: fewer for long texts, which take longer. `NAS_FUZZ=20` makes twenty times as many."""
    return (80 if len(text) < 2000 else 30 if len(text) < 5000 else 15) * int(os.environ.get("NAS_FUZZ", "1"))


@pytest.mark.parametrize("name", SOURCES)
def test_fuzz_values(name):
    read, text = SOURCES[name]
    data, rng = parse(text), random.Random(f"values:{name}")
    outcomes = {survives(read, dump(mutated(copy.deepcopy(data), rng))) for _ in range(cases(text))}
    assert {"refused"} <= outcomes <= {"read", "refused"}


@pytest.mark.parametrize("name", SOURCES)
def test_fuzz_characters(name):
    read, text = SOURCES[name]
    rng = random.Random(f"characters:{name}")
    outcomes = {survives(read, scrambled(text, rng)) for _ in range(cases(text))}
    assert "refused" in outcomes
    assert outcomes <= {"read", "refused"}
