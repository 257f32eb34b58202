"""Both relativistic objectives: only differences count, real scores set the generator's slope."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet.errors import Refused
from gantlet.objectives.base import Theory
from gantlet.objectives.relativistic import Relativistic
from gantlet.objectives.relativistic_average import RelativisticAverage
from gantlet.objectives.vanilla import Vanilla

BOTH = [Relativistic(), RelativisticAverage()]


def some_scores() -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, 5, generator=source, dtype=torch.float64).unbind())  # pyright: ignore[reportReturnType]


def test_values_by_hand() -> None:
    """Differences log 3 and 0: the real sample wins with chance 3/4 and 1/2."""
    real, fake = torch.tensor([math.log(3), 5.0]), torch.tensor([0.0, 5.0])
    judged, made = Relativistic().discriminator(real=real, fake=fake), Relativistic().generator(real=real, fake=fake)
    assert judged.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert made.item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_averages_by_hand() -> None:
    """Real mean 0, fake mean -log 3: real logits are ±1 + log 3, the one fake logit is -log 3 from the real mean."""
    real, fake = torch.tensor([1.0, -1.0]), torch.tensor([-math.log(3)])
    objective = RelativisticAverage()
    on_real = (math.log1p(math.exp(-1) / 3) + math.log1p(math.exp(1) / 3)) / 2
    assert objective.discriminator(real=real, fake=fake).item() == pytest.approx(on_real + math.log(4 / 3))
    made = math.log(4) + (math.log1p(3 * math.exp(1)) + math.log1p(3 * math.exp(-1))) / 2
    assert objective.generator(real=real, fake=fake).item() == pytest.approx(made)


@pytest.mark.parametrize("objective", BOTH)
def test_scores_have_no_level(objective: Any) -> None:
    real, fake = some_scores()
    for player in (objective.discriminator, objective.generator):
        loss, moved = player(real=real, fake=fake), player(real=real + 100, fake=fake + 100)
        assert moved.item() == pytest.approx(loss.item(), rel=1e-9)
    assert objective.boundary is None


@pytest.mark.parametrize("objective", BOTH)
def test_the_players_exchange_their_roles(objective: Any) -> None:
    real, fake = some_scores()
    assert objective.generator(real=real, fake=fake) == objective.discriminator(real=fake, fake=real)


@pytest.mark.parametrize("objective", BOTH)
def test_against_a_real_batch_of_score_0_it_is_vanillas_loss(objective: Any) -> None:
    """One real sample of score 0: the pair's log odds are the fake logit itself."""
    zero, fake = torch.zeros(1), torch.tensor([0.7])
    pair = Vanilla().discriminator(real=zero, fake=fake) - math.log(2)
    terms = 1 if isinstance(objective, Relativistic) else 2
    assert objective.discriminator(real=zero, fake=fake).item() == pytest.approx(terms * pair.item())


def test_pairs_need_batches_of_one_size() -> None:
    with pytest.raises(Refused, match="the batches hold 3 and 1 samples: use equal sizes, or relativistic-average"):
        Relativistic().discriminator(real=torch.zeros(3), fake=torch.zeros(1))
    with pytest.raises(Refused, match="batches hold 1 and 3"):
        Relativistic().generator(real=torch.zeros(2, 3), fake=torch.zeros(2, 1))


@pytest.mark.parametrize(
    ("p", "q", "value"),
    [([0.5, 0.5], [0.5, 0.5], math.log(2)), ([1.0, 0.0], [0.0, 1.0], 0.0)],
    ids=["equal", "disjoint"],
)
def test_the_divergence_of_pairs_at_its_ends(p: list[float], q: list[float], value: float) -> None:
    found = Relativistic().optimal_value(real=torch.tensor(p), fake=torch.tensor(q))
    assert found.item() == pytest.approx(value, abs=1e-6)


def test_averages_cannot_beat_a_constant_score_where_both_laws_are_equal() -> None:
    """2 log 2 at a constant; two atoms of weight 1/4 and 3/4, 500 other scores."""
    moves = torch.randn(500, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    batch = moves[:, [0, 1, 1, 1]]
    losses = RelativisticAverage().discriminator(real=batch, fake=batch)
    flat = RelativisticAverage().discriminator(real=torch.zeros(4), fake=torch.zeros(4))
    assert flat.item() == pytest.approx(2 * math.log(2))
    assert losses.min() > 2 * math.log(2)
    assert not isinstance(RelativisticAverage(), Theory)
