"""The Coulomb objective: potentials of known charges, what self terms leave, and which way fakes are pulled."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gantlet.objectives.base import Monitored
from gantlet.objectives.coulomb import Coulomb
from gantlet.objectives.pairs import squared_distances


def points(*values: float) -> Tensor:
    """Samples on a line for one member and one generator, ``[1, 1, B, 1]``."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1, 1)


def potentials(objective: Coulomb, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    assert isinstance(objective, Monitored)
    scores = {"real": real.flatten(3).sum(-1), "fake": fake.flatten(3).sum(-1)}
    return objective.monitors(**scores, real_samples=real, fake_samples=fake)


@pytest.mark.parametrize(("dimension", "kernel"), [(3.0, 1 / 2), (4.0, 1 / 4), (6.0, 1 / 16)])
def test_two_charges(dimension: float, kernel: float) -> None:
    """A real and a fake point at distance √3: the Plummer distance is 2, so k = 2^-(d-2) and P = ±(1 - k)."""
    found = potentials(Coulomb(dimension=dimension), points(0.0), points(math.sqrt(3)))
    assert found["potential_real"].item() == pytest.approx(1 - kernel)
    assert found["potential_fake"].item() == pytest.approx(kernel - 1)


def test_the_discriminators_optimum_is_the_potential() -> None:
    """At the potential itself the loss is 0; a constant c more costs c² on either side."""
    r, f = (0.0, 1.0, 5.0), (2.0, 2.5)

    def near(a: float, others: tuple[float, ...]) -> float:
        return sum(1 / math.hypot(a - b, 1) for b in others) / len(others)

    best = [torch.tensor([near(a, r) - near(a, f) for a in at], dtype=torch.float64) for at in (r, f)]
    samples = {"real_samples": points(*r)[0, 0], "fake_samples": points(*f)[0, 0]}
    for more in (0.0, 0.5):
        loss = Coulomb().discriminator(real=best[0] + more, fake=best[1] - more, **samples)
        assert loss.item() == pytest.approx(2 * more**2, abs=1e-12)


def test_self_terms_leave_their_share() -> None:
    """Two clouds of one law: 0 at an independent third, (1 - E k)/B at the real and minus that at the fake points."""
    size, rounds = 16, 600
    source = torch.Generator().manual_seed(0)
    r, f, third = torch.randn(3, rounds, size, 2, generator=source, dtype=torch.float64)

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        return (squared_distances(left, right) + 1).rsqrt()

    elsewhere = (kernel(third, r) - kernel(third, f)).mean((-2, -1))
    mean_kernel = kernel(third, r).mean()
    found = potentials(Coulomb(), r[:, None], f[:, None])
    share = (1 - mean_kernel) / size
    for values, expected in (
        (elsewhere, 0.0),
        (found["potential_real"].flatten(), share),
        (found["potential_fake"].flatten(), -share),
    ):
        error = values.std() / math.sqrt(rounds)
        assert abs(values.mean() - expected) < 4 * error
    assert share > 10 * found["potential_real"].std() / math.sqrt(rounds)  # else the share would not be seen


def test_samples_get_no_gradient_and_scores_do() -> None:
    real, fake = points(0.0, 1.0).requires_grad_(), points(3.0).requires_grad_()
    scores = torch.zeros(1, 1, 2, requires_grad=True, dtype=torch.float64)
    other = torch.zeros(1, 1, 1, dtype=torch.float64)
    loss = Coulomb().discriminator(real=scores, fake=other, real_samples=real, fake_samples=fake)
    slope = torch.autograd.grad(loss.sum(), (scores, real, fake), allow_unused=True)
    assert (slope[0] != 0).all()
    assert slope[1:] == (None, None)


def test_fakes_climb_the_potential() -> None:
    score = torch.tensor([1.0, 3.0], requires_grad=True)
    loss = Coulomb().generator(fake=score, real_samples=None, fake_samples=points(1.0, 2.0))
    assert loss.item() == -2.0
    assert torch.autograd.grad(loss, score)[0].tolist() == [-0.5, -0.5]


def test_each_generator_of_a_team_makes_a_field_of_its_own() -> None:
    """S = 2, K = 3, four real and five fake images, ε and d per member: as each pair of clouds alone, without S and K."""
    source = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 1, 4, 3, 2, 2, generator=source), torch.randn(2, 3, 5, 3, 2, 2, generator=source)
    scores = torch.randn(2, 1, 4, generator=source), torch.randn(2, 3, 5, generator=source)
    epsilon, dimension = (0.5, 2.0), (3.0, 5.0)
    objective = Coulomb(*(torch.tensor(each).reshape(2, 1, 1) for each in (epsilon, dimension)))
    together = objective.discriminator(real=scores[0], fake=scores[1], real_samples=real, fake_samples=fake)
    assert together.shape == (2, 3)
    for s in range(2):
        for k in range(3):
            alone = Coulomb(epsilon[s], dimension[s]).discriminator(
                real=scores[0][s, 0], fake=scores[1][s, k], real_samples=real[s, 0], fake_samples=fake[s, k]
            )
            assert together[s, k].item() == pytest.approx(alone.item(), rel=1e-5)


def test_distances_far_from_the_origin_are_kept() -> None:
    """float32, 3000 numbers of about 100 each: squares of 3e7 would leave errors of several units."""
    near = torch.randn(5, 3000, generator=torch.Generator().manual_seed(0))
    exact = (near[:, None].double() - near[None, :3].double()).square().sum(-1)
    found = squared_distances(near + 100, near[:3] + 100)
    assert torch.allclose(found.double(), exact, rtol=1e-4, atol=0.01)
    assert (found >= 0).all()
