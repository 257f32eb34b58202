"""Layers of convolutions in both forms on a GPU, for the table of shapes by which forms are chosen.

Legend: ``S`` members, ``B`` batch, ``C`` channels, ``H``, ``W`` pixels.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from gantlet.devices import arithmetic
from gantlet.training.convolution_forms import LayerShape, by_shape

__all__ = ["KINDS", "fits", "layers_of", "measured"]

_BYTES = 4 << 30
"""Windows that take more than this are not tried."""
KINDS = {"tf32": 2e-2, "bfloat16": 1e-1, "float32": 1e-4}
"""How products are computed, and how far the forms' gradients may then be apart, relative to their largest number."""

_Layer = tuple[nn.Module, tuple[int, ...]]
_Timed = Callable[[Callable[[], Any]], float]


def layers_of(networks: Iterable[tuple[nn.Module, Tensor]], members: int) -> dict[LayerShape, _Layer]:
    """Layers of which a form is asked, one for each key, and their inputs' sizes ``[B, C, H, W]``; so many members each."""
    found: dict[str, tuple[LayerShape, _Layer]] = {}
    for network, x in networks:
        again = copy.deepcopy(network)
        by_shape(again, members, lambda _: False)
        for mine, part in zip(again.modules(), network.modules(), strict=True):
            mine.register_forward_pre_hook(partial(_note, part, found))
        with torch.no_grad():
            again(x)
    return dict(found.values())


def _note(part: nn.Module, found: dict[str, tuple[LayerShape, _Layer]], mine: Any, given: tuple[Tensor, ...]) -> None:
    """Have a layer that is about to run keep what shape it asks for."""
    layer = part, tuple(given[0].shape)

    def chosen(shape: LayerShape) -> bool:
        found.setdefault(shape.key, (shape, layer))
        return False

    mine.chosen = chosen


def measured(layer: _Layer, members: int, products: str, device: torch.device, timed: _Timed) -> dict[str, Any]:
    """Seconds for one layer's forward and backward pass in each form, and how far their gradients are apart."""
    part, size = layer
    steps: dict[str, float] = {}
    grads: dict[str, list[Tensor]] = {}
    with arithmetic(device, tf32=products == "tf32"):
        for form in ("library", "product"):
            step = _step(part, size, members, form == "product", products, device)
            grads[form] = [value.detach().clone() for value in step()]
            steps[form] = timed(_recorded(step) if device.type == "cuda" else step)
    pairs = zip(grads["product"], grads["library"], strict=True)
    far = max(float((mine - theirs).abs().max() / theirs.abs().max().clamp(min=1e-30)) for mine, theirs in pairs)
    if not far <= KINDS[products]:  # a number that is none, too
        raise ValueError(f"gradients are {far:.1e} apart")
    return {**steps, "faster": round(steps["library"] / steps["product"], 3), "apart": float(f"{far:.1e}")}


def fits(layer: _Layer, members: int) -> bool:
    """Whether the windows of all members' images take no more memory than is tried."""
    part, (batch, channels, height, width) = layer
    kernel: Any = part.kernel_size
    image: Any = part.out_channels if isinstance(part, nn.ConvTranspose2d) else channels
    return 4 * members * batch * image * kernel[0] * kernel[1] * height * width <= _BYTES


def _recorded(step: Callable[[], Any]) -> Callable[[], None]:
    """The step as a CUDA graph, so that kernels are timed, not Python."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _step(
    part: nn.Module, size: tuple[int, ...], members: int, product: bool, products: str, device: torch.device
) -> Callable[[], tuple[Tensor, ...]]:
    """A layer's gradients with regard to its input and parameters, all members at once."""
    network = copy.deepcopy(part).to(device)
    by_shape(network, members, lambda _: product)
    leaves = {n: p.detach().expand(members, *p.shape).clone().requires_grad_() for n, p in network.named_parameters()}
    drawn = torch.randn(members, *size, generator=torch.Generator().manual_seed(1))
    x = drawn.to(device).requires_grad_()

    def call(x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(network, parameters, (x,))

    def step() -> tuple[Tensor, ...]:
        lower = torch.autocast(device.type, torch.bfloat16) if products == "bfloat16" else nullcontext()
        with lower:
            out = vmap(call)(x, leaves) if members > 1 else call(x[0], {n: p[0] for n, p in leaves.items()})
        return torch.autograd.grad(out.float().square().mean(), [x, *leaves.values()])

    return step
