"""What every objective is held to, as plain functions that return or raise AssertionError.

They are functions so that the mutation tests can ask whether they would notice. Each gives an objective what it
``needs``: scores alone, or also samples, whole outputs with codes, and a state k.

Legend: ``S`` members, ``K`` generators of a team, ``B`` real and ``B'`` fake samples, ``d`` features, ``*x`` sample shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from contracts.cases import MEMBERS, PAIRED, Case
from contracts.restated import CRITICS, RESTATED
from gantlet.errors import Refused
from gantlet.objectives.base import DiscriminatorOutput, Monitored, Need, Objective, Stateful, Theory, WithCritic

__all__ = ["OBJECTIVE_CHECKS"]

Parts = dict[str, Tensor]
PLAYERS = ("discriminator", "generator")


def parts(*shape: int, fakes: int | None = None, seed: int = 0) -> Parts:
    """Scores ``[..., B]`` and ``[..., B']`` with different means and spreads, codes, samples and k; float64."""
    source = torch.Generator().manual_seed(seed)
    found: Parts = {}
    sizes = {"real": shape, "fake": (*shape[:-1], fakes or shape[-1])}
    for kind, level, spread in (("real", 0.8, 1.5), ("fake", -0.4, 0.9)):
        for name, more in ((kind, ()), (f"{kind}_code", (3,)), (f"{kind}_samples", (2, 2))):
            drawn = torch.randn((*sizes[kind], *more), generator=source, dtype=torch.float64)
            found[name] = level + spread * drawn
    return found | {"k": torch.tensor(0.3, dtype=torch.float64)}


def arguments(objective: Objective, given: Mapping[str, Tensor]) -> dict[str, Any]:
    """The keywords of both losses, of what an objective needs."""
    found: dict[str, Any] = {"real": given["real"], "fake": given["fake"]}
    if "outputs" in objective.needs:
        found = {kind: DiscriminatorOutput(score, code=given[f"{kind}_code"]) for kind, score in found.items()}
    if "samples" in objective.needs:
        found |= {name: given[name] for name in ("real_samples", "fake_samples")}
    if "state" in objective.needs:
        found["state"] = {"k": given["k"]}
    return found


def loss(objective: Objective, player: str, given: Mapping[str, Tensor]) -> Tensor:
    return getattr(objective, player)(**arguments(objective, given))


def taught(objective: Objective) -> list[str]:
    """The parts that carry gradients: scores, or codes too."""
    return ["real", "fake", *(["real_code", "fake_code"] if "outputs" in objective.needs else [])]


def leaves(objective: Objective, given: Parts) -> Parts:
    """The same parts, those that carry gradients as fresh leaves."""
    return given | {name: given[name].clone().requires_grad_() for name in taught(objective)}


def pick(given: Parts, at: Any) -> Parts:
    """One batch of batches; k where it differs by member."""
    return {name: part if name == "k" and part.dim() == 0 else part[at] for name, part in given.items()}


def close(left: Tensor, right: Tensor, tolerance: float = 1e-9) -> None:
    assert left.shape == right.shape, f"{tuple(left.shape)} is not {tuple(right.shape)}"
    assert torch.allclose(left, right, rtol=tolerance, atol=tolerance), f"{left} is not {right}"


def is_an_objective(case: Case) -> None:
    objective = case.build()
    assert isinstance(objective, Objective)
    assert objective.needs <= set(get_args(Need))
    assert isinstance(objective, Stateful) == ("state" in objective.needs)


def equals_the_formula(case: Case) -> None:
    """Both losses, at asymmetric inputs, and of two batch sizes where the mathematics allows."""
    objective = case.build()
    for given in (parts(3, 7), *([] if case.name in PAIRED else [parts(2, 4, fakes=6, seed=1)])):
        expected_d, expected_g = RESTATED[case.name](
            case.values, **{name: part.numpy() for name, part in given.items()}
        )
        close(loss(objective, "discriminator", given), torch.from_numpy(expected_d))
        close(loss(objective, "generator", given), torch.from_numpy(expected_g))
        if "real" not in objective.needs:
            alone = arguments(objective, given) | {"real": None}
            close(objective.generator(**alone), torch.from_numpy(expected_g))


def uneven_batches_are_refused_where_samples_are_paired(case: Case) -> None:
    if case.name not in PAIRED:
        return
    for player in PLAYERS:
        told = ""
        try:
            loss(case.build(), player, parts(4, fakes=1))
        except Refused as error:
            told = str(error)
        assert "batches hold" in told, "four real and one fake score were paired"


def any_leading_dimensions(case: Case) -> None:
    """A batch of batches is treated batch by batch."""
    objective, given = case.build(), parts(2, 3, 5)
    for at, player in product(product(range(2), range(3)), PLAYERS):
        close(loss(objective, player, given)[at], loss(objective, player, pick(given, at)))


def swapping_players_shows(case: Case) -> None:
    objective, given = case.build(), parts(9)
    pairs = [(f"real{end}", f"fake{end}") for end in ("", "_code", "_samples")]
    swapped = {one: given[other] for pair in pairs for one, other in (pair, pair[::-1])}
    right = loss(objective, "discriminator", given)
    wrong = loss(objective, "discriminator", given | swapped)
    assert torch.allclose(right, wrong) == objective.symmetric, f"{right} against {wrong} when swapped"


def gradients_are_slopes(case: Case) -> None:
    """Central differences in float64, for every score and code of both players."""
    objective, given = case.build(), parts(2, 3)
    for player in PLAYERS:
        held = leaves(objective, given)
        value = loss(objective, player, held).sum()
        assert value.requires_grad, "the loss carries no gradient"
        found = torch.autograd.grad(value, [held[name] for name in taught(objective)], materialize_grads=True)
        for name, gradient in zip(taught(objective), found, strict=True):
            close(gradient, slopes(lambda at, player=player: loss(objective, player, at), given, name), 1e-7)


def slopes(value: Callable[[Parts], Tensor], given: Parts, name: str) -> Tensor:
    """(L(x + h) - L(x - h)) / 2h in each number of a part."""
    h, found = 1e-5, torch.zeros_like(given[name])
    for at in np.ndindex(*found.shape):
        ends = []
        for side in (h, -h):
            moved = given[name].clone()
            moved[at] += side
            ends.append(value(given | {name: moved}).sum())
        found[at] = (ends[0] - ends[1]) / (2 * h)
    return found


def nothing_is_nan_far_out(case: Case) -> None:
    """At scores (and codes) of ±1e4 losses may be infinite, but neither they nor their gradients are nan."""
    objective = case.build()
    for dtype, size in product((torch.float32, torch.float64), (1e2, 1e4)):
        far = torch.tensor([size, -size, 0.0], dtype=dtype)
        given = {name: part.to(dtype) for name, part in parts(3).items()}
        given |= {"real": far, "fake": far, "real_code": far.diag(), "fake_code": far.diag()}
        for player in PLAYERS:
            held = leaves(objective, given)
            value = loss(objective, player, held)
            gradients = torch.autograd.grad(value, [held[name] for name in taught(objective)], materialize_grads=True)
            assert not any(part.isnan().any() for part in (value, *gradients)), f"nan at {size:g}"


def members_equal_their_loop(case: Case) -> None:
    """S = K = B = 4 with settings and state per member ``[S, 1, 1]``: what each member gets alone, gradients too."""
    values = MEMBERS[case.name]
    settings = {name: torch.tensor(held, dtype=torch.float64).reshape(4, 1, 1) for name, held in values.items()}
    fleet, given = case.build(**settings), parts(4, 4, 4)
    one_real = {name: part[:, :1] for name, part in given.items() if name.startswith("real")}
    given |= one_real | {"k": torch.tensor([0.0, 0.3, 0.7, 1.0], dtype=torch.float64).reshape(4, 1, 1)}
    held = leaves(fleet, given)
    alone = [case.build(**{name: value[s] for name, value in values.items()}) for s in range(4)]
    for player in PLAYERS:
        together = loss(fleet, player, held)
        expected = torch.stack([loss(alone[s], player, pick(held, s)).expand(4) for s in range(4)])
        close(together.expand(4, 4), expected)
        wanted = [held[name] for name in taught(fleet) if name.startswith("fake")]
        both = (torch.autograd.grad(part.sum(), wanted, materialize_grads=True) for part in (together, expected))
        for left, right in zip(*both, strict=True):
            close(left, right)


def monitors_follow_the_batch(case: Case) -> None:
    """Monitors take the discriminator's own keywords, are finite, and a batch of batches gives each batch's own."""
    objective, given = case.build(), parts(2, 3, 5)
    if not isinstance(objective, Monitored):
        return
    seen = objective.monitors(**arguments(objective, given))
    assert seen, "nothing is monitored"
    for name, values in seen.items():
        assert values.shape == (2, 3)
        assert values.isfinite().all()
        for at in product(range(2), range(3)):
            close(values[at], objective.monitors(**arguments(objective, pick(given, at)))[name])


def the_witness_is_the_formula(case: Case) -> None:
    """The critic of a kernel distance, at codes of its own: three batches are compared with one real and three fake ones."""
    objective, given, at_samples = case.build(), parts(3, 5, fakes=4), parts(3, 2, seed=1)
    assert isinstance(objective, WithCritic) == (case.name in CRITICS)
    if not isinstance(objective, WithCritic):
        return
    real, fake = (DiscriminatorOutput(given[kind], code=given[f"{kind}_code"]) for kind in ("real", "fake"))
    at = DiscriminatorOutput(at_samples["real"], code=at_samples["real_code"].requires_grad_())
    found = objective.critic(at=at, real=DiscriminatorOutput(given["real"][:1], code=given["real_code"][:1]), fake=fake)
    formula = CRITICS[case.name]
    codes = [part.detach().numpy() for part in (at_samples["real_code"], given["real_code"], given["fake_code"])]
    expected = [formula(case.values, codes[0][j], codes[1][0], codes[2][j]) for j in range(3)]
    close(found, torch.from_numpy(np.array(expected)))
    assert found.requires_grad, "a penalty on the critic would have no gradient"
    assert objective.critic(at=real, real=real, fake=fake).shape == (3, 5)


# Two distributions over five atoms, as samples: atom i stands in the batch as often as its weight says, and every
# real sample meets every fake one.
REAL = torch.tensor([1, 2, 3, 4, 6])
FAKE = torch.tensor([5, 1, 3, 5, 2])


def expected_loss(objective: Objective, score: Tensor) -> Tensor:  # [..., atoms] -> [...]
    """The discriminator's loss when it gives each atom this score."""
    real, fake = (torch.repeat_interleave(score, weights, dim=-1) for weights in (REAL, FAKE))
    real, fake = real.repeat_interleave(int(FAKE.sum()), -1), fake.repeat(*[1] * (fake.dim() - 1), int(REAL.sum()))
    return objective.discriminator(real=real, fake=fake)


def optimum_is_the_divergence(case: Case) -> None:
    """At the optimal score the loss equals the closed form, and no other score (that may be) does better."""
    objective = case.build()
    if not isinstance(objective, Theory):
        return
    least = getattr(objective, "least_score", -float("inf"))
    p, q = REAL.double() / REAL.sum(), FAKE.double() / FAKE.sum()
    best, value = objective.optimal_score(real=p, fake=q), objective.optimal_value(real=p, fake=q)
    assert best.min() >= least
    close(expected_loss(objective, best), value, 1e-6)  # a clamped probability of 1 costs 1e-7
    source = torch.Generator().manual_seed(0)
    for scale in (1e-3, 1e-1, 1.0, 5.0):
        moves = scale * torch.randn((100, 5), generator=source, dtype=torch.float64)
        assert expected_loss(objective, (best + moves).clamp_min(least)).min() >= value - 1e-9
        assert expected_loss(objective, moves.clamp_min(least)).min() >= value - 1e-9


def undecided_where_both_are_equal(case: Case) -> None:
    """If p = q the optimal score is the boundary at every atom, or one score for all where there is no boundary."""
    objective = case.build()
    if not isinstance(objective, Theory):
        return
    p = REAL.double() / REAL.sum()
    score = objective.optimal_score(real=p, fake=p)
    close(score, torch.full_like(p, score[0].item() if objective.boundary is None else objective.boundary))


def dirac_eigenvalues_hold(case: Case) -> None:
    """The Jacobian of the Dirac-GAN's simultaneous gradient flow at (0, 0), by autograd, where scores are all it takes."""
    objective = case.build()
    if not objective.needs <= {"real"}:
        assert not hasattr(objective, "dirac_eigenvalues"), "nothing would check them"
        return

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
    uneven_batches_are_refused_where_samples_are_paired,
    any_leading_dimensions,
    swapping_players_shows,
    gradients_are_slopes,
    nothing_is_nan_far_out,
    members_equal_their_loop,
    monitors_follow_the_batch,
    the_witness_is_the_formula,
    optimum_is_the_divergence,
    undecided_where_both_are_equal,
    dirac_eigenvalues_hold,
)
