"""The contract of weight sharing, to hold one's own space, or its leaves, to:

    from nas.testing import bank
    bank.check(space.decode(space.sample(rng)) for _ in range(3))

Each check raises `AssertionError` that says what differs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nas.arch import Architecture

if TYPE_CHECKING:
    import torch

    from nas.bank import Bank
    from nas.build import Network

BATCH = 2


def check(architectures: Iterable[Architecture], source: bool = True) -> None:
    """Hold networks that share one bank to the whole contract."""
    from nas.bank import Bank

    bank, children = Bank(0, source=source), []
    for architecture in architectures:
        check_child(bank, architecture)
        children.append(bank.build(architecture))
    for number, child in enumerate(children):
        for other in children[:number]:
            check_shared(child, other, source)


def check_child(bank: Bank, architecture: Architecture) -> None:
    """A child computes what an ordinary network with its parameters does, and all that it trains is the bank's."""
    import torch

    child, plain = bank.build(architecture), architecture.build()
    _require(list(child.state_dict()) == list(plain.state_dict()), f"{architecture.name}: names of a child and of a network")
    _require(repr(child) == repr(plain), f"{architecture.name}: modules of a child and of a network")
    plain.load_state_dict({name: item.clone() for name, item in child.state_dict().items()})
    known = {id(item) for item in bank.parameters().values()}
    _require(all(id(item) in known for item in child.parameters()), f"{architecture.name}: a parameter is not in the bank")
    _require(len(list(child.parameters())) == len(list(plain.parameters())), f"{architecture.name}: two places share a parameter")
    images = torch.randn(BATCH, *architecture.input, generator=torch.Generator().manual_seed(0))
    found, wanted = (_trained(network, images) for network in (child, plain))
    for name, item in wanted.items():
        _require(torch.equal(item, found[name]), f"{architecture.name}: {name} of a child and of a network with its parameters")


def _trained(network: torch.nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits in training and in evaluation, gradients and buffers. Gradients are cleared."""
    import torch

    from nas.build import Outputs

    torch.manual_seed(0)  # what is dropped
    output = network.train()(images)
    output = output.main + sum(output.aux) if isinstance(output, Outputs) else output
    output.square().mean().backward()
    found = {"the output in training": output.detach()}
    for name, item in network.named_parameters():
        _require(item.grad is not None and bool(item.grad.isfinite().all()), f"{name} has no gradient, or not a finite one")
        assert item.grad is not None
        found[f"the gradient of {name}"], item.grad = item.grad, None
    with torch.no_grad():
        found["the output in evaluation"] = network.eval()(images)
    return found | dict(network.named_buffers())


def check_shared(first: Network, second: Network, source: bool) -> None:
    """Two children have those parameters in common whose keys agree, and no buffer."""
    from nas.parts import keys

    named = (keys(first, source), keys(second, source))
    ones = {named[0][name]: item for name, item in first.named_parameters()}
    others = {named[1][name]: item for name, item in second.named_parameters()}
    for key, item in ones.items():
        _require(key not in others or others[key] is item, f"{key}: two children have one of their own each")
    mine = {id(item) for item in others.values()}
    _require(all(id(item) not in mine for key, item in ones.items() if key not in others), "a parameter under two keys")
    places = {item.data_ptr() for item in first.buffers()}
    _require(all(item.data_ptr() not in places for item in second.buffers()), "two children share a buffer")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
