"""The torch modules of the leaves that torch itself has no module for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class DropPathModule(nn.Module):
    """Drops an example's whole input with probability `rate` in training; scales the others up."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate
        # One may be lent, so that networks trained side by side do not share the global one.
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) to the same shape."""
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(
            keep, generator=self.generator
        )
        return x * (mask / keep)


class DropoutModule(nn.Dropout):
    """torch's dropout, from a generator of its own where one is lent."""

    generator: torch.Generator | None = None

    def forward(self, input: Tensor) -> Tensor:
        """(N, ...) to the same shape."""
        if self.generator is None or not self.training or self.p == 0.0:
            return super().forward(input)
        keep = 1.0 - self.p
        return input * (torch.empty_like(input).bernoulli_(keep, generator=self.generator) / keep)


class Mean(nn.Module):
    """Mean over some axes."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) or (N, L, C) to (N, C)."""
        return x.mean(self.axes)


class MapLayerNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LinearFrom(nn.Linear):
    """A linear map whose weights are normal of a `deviation` at first, and its biases `start`."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool, deviation: float, start: float
    ) -> None:
        super().__init__(in_features, out_features, bias)
        nn.init.normal_(self.weight, std=deviation)
        if bias:
            nn.init.constant_(self.bias, start)


class AttentionModule(nn.Module):
    """Multi-head attention over queries, keys and values that lie side by side."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, 3 * C) to (N, L, C)."""
        batch, length, width = x.shape
        q, k, v = x.view(batch, length, 3, self.heads, width // (3 * self.heads)).permute(
            2, 0, 3, 1, 4
        )
        return (
            F.scaled_dot_product_attention(q, k, v)
            .transpose(1, 2)
            .reshape(batch, length, width // 3)
        )


class AddModule(nn.Module):
    """Sum of all inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Tensors of one shape to their sum."""
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total


class MultiplyModule(nn.Module):
    """Product, the second input stretched over `trailing` more axes."""

    def __init__(self, trailing: int) -> None:
        super().__init__()
        self.trailing = trailing

    def forward(self, x: Tensor, scale: Tensor) -> Tensor:
        """(N, C, ...) and (N, C, ...) or (N, C) to the shape of the first."""
        if self.trailing == 1:
            return x * scale[:, None]
        return x * scale[(...,) + (None,) * self.trailing]


class ConcatModule(nn.Module):
    """Inputs side by side along one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *inputs: Tensor) -> Tensor:
        """Tensors that differ along the axis only."""
        return torch.cat(inputs, self.axis)


class ToTokensModule(nn.Module):
    """Pixels to tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, H * W, C)."""
        return x.flatten(2).transpose(1, 2)


class ToMapModule(nn.Module):
    """Tokens to pixels."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.size = (rows, columns)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H * W, C) to (N, C, H, W)."""
        return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], *self.size)


class TransposeModule(nn.Module):
    """Length and width exchanged."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to (N, C, L)."""
        return x.transpose(1, 2)


class PickTokenModule(nn.Module):
    """One token of each example."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to (N, C)."""
        return x[:, self.index]


class ClassTokenModule(nn.Module):
    """A learned token before all others, zero at first as in the ViT release."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to (N, L + 1, C)."""
        return torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)


class PositionsModule(nn.Module):
    """Learned positions, normal with deviation 0.02 at first as in the ViT release."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(1, length, width).normal_(std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same shape."""
        return x + self.positions


class ChannelsModule(nn.Module):
    """A range along one axis."""

    def __init__(self, axis: int, start: int, width: int) -> None:
        super().__init__()
        self.range = (axis, start, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) or (N, L, C) to the same with fewer channels."""
        return x.narrow(*self.range)


class ShuffleModule(nn.Module):
    """Channels of the groups by turns."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        batch, width, rows, columns = x.shape
        grouped = x.reshape(batch, self.groups, width // self.groups, rows, columns)
        return grouped.transpose(1, 2).reshape(x.shape)


class ZeroModule(nn.Module):
    """Zeros of `width` channels at every `stride`-th pixel; gradients flow, and are zero."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, width, ceil(H / stride), ceil(W / stride))."""
        zeros = x[:, :1, :: self.stride, :: self.stride] * 0.0
        return zeros.expand(-1, self.width, -1, -1)  # nothing is written, and the layout stays


class ScaleModule(nn.Module):
    """Times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Any tensor to the same shape."""
        return x * self.factor


class LayerScaleModule(nn.Module):
    """Times a learned number a channel, `trailing` more axes behind it."""

    def __init__(self, width: int, trailing: int, initial: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((width,) + (1,) * trailing, initial))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), (N, L, C) or (N, C) to the same shape."""
        return x * self.scale


class AffineModule(nn.Module):
    """Times a learned number and plus another a channel, `trailing` more axes behind it."""

    def __init__(self, width: int, trailing: int) -> None:
        super().__init__()
        shape = (width,) + (1,) * trailing
        self.scale = nn.Parameter(torch.ones(shape))
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), (N, L, C) or (N, C) to the same shape."""
        return torch.addcmul(self.shift, self.scale, x)


class ShiftModule(nn.Module):
    """Groups of channels, side by side or by `turns`, moved by whole pixels."""

    def __init__(
        self, width: int, steps: tuple[tuple[int, int], ...], turns: bool, edge: str
    ) -> None:
        super().__init__()
        count = len(steps)
        ends = [i * width // count for i in range(count + 1)]
        slices = [
            slice(i, None, count) if turns else slice(ends[i], ends[i + 1]) for i in range(count)
        ]
        # Of fewer channels than groups not all groups have one.
        groups = [
            (part, step) for part, step in zip(slices, steps, strict=True) if range(width)[part]
        ]
        self.groups = groups
        self.mode = {"zero": "constant", "keep": "replicate"}[edge]
        self.margin = [max(abs(step[axis]) for _, step in groups) for axis in (0, 1)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        rows, columns = self.margin
        padded = F.pad(x, (columns, columns, rows, rows), self.mode)
        moved = torch.empty_like(x)
        for channels, (down, right) in self.groups:
            top, left = rows - down, columns - right
            moved[:, channels] = padded[
                :, channels, top : top + x.shape[2], left : left + x.shape[3]
            ]
        return moved


class BlendModule(nn.Module):
    """Inputs weighted by a softmax over them, added."""

    def __init__(self, count: int, trailing: int) -> None:
        super().__init__()
        self.count = count
        self.trailing = trailing

    def forward(self, *inputs: Tensor) -> Tensor:
        """`count` times (N, C, ...) or (N, L, C), and (N, C * count), to the shape of the first."""
        *values, scores = inputs
        weights = scores.view(scores.shape[0], -1, self.count).softmax(2)
        total = values[0] * self.place(weights[:, :, 0])
        for i, value in enumerate(values[1:], 1):
            total = total + value * self.place(weights[:, :, i])
        return total

    def place(self, weight: Tensor) -> Tensor:
        """(N, C) so that it multiplies the channels of the inputs."""
        return weight[:, None] if self.trailing == 1 else weight[(...,) + (None,) * self.trailing]


class SpaceToDepthModule(nn.Module):
    """Windows of pixels as one pixel."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H * s, W * s) to (N, s * s * C, H, W)."""
        batch, width, rows, columns = x.shape
        windows = x.view(
            batch, width, rows // self.size, self.size, columns // self.size, self.size
        )
        return windows.permute(0, 5, 3, 1, 2, 4).reshape(
            batch, -1, rows // self.size, columns // self.size
        )


# Added to the scores of pixels that are no neighbours (released code of Swin).
APART = -100.0


class WindowAttentionModule(nn.Module):
    """Multi-head attention in windows; each way between two of its pixels has a learned number."""

    def __init__(self, heads: int, window: tuple[int, int], shift: tuple[int, int]) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        ways = (2 * window[0] - 1) * (2 * window[1] - 1)
        self.bias = nn.Parameter(nn.init.trunc_normal_(torch.empty(ways, heads), std=0.02))
        # What depends on the size of the map alone, worked out once a size and device.
        self._fixed: tuple[object, Tensor, Tensor | None] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3 * C, H, W) to (N, C, H, W)."""
        if any(self.shift):
            x = x.roll((-self.shift[0], -self.shift[1]), (2, 3))
        batch, width, rows, columns = x.shape
        across, down = rows // self.window[0], columns // self.window[1]
        parts = x.view(
            batch,
            3,
            self.heads,
            width // (3 * self.heads),
            across,
            self.window[0],
            down,
            self.window[1],
        )
        # (3, N, windows * heads, pixels, features): four axes, as fast kernels and exporters take.
        q, k, v = parts.permute(1, 0, 4, 6, 2, 5, 7, 3).flatten(5, 6).flatten(2, 4)
        index, apart = self.fixed(rows, columns, x.device)
        mask = self.bias[index].permute(2, 0, 1)
        mask = mask.expand(across * down, -1, -1, -1) if apart is None else mask + apart[:, None]
        made = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype).flatten(0, 1))
        pixels = made.view(batch, across, down, self.heads, *self.window, -1).permute(
            0, 3, 6, 1, 4, 2, 5
        )
        y = pixels.reshape(batch, width // 3, rows, columns)
        return y.roll(self.shift, (2, 3)) if any(self.shift) else y

    def fixed(self, rows: int, columns: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """The way between each two pixels of a window, and what keeps pixels of two edges apart."""
        key = (rows, columns, device)
        if self._fixed is None or self._fixed[0] != key:
            # What is made in inference mode could not be used in training later.
            with torch.inference_mode(False):
                index = _ways(self.window, device)
                apart = (
                    _apart((rows, columns), self.window, self.shift, device)
                    if any(self.shift)
                    else None
                )
            self._fixed = (key, index, apart)
        return self._fixed[1:]


def _ways(window: tuple[int, int], device: torch.device) -> Tensor:
    """(pixels, pixels): the number of the way from each pixel of a window to each."""
    rows = torch.arange(window[0], device=device).repeat_interleave(window[1])
    columns = torch.arange(window[1], device=device).repeat(window[0])
    down = rows[:, None] - rows[None] + window[0] - 1
    right = columns[:, None] - columns[None] + window[1] - 1
    return down * (2 * window[1] - 1) + right


def _apart(
    size: tuple[int, int], window: tuple[int, int], shift: tuple[int, int], device: torch.device
) -> Tensor:
    """(windows, pixels, pixels): 0 where both pixels lie on one side of the edge, else very low."""
    # After the shift the last rows (columns) of the last windows are those that came over the edge.
    sides = [
        (torch.arange(n, device=device) >= n - s).int() * (s > 0)
        for n, s in zip(size, shift, strict=True)
    ]
    region = 2 * sides[0][:, None] + sides[1][None]
    tiles = region.view(size[0] // window[0], window[0], size[1] // window[1], window[1])
    pixels = tiles.permute(0, 2, 1, 3).reshape(-1, window[0] * window[1])
    return (pixels[:, :, None] != pixels[:, None]).float() * APART


class ReverseModule(nn.Module):
    """Tokens from the last to the first."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same shape."""
        return x.flip(1)


class SelectiveScanModule(nn.Module):
    """Linear state-space model, its steps all at once."""

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        # A = -1, -2, ... at first (S4D-Real, arXiv 2312.00752, section 3.6).
        # Learned as a logarithm it stays below 0.
        self.decay = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(width, 1))
        self.skip = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor, step: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """(N, L, C) twice and (N, L, S) twice to (N, L, C)."""
        keep = (step[..., None] * -self.decay.exp()).exp()
        state = (step * x)[..., None] * b[:, :, None]
        # After k rounds a state has taken in the 2^k tokens up to its own.
        reach = 1
        while reach < x.shape[1]:
            state = torch.cat(
                [state[:, :reach], state[:, reach:] + keep[:, reach:] * state[:, :-reach]], 1
            )
            keep = torch.cat([keep[:, :reach], keep[:, reach:] * keep[:, :-reach]], 1)
            reach *= 2
        # Of a single token nothing decays; the zero gives the decay a gradient all the same.
        return (state @ c[..., None]).squeeze(-1) + (self.skip + 0.0 * self.decay.sum(1)) * x


class MixModule(nn.Module):
    """Inputs times their parts of a softmax over learned scores, added; scores beyond the inputs are those of zeros."""

    def __init__(self, vector: str, options: int) -> None:
        super().__init__()
        self.vector = vector
        self.scores = nn.Parameter(torch.zeros(options))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Tensors of one shape to that shape."""
        weights = self.scores.softmax(0).to(inputs[0].dtype)
        total = inputs[0] * weights[0]
        for i, x in enumerate(inputs[1:], 1):
            total = torch.addcmul(total, x.to(total.dtype), weights[i])
        return total
