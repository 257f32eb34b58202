"""gantlet's own losses as functions of NumPy arrays, and the inputs at which others are compared with them.

Legend: ``B`` real and ``B'`` fake samples, ``d`` numbers of a code, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gantlet import objectives

from .doors import Array

__all__ = ["Case", "ReferenceLosses", "inputs", "named_for"]

Case = dict[str, Array]


@dataclass(frozen=True)
class ReferenceLosses:
    """One of gantlet's objectives.

    Attributes:
        name: Its name in the catalogue.
        options: Its settings, all others at their defaults.
    """

    name: str
    options: Mapping[str, Any]

    def objective(self) -> Any:
        """The objective itself.

        Raises:
            UnknownName: No such objective or setting.
            BadValue: A setting out of its range.
        """
        return objectives.get(self.name, **self.options)

    def loss(self, player: str, case: Mapping[str, Array]) -> Array:  # scores [..., B] -> [...]
        """A player's loss."""
        return self._torch(player, case, ())[0]

    def gradient(self, player: str, case: Mapping[str, Array], wanted: tuple[str, ...]) -> dict[str, Array]:
        """The gradient of a player's loss in some of the arrays."""
        return self._torch(player, case, wanted)[1]

    def _torch(self, player: str, case: Mapping[str, Array], wanted: tuple[str, ...]) -> tuple[Array, dict[str, Array]]:
        import torch

        from gantlet.objectives.base import DiscriminatorOutput

        objective = self.objective()
        held = {name: torch.tensor(array, dtype=torch.float64) for name, array in case.items()}
        for name in wanted:
            held[name].requires_grad_()
        given: dict[str, Any] = {"real": held.get("real"), "fake": held["fake"]}
        if "outputs" in objective.needs:
            given = {
                kind: score if score is None else DiscriminatorOutput(score, code=held.get(f"{kind}_code"))
                for kind, score in given.items()
            }
        if "samples" in objective.needs:
            given |= {name: held[name] for name in ("real_samples", "fake_samples")}
        if "state" in objective.needs:
            given["state"] = {"k": held["k"]}
        value = getattr(objective, player)(**given)
        if not wanted or not value.requires_grad:
            return value.detach().numpy(), {name: np.zeros_like(case[name]) for name in wanted}
        found = torch.autograd.grad(value.sum(), [held[name] for name in wanted], materialize_grads=True)
        return value.detach().numpy(), {name: part.numpy() for name, part in zip(wanted, found, strict=True)}


def inputs(*shape: int, fakes: int | None = None, seed: int = 0) -> Case:
    """Scores ``[..., B]`` and ``[..., B']`` of different means and spreads, codes, samples, and k.

    Arguments:
        shape: Of the real scores, the batch last.
        fakes: B', if it is not B.
        seed: Of the draws.
    """
    source = np.random.default_rng(seed)
    found: Case = {}
    sizes = {"real": shape, "fake": (*shape[:-1], fakes or shape[-1])}
    for kind, level, spread in (("real", 0.8, 1.5), ("fake", -0.4, 0.9)):
        for name, more in ((kind, ()), (f"{kind}_code", (3,)), (f"{kind}_samples", (2, 2))):
            found[name] = level + spread * source.standard_normal((*sizes[kind], *more))
    return found | {"k": np.asarray(0.3)}


def named_for(needs: frozenset[str], case: Mapping[str, Array]) -> Case:
    """What of the inputs an objective with such needs is given."""
    wanted = {"real", "fake"}
    wanted |= {"real_code", "fake_code"} if "outputs" in needs else set()
    wanted |= {"real_samples", "fake_samples"} if "samples" in needs else set()
    wanted |= {"k"} if "state" in needs else set()
    return {name: array for name, array in case.items() if name in wanted}
