"""The contract of an architecture, to hold one's own network to:

    from nas.testing import architectures
    architectures.check(nas.load("my.yaml"))

Each check raises `AssertionError` that says what was asked and what came.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import lru_cache

from nas.arch import Architecture, Graph, lower
from nas.build import Network, Outputs, build
from nas.errors import NasError
from nas.scale import resize

BATCH = 2
FACTORS = ((0.25, 1.0), (0.5, 0.5), (1.5, 1.0), (1.0, 2.0), (0.01, 0.01))
_KEY = re.compile(r"(stem|stages|head|aux)(\.[A-Za-z0-9_]+)+")


def check(architecture: Architecture, train: bool = True) -> None:
    """Hold a network to the whole contract; without `train` it is built without memory and never run.

    Raises `AssertionError` at the first breach. A second process is beyond this: see `check_digests_elsewhere`.
    """
    check_yaml(architecture)
    check_cost(architecture)
    check_names(architecture)
    check_macs(architecture)
    check_resize(architecture)
    if train:
        check_training(architecture)


def check_yaml(architecture: Architecture) -> None:
    """Written and read again it is equal: value, hash, digest and text."""
    text = architecture.to_yaml()
    copy = Architecture.from_yaml(text)
    _require(copy == architecture and hash(copy) == hash(architecture), f"{architecture.name} is another network after YAML:\n{text}")
    _require(copy.digest == architecture.digest, f"{architecture.name} has another digest after YAML")
    _require(copy.to_yaml() == text, f"{architecture.name} is written otherwise the second time")


def check_cost(architecture: Architecture) -> None:
    """The totals are the sums of the layers, the parameters those of the built module, with and without auxiliary heads."""
    for aux in (True, False):
        cost = architecture.cost(aux=aux)
        for field in ("params", "macs", "activations"):
            total = sum(getattr(layer, field) for layer in cost.layers)
            _same(getattr(cost, field), total, f"{field} of {architecture.name}, aux={aux}, and the sum over its layers")
    network = _meta(architecture)
    counted = sum(p.numel() for p in network.parameters())
    _same(architecture.cost().params, counted, f"parameters of {architecture.name} and of its module")
    inner = sum(p.numel() for name, p in network.named_parameters() if not name.startswith("aux."))
    _same(architecture.cost(aux=False).params, inner, f"parameters of {architecture.name} without auxiliary heads and of its module")


def check_names(architecture: Architecture) -> None:
    """Keys of the state are places of layers, each layer at a place of its own."""
    layers = architecture.cost().layers
    places = [layer.place for layer in layers]
    _same(len(places), len(set(places)), f"layers of {architecture.name} and places")
    owners = {name.rpartition(".")[0] for name, _ in _meta(architecture).named_parameters()}
    stated = {layer.place for layer in layers if layer.params}
    _same(sorted(owners), sorted(stated), f"places of parameters in {architecture.name} and layers that state some")
    for key in _meta(architecture).state_dict():
        _require(bool(_KEY.fullmatch(key)), f"{architecture.name} has the key {key!r}; allowed: {_KEY.pattern}")


def check_macs(architecture: Architecture) -> None:
    """Twice the multiply-adds are the floating point operations that torch counts, in evaluation and in training."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = _meta(architecture)
    for training in (False, True):
        network.train(training)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.empty(BATCH, *architecture.input, device="meta"))
        stated = 2 * BATCH * architecture.cost(aux=training).macs
        _same(stated, counter.get_total_flops(), f"operations of {architecture.name}, training={training}, and torch's count")


def check_resize(architecture: Architecture) -> None:
    """Another width and depth is a network, or a typed error; factors of 1 change nothing."""
    _require(resize(architecture) is architecture, f"{architecture.name} resized by 1 is another network")
    for width, depth in FACTORS:
        try:
            made = resize(architecture, width, depth)
            made.cost()
        except NasError:
            continue
        check_yaml(made)


def check_training(architecture: Architecture, drop_path: float = 0.2) -> None:
    """Logits in evaluation, auxiliary outputs in training only, a finite gradient for every parameter of a block that is read."""
    import torch

    torch.manual_seed(0)
    network = build(architecture, drop_path=drop_path)
    x, shape = torch.randn(BATCH, *architecture.input), (BATCH, architecture.classes)
    with torch.no_grad():
        logits = network.eval()(x)
    _same(tuple(logits.shape), shape, f"logits of {architecture.name}")
    _require(bool(logits.isfinite().all()), f"{architecture.name} gives logits that are not finite")
    outputs = network.train()(x)
    _same(isinstance(outputs, Outputs), bool(architecture.aux), f"whether {architecture.name} has auxiliary outputs in training")
    every = [outputs.main, *outputs.aux] if isinstance(outputs, Outputs) else [outputs]
    _same(len(every), 1 + len(architecture.aux), f"outputs of {architecture.name} in training")
    for output in every:
        _same(tuple(output.shape), shape, f"an output of {architecture.name} in training")
    torch.stack([output.square().sum() for output in every]).sum().backward()  # type: ignore[no-untyped-call]
    idle = unread(architecture)
    for name, parameter in network.named_parameters():
        grad = parameter.grad
        if grad is None and any(name.startswith(f"{place}.") for place in idle):
            continue
        _require(grad is not None and bool(grad.isfinite().all()), f"{architecture.name}: the gradient of {name} is missing or not finite")


def check_digests_elsewhere(architectures: Iterable[Architecture], hash_seed: int = 4242) -> None:
    """The digests are the same in another process with another seed of Python's hashes."""
    kept = list(architectures)
    program = "import json, sys, nas; print(json.dumps([nas.Architecture.from_yaml(t).digest for t in json.load(sys.stdin)]))"
    texts = json.dumps([each.to_yaml() for each in kept])
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run([sys.executable, "-c", program], input=texts, capture_output=True, text=True, env=environment, check=True)
    for each, digest in zip(kept, json.loads(done.stdout), strict=True):
        _same(each.digest, digest, f"digests of {each.name} here and in another process")


def unread(architecture: Architecture) -> list[str]:
    """Places of blocks whose output nothing reads: where all cells behind a block read the one before it alone."""
    lowered = lower(architecture)
    live = _live(lowered.main, {lowered.main.output, *[source for _, source, _ in lowered.aux]})
    return [node.name for number, node in enumerate(lowered.main.nodes) if len(lowered.main.inputs) + number not in live]


def _live(graph: Graph, live: set[int]) -> set[int]:
    """The values of a graph on which those in `live` depend."""
    first = len(graph.inputs)
    for number, node in reversed(list(enumerate(graph.nodes))):
        if first + number in live:
            inner = _live(node.op, {node.op.output}) if isinstance(node.op, Graph) else range(len(node.inputs))
            live.update(read for i, read in enumerate(node.inputs) if i in inner)
    return live


@lru_cache(maxsize=1)
def _meta(architecture: Architecture) -> Network:
    import torch

    with torch.device("meta"):
        return build(architecture)


def _same(one: object, other: object, what: str) -> None:
    _require(one == other, f"{what}: {one} and {other}; the contract: equal")


def _require(kept: bool, message: str) -> None:
    if not kept:
        raise AssertionError(message)
