"""Adam on runs of a stack: torch's fused update, or one whose numbers lie on the device.

Reference:
    | Adam: a method for stochastic optimization (Kingma & Ba, 2015), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

__all__ = ["STEP", "AdamRun", "FusedAdam", "Run", "fresh_state", "scheduled_adam", "takes_fused"]

STEP = "step"
"""How torch's optimisers call the number of updates."""


@dataclass
class Run:
    """Slots ``start:stop`` of one member or of several equal ones, and their views of each parameter."""

    start: int
    stop: int
    views: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True)
class AdamRun:
    """One run's tensors as torch's functional Adam takes them, collected once instead of at every step.

    That spares a narrow network a tenth of its step. The fused kernel is called as torch's ``adam`` calls it, whose sorting of
    tensors by device and type is a further thirtieth.
    """

    run: Run
    options: Mapping[str, Any]
    moments: tuple[list[Tensor], list[Tensor]]
    steps: list[Tensor]

    @classmethod
    def of(cls, run: Run, options: Mapping[str, Any], optimiser: torch.optim.Optimizer | FusedAdam) -> AdamRun:
        """From the state that torch's optimiser has made at its first step."""
        states = [optimiser.state[view] for view in run.views.values()]
        moments = [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]
        return cls(run, options, moments, [state[STEP] for state in states])

    @torch.no_grad()
    def move(self, gradients: Mapping[str, Tensor]) -> None:
        """One update."""
        (beta1, beta2), rows = self.options["betas"], slice(self.run.start, self.run.stop)
        views, own = list(self.run.views.values()), [gradients[name][rows] for name in self.run.views]
        if not takes_fused(self.options):
            scheduled_adam(
                views,
                own,
                self.moments,
                self.steps,
                beta1=beta1,
                beta2=beta2,
                lr=self.options["lr"],
                eps=self.options["eps"],
            )
            return
        _fused(views, own, self.moments, self.steps, self.options)


class FusedAdam:
    """Groups and state of Adam on a CPU, as ``torch.optim.Adam(fused=True)`` has them, moved by the same kernel with the same bits.

    To make one of torch's own optimisers imports its compiler, more than a second of a process that trains.

    Arguments:
        groups: Each with ``params``, ``lr``, ``betas`` and ``eps``.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        self.param_groups = groups
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            views = [view for view in group["params"] if view.grad is not None]
            if not views:
                continue
            for view in views:
                if not self.state[view]:
                    self.state[view] = fresh_state(view)
            states = [self.state[view] for view in views]
            moments = [held["exp_avg"] for held in states], [held["exp_avg_sq"] for held in states]
            _fused(views, [view.grad for view in views], moments, [held[STEP] for held in states], group)


def fresh_state(view: Tensor) -> dict[str, Tensor]:
    """Adam's state of a parameter that was not updated yet."""
    step = torch.zeros((), dtype=torch.float32, device=view.device)
    return {STEP: step, "exp_avg": torch.zeros_like(view), "exp_avg_sq": torch.zeros_like(view)}


def _fused(
    views: list[Tensor],
    gradients: list[Tensor],
    moments: tuple[list[Tensor], list[Tensor]],
    steps: list[Tensor],
    options: Mapping[str, Any],
) -> None:
    beta1, beta2 = options["betas"]
    torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
    torch._fused_adam_(  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
        views,
        gradients,
        *moments,
        [],
        steps,
        lr=options["lr"],
        beta1=beta1,
        beta2=beta2,
        weight_decay=0.0,
        eps=options["eps"],
        amsgrad=False,
        maximize=False,
    )


def takes_fused(options: Mapping[str, Any]) -> bool:
    """Whether torch's fused kernel can read Adam's numbers: of tensors, a learning rate in single precision only."""
    lr, (_, beta2) = options["lr"], options["betas"]
    return not isinstance(beta2, Tensor) and not (isinstance(lr, Tensor) and lr.dtype == torch.float64)


def scheduled_adam(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: tuple[list[Tensor], list[Tensor]],
    steps: list[Tensor],
    *,
    beta1: float,
    beta2: float | Tensor,
    lr: float | Tensor,
    eps: float,
) -> None:
    """Adam's update with a second decay or a double-precision rate on the device, where torch's own would have to wait to read it."""
    for parameter, gradient, mean, square, step in zip(parameters, gradients, *moments, steps, strict=True):
        step.add_(1)
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).add_(gradient * gradient * (1 - beta2))
        count = step.double()  # 1 - 0.999 ** count loses five digits in single precision
        root = (square.sqrt() / (1 - beta2**count).sqrt()).add_(eps)
        parameter.addcdiv_(mean, root.div_(lr / (1 - beta1**count)), value=-1.0)
