"""What every penalty is held to, as plain functions that return or raise AssertionError.

The critics are so simple that their slopes are known: linear (constant slope), quadratic (slope affine in
the position, neither even nor odd, and no two places of a sample alike), dead (zero).

Legend: ``S`` members, ``K`` generators of a team, ``J`` batches scored separately, ``B`` batch, ``N`` networks, ``*x`` sample
shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contracts.penalty_cases import PENALTY_MEMBERS, PROMISES, PenaltyCase
from contracts.penalty_restated import RESTATED_PENALTIES, NumpyCritic
from gantlet.objectives.base import DiscriminatorOutput, Stateful
from gantlet.penalties.base import DiscriminatorFunction, Penalty
from gantlet.settings import settings_of

__all__ = ["PENALTY_CHECKS"]

Given = dict[str, Any]


def batch(case: PenaltyCase, members: int = 4, team: int = 4, size: int = 4) -> Given:
    """Real ``[S, 1, B, *x]``, fake ``[S, K, B, *x]``, the draws, a state and the player's parameters, float64."""
    source = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=source, dtype=torch.float64)

    noise: dict[str, Tensor] = {}
    for name, draw in case.build().draws(generators=team, batch=size, shape=case.shape).items():
        drawn = torch.rand if draw.kind == "uniform" else torch.randn
        noise[name] = drawn((members, *draw.shape), generator=source, dtype=torch.float64)
    networks = members if PROMISES[case.name].player == "discriminator" else members * team
    shapes = {"first": (3, 4), "kernel": (2, 3, 2, 2), "bias": (3,)}
    return {
        "real": normal(members, 1, size, *case.shape),
        "fake": 0.3 * normal(members, team, size, *case.shape) + 1,
        "noise": noise,
        "state": {"real": normal(members, 1, 1), "fake": normal(members, 1, 1)},
        "parameters": {name: normal(networks, *shape) for name, shape in shapes.items()},
    }


def value_of(penalty: Any, critic: DiscriminatorFunction, given: Given) -> Tensor:
    """The penalty as a player's update calls it: it is given what it needs, and outputs of that update."""
    chosen = {name: given[name] for name in ("real", "fake", "noise")}
    if "outputs" in penalty.needs:
        # The discriminator's update scores detached fakes; the generator's does not score real samples.
        of_generator = penalty.player == "generator"
        chosen["real_output"] = None if of_generator else critic(given["real"].detach())
        chosen["fake_output"] = critic(given["fake"] if of_generator else given["fake"].detach())
    chosen |= {name: given[name] for name in ("state", "parameters") if name in penalty.needs}
    return penalty(critic, **chosen)


def rows(given: Given, s: int) -> Given:
    """One member's part."""
    members = given["real"].shape[0]

    def own(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: own(part) for name, part in value.items()}
        each = value.shape[0] // members
        return value[s * each : (s + 1) * each]

    return own(given)


def numpy_of(value: Any) -> Any:
    return {name: numpy_of(part) for name, part in value.items()} if isinstance(value, dict) else value.numpy()


def line(shape: tuple[int, ...]) -> Tensor:
    """Different numbers of both signs, one per place of a sample, of norm 1."""
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    direction = (places + 1) * (-1) ** places
    return (direction / direction.norm()).reshape(shape)


def linear(shape: tuple[int, ...], slope: float) -> DiscriminatorFunction:
    """A critic whose gradient has this norm everywhere, spread unevenly over a sample's numbers."""
    return lambda x: DiscriminatorOutput((slope * x * line(shape)).flatten(3).sum(-1) + 7)


def quadratic(shape: tuple[int, ...]) -> tuple[DiscriminatorFunction, NumpyCritic]:
    """Score Σ a (x²/2 + x), gradient a (x + 1), code a x."""
    a = 3 * line(shape)

    def discriminate(x: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput((a * (x.square() / 2 + x)).flatten(3).sum(-1), code=(a * x).flatten(3))

    held = a.numpy()
    return discriminate, NumpyCritic(
        score=lambda x: (held * (x * x / 2 + x)).sum(),
        gradient=lambda x: held * (x + 1),
        code=lambda x: (held * x).ravel(),
    )


def restated(case: PenaltyCase, critic: NumpyCritic, given: Given) -> Tensor:
    formula, arrays = RESTATED_PENALTIES[case.name], numpy_of(given)
    value = [[formula(case.values, critic, arrays, s, k) for k in range(4)] for s in range(4)]
    return torch.tensor(value, dtype=torch.float64)


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> None:
    assert found.shape == expected.shape, f"{tuple(found.shape)} is not {tuple(expected.shape)}"
    assert torch.allclose(found, expected, rtol=tolerance, atol=tolerance), f"{found} is not {expected}"


def is_a_penalty(case: PenaltyCase) -> None:
    penalty, promise = case.build(), PROMISES[case.name]
    assert isinstance(penalty, Penalty)
    draws = penalty.draws(generators=3, batch=5, shape=case.shape)
    assert {name: (draw.kind, draw.shape) for name, draw in draws.items()} == case.draws
    assert (penalty.player, penalty.label) == (promise.player, promise.label)
    assert (penalty.requires, penalty.needs) == (promise.requires, promise.needs)
    assert isinstance(penalty, Stateful) == ("state" in promise.needs)


def the_interval_is_the_engines_business(case: PenaltyCase) -> None:
    """``every`` is a whole number from 1 that cuts fleets, and the penalty itself does not look at it."""
    every = settings_of(case.type)["every"]
    assert (every.kind, every.default, every.low, every.varies) == (int, 1, 1, False)
    given, (discriminate, _) = batch(case), quadratic(case.shape)
    assert torch.equal(value_of(case.build(every=3), discriminate, given), value_of(case.build(), discriminate, given))


def slope_alone_counts(case: PenaltyCase) -> None:
    """A linear critic of slope 3, and one of slope 1/2, cost what paper says."""
    expected = PROMISES[case.name].at_slope
    if expected is None:
        return
    for slope in (3.0, 0.5):
        value = value_of(case.build(), linear(case.shape, slope), batch(case))
        close(value, torch.full((4, 4), expected(case.values, slope), dtype=torch.float64))


def equals_the_formula(case: PenaltyCase) -> None:
    """With the quadratic critic, once more in NumPy, sample by sample."""
    given, (discriminate, critic) = batch(case), quadratic(case.shape)
    close(value_of(case.build(), discriminate, given).detach(), restated(case, critic, given))


def small(case: PenaltyCase) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """What the penalty trains, and the penalty as a function of it, of one member and a team of two."""
    source, given = torch.Generator().manual_seed(1), batch(case, members=1, team=2)
    size = math.prod(case.shape)
    weights = torch.randn((size, 2), generator=source, dtype=torch.float64) / size**0.5
    trains = PROMISES[case.name].trains
    leaf = {"critic": weights, "fakes": given["fake"], "parameters": given["parameters"]["kernel"]}[trains]

    def value(held: Tensor) -> Tensor:
        used = held if trains == "critic" else weights
        changed = given | ({"fake": held} if trains == "fakes" else {})
        changed["parameters"] = given["parameters"] | ({"kernel": held} if trains == "parameters" else {})

        def discriminate(x: Tensor) -> DiscriminatorOutput:
            code = (x.flatten(3) @ used).tanh()
            return DiscriminatorOutput(code.sum(-1), code=code)

        return value_of(case.build(), discriminate, changed).sum()

    return leaf.clone().requires_grad_(), value


def gradients_are_slopes(case: PenaltyCase) -> None:
    """The gradient in all that is trained (a second derivative for gradient penalties) against central differences."""
    leaf, value = small(case)
    at = value(leaf)
    assert at.requires_grad, "the penalty carries no gradient"
    (found,) = torch.autograd.grad(at, leaf)
    expected, h = torch.zeros_like(leaf), 1e-5
    with torch.no_grad():
        for place in np.ndindex(*leaf.shape):
            step = torch.zeros_like(leaf)
            step[place] = h
            with torch.enable_grad():  # a slope is taken inside
                ends = value(leaf + step), value(leaf - step)
            expected[place] = (ends[0] - ends[1]) / (2 * h)
    assert expected.abs().max() > 0
    close(found, expected, 1e-6 * max(1.0, float(expected.abs().max())))


def curvatures_are_slopes_of_slopes(case: PenaltyCase) -> None:
    """The gradient's own derivative along one direction, against a central difference of the gradient."""
    leaf, value = small(case)
    along = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def gradient(held: Tensor, **options: Any) -> Tensor:
        return torch.autograd.grad(value(held), held, **options)[0]

    assert value(leaf).requires_grad, "the penalty carries no gradient"
    (found,) = torch.autograd.grad((gradient(leaf, create_graph=True) * along).sum(), leaf)
    h = 1e-5
    ends = [gradient((leaf + side * along).detach().requires_grad_()) for side in (h, -h)]
    close(found, (ends[0] - ends[1]) / (2 * h), 1e-5 * max(1.0, float(found.abs().max())))


def a_dead_critic_is_survived(case: PenaltyCase) -> None:
    """Scores, codes and weights of zero: the formula's value, and finite derivatives."""
    given, scale = batch(case), torch.ones((), dtype=torch.float64, requires_grad=True)

    def dead(x: Tensor) -> Tensor:
        return (scale * x - 1e3).relu()

    def discriminate(x: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(dead(x).flatten(3).sum(-1), code=dead(x).flatten(3))

    given["parameters"] = {name: dead(part) for name, part in given["parameters"].items()}
    value = value_of(case.build(), discriminate, given)
    (found,) = torch.autograd.grad(value.sum(), scale)
    assert found == 0
    given["parameters"] = {name: part.detach() for name, part in given["parameters"].items()}
    flat = NumpyCritic(lambda x: 0.0, np.zeros_like, lambda x: np.zeros(x.size))
    close(value.detach(), restated(case, flat, given))


def members_equal_their_loop(case: PenaltyCase) -> None:
    """Settings per member ``[S, 1, 1]``: what each member gets alone."""
    given, values, (discriminate, _) = batch(case), PENALTY_MEMBERS[case.name], quadratic(case.shape)
    held = {name: torch.tensor(held, dtype=torch.float64).reshape(4, 1, 1) for name, held in values.items()}
    together = value_of(case.build(**held), discriminate, given)
    for s in range(4):
        alone = case.build(**{name: value[s] for name, value in values.items()})
        close(together[s : s + 1], value_of(alone, discriminate, rows(given, s)))


def a_broken_member_stays_alone(case: PenaltyCase) -> None:
    """A nan in one member's batch, or in its weights, reaches that member's penalty and no other's."""
    given, (discriminate, _) = batch(case), quadratic(case.shape)
    clean = value_of(case.build(), discriminate, given)
    broken = rows(given, 2)
    for part in (broken["real"], broken["fake"], *broken["parameters"].values()):
        part.fill_(torch.nan)  # a view
    value = value_of(case.build(), discriminate, given)
    assert value[2].isnan().all()
    others = [0, 1, 3]
    assert torch.equal(value[others], clean[others])


def only_what_it_trains_gets_a_gradient(case: PenaltyCase) -> None:
    """A discriminator's penalty trains neither the generator nor the data; a generator's reaches it through its fakes."""
    given, (discriminate, _) = batch(case), quadratic(case.shape)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    given["parameters"]["first"].requires_grad_()

    def scaled(x: Tensor) -> DiscriminatorOutput:
        output = discriminate(scale * x)
        return DiscriminatorOutput(output.score, code=output.code)

    leaves = {
        "critic": scale,
        "fakes": given["fake"],
        "parameters": given["parameters"]["first"],
        "data": given["real"],
    }
    value = value_of(case.build(), scaled, given | {name: given[name].requires_grad_() for name in ("real", "fake")})
    found = dict(zip(leaves, torch.autograd.grad(value.sum(), list(leaves.values()), allow_unused=True), strict=True))
    promise = PROMISES[case.name]
    if promise.player == "generator":
        del found["critic"]  # the generator's update scores with detached parameters
    trained = found.pop(promise.trains)
    assert trained is not None
    assert trained.abs().max() > 0
    assert all(other is None for other in found.values()), found


def the_state_follows(case: PenaltyCase) -> None:
    """From scores alone, per member and without a gradient: β α + (1 - β) · mean, at S = K = B = 4."""
    if "state" not in PROMISES[case.name].needs:
        return
    given, values, (discriminate, _) = batch(case), PENALTY_MEMBERS[case.name], quadratic(case.shape)
    held = {name: torch.tensor(held, dtype=torch.float64).reshape(4, 1, 1) for name, held in values.items()}
    scores = {name: discriminate(given[name]).score.requires_grad_() for name in ("real", "fake")}
    start = case.build().init(4)
    assert {name: (part.shape, part.abs().max()) for name, part in start.items()} == dict.fromkeys(
        given["state"], ((4, 1, 1), 0)
    )
    moved, seen = case.build(**held).update(given["state"], **scores)
    for name, s in product(("real", "fake"), range(4)):
        keep, mean = values["decay"][s], scores[name][s].detach().numpy().mean()
        expected = keep * given["state"][name][s].numpy() + (1 - keep) * mean
        assert np.allclose(moved[name][s].numpy(), expected, rtol=1e-12)
        assert torch.equal(seen[f"{case.name}_{name}"], moved[name])
    assert not any(part.requires_grad for part in moved.values())


PENALTY_CHECKS: tuple[Callable[[PenaltyCase], None], ...] = (
    is_a_penalty,
    the_interval_is_the_engines_business,
    slope_alone_counts,
    equals_the_formula,
    gradients_are_slopes,
    curvatures_are_slopes_of_slopes,
    a_dead_critic_is_survived,
    members_equal_their_loop,
    a_broken_member_stays_alone,
    only_what_it_trains_gets_a_gradient,
    the_state_follows,
)
