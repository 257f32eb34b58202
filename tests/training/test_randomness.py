"""Keyed randomness: draws depend on (seed, step, name) and on nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gantlet.randomness import keyed_generator, seed_of
from gantlet.training.randomness import KeyedRandom, block_length

CPU = torch.device("cpu")


def draws(seeds: tuple[int, ...]) -> KeyedRandom:
    return KeyedRandom(seeds, device=CPU, dtype=torch.float32)


def test_a_draw_is_the_block_of_its_key() -> None:
    shape, step = (5, 3), 70
    length = block_length(15)
    block = torch.empty(length, *shape).normal_(generator=keyed_generator(4, step // length, "latent"))
    assert torch.equal(draws((4,)).draw("latent", step, shape, "normal")[0], block[step % length])


@given(order=st.permutations(range(12)))
def test_the_order_of_asking_does_not_matter(order: list[int]) -> None:
    shape = (6000,)  # blocks of 10 steps: steps 0 to 11 cross a border
    one, other = draws((1, 2)), draws((1, 2))
    straight = {step: one.draw("x", step, shape, "uniform") for step in range(12)}
    assert all(torch.equal(other.draw("x", step, shape, "uniform"), straight[step]) for step in order)


def test_slots_with_equal_seeds_share_and_neighbours_do_not_matter() -> None:
    alone, among = draws((3,)), draws((1, 3, 2, 3))
    mine, theirs = alone.draw("x", 9, (4,), "normal")[0], among.draw("x", 9, (4,), "normal")
    assert torch.equal(theirs[1], mine)
    assert torch.equal(theirs[3], mine)
    assert not torch.equal(theirs[0], mine)


@pytest.mark.parametrize(
    ("one", "other"), [((1, 0, "a"), (2, 0, "a")), ((1, 0, "a"), (1, 1, "a")), ((1, 0, "a"), (1, 0, "b"))]
)
def test_each_part_of_the_key_counts(one: tuple[int, int, str], other: tuple[int, int, str]) -> None:
    assert seed_of(*one) != seed_of(*other)


def test_the_key_format_is_pinned() -> None:
    # A change here breaks the replay of every study on disk: raise KEY_VERSION with it.
    assert (
        seed_of(1, 0, "latent")
        == int.from_bytes(__import__("hashlib").blake2b(b"gantlet/1/1/0/latent", digest_size=8).digest(), "little") >> 1
    )


def test_float64_draws_are_the_float32_ones() -> None:
    double = KeyedRandom((1,), device=CPU, dtype=torch.float64).draw("x", 3, (7,), "normal")
    assert torch.equal(double, draws((1,)).draw("x", 3, (7,), "normal").double())


def test_moments() -> None:
    normal = draws((1,)).draw("x", 0, (60_000,), "normal")
    uniform = draws((1,)).draw("y", 0, (60_000,), "uniform")
    assert abs(float(normal.mean())) < 0.02
    assert abs(float(normal.var()) - 1) < 0.03
    assert abs(float(uniform.mean()) - 0.5) < 0.01
    assert 0 <= float(uniform.min()) <= float(uniform.max()) < 1


def test_what_is_drawn_ahead_is_what_is_drawn_when_needed() -> None:
    """Blocks in order, one again, one left out, and far ahead."""
    now, ahead = draws((3, 8, 3)), draws((3, 8, 3))
    ahead.ahead = True
    length = block_length(3000)
    for step in (0, 1, length, 0, 3 * length, 3 * length + 1, 100 * length):
        one, other = (drawn.draw("x", step, (3000,), "normal") for drawn in (now, ahead))
        assert torch.equal(one, other)
