"""What every objective is held to, as plain functions that return or raise AssertionError.

They are functions so that the mutation tests can ask whether they would notice.

Legend: ``S`` members, ``K`` generators of a team, ``B`` batch.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from torch import Tensor

from contracts.cases import MEMBERS, Case
from contracts.restated import RESTATED
from gantlet.objectives.base import Objective, Theory

__all__ = ["OBJECTIVE_CHECKS"]


def scores(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Real and fake scores with different means and spreads, float64."""
    source = torch.Generator().manual_seed(seed)
    real = 0.8 + 1.5 * torch.randn(shape, generator=source, dtype=torch.float64)
    fake = -0.4 + 0.9 * torch.randn(shape, generator=source, dtype=torch.float64)
    return real, fake


def close(left: Tensor, right: Tensor, tolerance: float = 1e-9) -> None:
    assert left.shape == right.shape, f"{tuple(left.shape)} is not {tuple(right.shape)}"
    assert torch.allclose(left, right, rtol=tolerance, atol=tolerance), f"{left} is not {right}"


def is_an_objective(case: Case) -> None:
    objective = case.build()
    assert isinstance(objective, Objective)
    assert not objective.needs & {"samples", "verdicts", "state"}, "these checks give scores only"


def equals_the_formula(case: Case) -> None:
    """Both losses, at asymmetric inputs."""
    objective, (real, fake) = case.build(), scores(3, 7)
    judge, made = RESTATED[case.name](case.values, real.numpy(), fake.numpy())
    close(objective.discriminator(real=real, fake=fake), torch.from_numpy(judge))
    close(objective.generator(real=real, fake=fake), torch.from_numpy(made))
    if "real" not in objective.needs:
        close(objective.generator(fake=fake), torch.from_numpy(made))


def any_leading_dimensions(case: Case) -> None:
    """A batch of batches is judged batch by batch."""
    objective, (real, fake) = case.build(), scores(2, 3, 5)
    for at in product(range(2), range(3)):
        one, other = real[at], fake[at]
        close(objective.discriminator(real=real, fake=fake)[at], objective.discriminator(real=one, fake=other))
        close(objective.generator(real=real, fake=fake)[at], objective.generator(real=one, fake=other))


def swapping_players_shows(case: Case) -> None:
    objective, (real, fake) = case.build(), scores(9)
    right = objective.discriminator(real=real, fake=fake)
    wrong = objective.discriminator(real=fake, fake=real)
    assert torch.allclose(right, wrong) == objective.symmetric, f"{right} against {wrong} when swapped"


def gradients_are_slopes(case: Case) -> None:
    """Central differences in float64, for every score of both players."""
    objective, (real, fake) = case.build(), scores(2, 3)
    for loss in (objective.discriminator, objective.generator):
        leaves = [real.clone().requires_grad_(), fake.clone().requires_grad_()]
        value = loss(real=leaves[0], fake=leaves[1]).sum()
        assert value.requires_grad, "the loss carries no gradient"
        found = torch.autograd.grad(value, leaves, materialize_grads=True)
        for which in (0, 1):
            close(found[which], slopes(loss, real=real, fake=fake, which=which), 1e-7)


def slopes(loss: Callable[..., Tensor], *, real: Tensor, fake: Tensor, which: int) -> Tensor:
    """(L(x + h) - L(x - h)) / 2h in each score of real (0) or fake (1)."""
    h, found = 1e-5, torch.zeros_like(real)
    for at in np.ndindex(*real.shape):
        ends = []
        for side in (h, -h):
            moved = [real.clone(), fake.clone()]
            moved[which][at] += side
            ends.append(loss(real=moved[0], fake=moved[1]).sum())
        found[at] = (ends[0] - ends[1]) / (2 * h)
    return found


def nothing_is_nan_far_out(case: Case) -> None:
    """At logits of ±1e4 losses may be infinite, but neither they nor their gradients are nan."""
    objective = case.build()
    for dtype, size in product((torch.float32, torch.float64), (1e2, 1e4)):
        leaves = [torch.tensor([size, -size, 0.0], dtype=dtype).requires_grad_() for _ in range(2)]
        for loss in (objective.discriminator, objective.generator):
            value = loss(real=leaves[0], fake=leaves[1])
            gradients = torch.autograd.grad(value, leaves, materialize_grads=True)
            assert not any(part.isnan().any() for part in (value, *gradients)), f"nan at {size:g}"


def members_equal_their_loop(case: Case) -> None:
    """S = K = B = 4 with settings per member ``[S, 1, 1]``: what each member gets alone, gradients too."""
    values = MEMBERS[case.name]
    settings = {name: torch.tensor(held, dtype=torch.float64).reshape(4, 1, 1) for name, held in values.items()}
    fleet = case.build(**settings)
    real, fake = scores(4, 4, 4)
    real = real[:, :1].clone().requires_grad_()
    fake.requires_grad_()
    for player in ("discriminator", "generator"):
        together = getattr(fleet, player)(real=real, fake=fake)
        alone = [
            getattr(case.build(**{name: held[s] for name, held in values.items()}), player)(real=real[s], fake=fake[s])
            for s in range(4)
        ]
        expected = torch.stack([loss.expand(4) for loss in alone])
        close(together.expand(4, 4), expected)
        close(*(torch.autograd.grad(loss.sum(), fake)[0] for loss in (together, expected)))


# Two distributions over five atoms, as samples: atom i stands in the batch as often as its weight says.
REAL = torch.tensor([1, 2, 3, 4, 6])
FAKE = torch.tensor([5, 1, 3, 5, 2])


def judged(objective: Objective, score: Tensor) -> Tensor:  # [..., atoms] -> [...]
    """The discriminator's loss when it gives each atom this score."""
    real, fake = (torch.repeat_interleave(score, weights, dim=-1) for weights in (REAL, FAKE))
    return objective.discriminator(real=real, fake=fake)


def optimum_is_the_divergence(case: Case) -> None:
    """At the optimal score the loss equals the closed form, and no other score does better."""
    objective = case.build()
    if not isinstance(objective, Theory):
        return
    p, q = REAL.double() / REAL.sum(), FAKE.double() / FAKE.sum()
    best, value = objective.optimal_score(real=p, fake=q), objective.optimal_value(real=p, fake=q)
    close(judged(objective, best), value, 1e-6)  # a clamped probability of 1 costs 1e-7
    source = torch.Generator().manual_seed(0)
    for scale in (1e-3, 1e-1, 1.0, 5.0):
        moves = scale * torch.randn((200, 5), generator=source, dtype=torch.float64)
        assert judged(objective, best + moves).min() >= value - 1e-9
        assert judged(objective, moves).min() >= value - 1e-9


def undecided_where_both_are_equal(case: Case) -> None:
    """If p = q the optimal score is the boundary, at every atom."""
    objective = case.build()
    if not isinstance(objective, Theory):
        return
    p = REAL.double() / REAL.sum()
    assert objective.boundary is not None
    close(objective.optimal_score(real=p, fake=p), torch.full_like(p, objective.boundary))


def dirac_eigenvalues_hold(case: Case) -> None:
    """The Jacobian of the Dirac-GAN's simultaneous gradient flow at (0, 0), by autograd."""
    objective = case.build()

    def flow(at: Tensor) -> Tensor:
        theta, psi = at
        real, fake = (psi * 0).reshape(1), (psi * theta).reshape(1)
        (d_psi,) = torch.autograd.grad(objective.discriminator(real=real, fake=fake), psi, create_graph=True)
        (d_theta,) = torch.autograd.grad(objective.generator(real=real, fake=fake), theta, create_graph=True)
        return -torch.stack([d_theta, d_psi])

    rest = torch.zeros(2, dtype=torch.float64)
    close(flow(rest.clone().requires_grad_()).detach(), rest)
    jacobian = torch.autograd.functional.jacobian(flow, rest)
    assert isinstance(jacobian, Tensor)
    found = np.sort_complex(np.linalg.eigvals(jacobian.numpy()))
    declared = np.sort_complex(np.array(objective.dirac_eigenvalues()))
    assert np.allclose(found, declared, rtol=1e-9, atol=1e-9), f"found {found}, declared {declared}"


OBJECTIVE_CHECKS: tuple[Callable[[Case], None], ...] = (
    is_an_objective,
    equals_the_formula,
    any_leading_dimensions,
    swapping_players_shows,
    gradients_are_slopes,
    nothing_is_nan_far_out,
    members_equal_their_loop,
    optimum_is_the_divergence,
    undecided_where_both_are_equal,
    dirac_eigenvalues_hold,
)
