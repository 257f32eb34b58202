"""Batch loaders: every item once per epoch, in an order keyed by (seed, epoch); latents keyed by update."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadData, Refused
from gantlet.randomness import keyed_generator
from gantlet.training.batch_loader import POOL_SEED, BatchLoader, Latents, fixed_latents
from gantlet.training.randomness import KeyedRandom, block_length


def numbered(count: int, **more: Any) -> Dataset:
    """A pool whose samples are their own numbers, twice."""
    values = torch.arange(count, dtype=torch.float32)
    return Dataset(torch.stack([values, values], 1), torch.zeros(1, 2), **more)


def draws(*seeds: int) -> KeyedRandom:
    return KeyedRandom(seeds, device=torch.device("cpu"), dtype=torch.float32)


def loader(count: int, batch: int, *seeds: int, kind: Any = "fixed", **more: Any) -> BatchLoader:
    return BatchLoader(numbered(count, **more), draws(*seeds), batch=batch, kind=kind)


class Shelf:
    """A pool that is streamed, and remembers what it was asked for."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.taken: list[Tensor] = []
        self.ahead: list[Tensor] = []

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape[1:])

    def take(self, index: Tensor) -> Tensor:
        self.taken.append(index)
        return self.values[index]

    def prefetch(self, index: Tensor) -> None:
        self.ahead.append(index)


def pictures(count: int) -> Tensor:
    """8-bit pictures ``[count, 3, 4, 5]``."""
    return torch.randint(0, 256, (count, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def seen(made: BatchLoader, updates: range) -> Tensor:
    """Which items each member sees, ``[S, updates, B]``."""
    return torch.stack([made.real(update)[:, 0, :, 0] for update in updates], 1).long()


# Reals


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 40), batch=st.integers(1, 40), seed=st.integers(0, 1000))
def test_every_item_comes_once_per_epoch_but_for_the_last_partial_batch(size: int, batch: int, seed: int) -> None:
    if batch > size:
        with pytest.raises(BadData, match=f"holds {size} samples, fewer than one batch of {batch}"):
            loader(size, batch, seed)
        return
    made = loader(size, batch, seed)
    batches = size // batch
    assert made.batches_per_epoch == batches
    for epoch in (0, 1, 5):
        items = seen(made, range(epoch * batches, (epoch + 1) * batches)).flatten().tolist()
        assert len(items) == len(set(items)) == batches * batch
        assert set(items) <= set(range(size))


def test_the_order_is_the_permutation_of_the_seed_and_epoch() -> None:
    made = loader(10, 4, 3, 8)
    for epoch in (0, 2):
        for slot, seed in enumerate((3, 8)):
            expected = torch.randperm(10, generator=keyed_generator(seed, epoch, "real/order"))
            assert seen(made, range(2 * epoch, 2 * epoch + 2))[slot].flatten().equal(expected[:8])


def test_epochs_differ_seeds_differ_and_equal_seeds_agree() -> None:
    made = loader(100, 50, 1, 2, 1)
    first, second = seen(made, range(2)), seen(made, range(2, 4))
    assert first[0].equal(first[2])
    assert not first[0].equal(first[1])
    assert not first[0].equal(second[0])


def test_batches_do_not_depend_on_what_was_drawn_before() -> None:
    updates = [7, 2, 2, 9, 0]
    once = {update: loader(20, 6, 1, 2).real(update) for update in updates}
    jumping = loader(20, 6, 1, 2)
    for update in updates:
        assert jumping.real(update).equal(once[update])


def test_shapes_and_dtype() -> None:
    made = BatchLoader(
        Dataset(torch.zeros(10, 3, 4, 5), torch.zeros(1, 3, 4, 5)),
        KeyedRandom((1, 2), device=torch.device("cpu"), dtype=torch.float64),
        batch=4,
        kind="fixed",
    )
    assert made.shape == (3, 4, 5)
    assert (made.real(0).shape, made.real(0).dtype) == ((2, 1, 4, 3, 4, 5), torch.float64)


# Endless sampling


def normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 2, generator=generator)


def test_endless_batches_are_fresh_and_keyed() -> None:
    made = loader(10, 8, 1, 2, 1, kind="endless", endless=normal)
    length = block_length(16)
    batches = [made.real(update) for update in range(length + 2)]
    assert batches[0].shape == (3, 1, 8, 2)
    assert all(batch[0].equal(batch[2]) and not batch[0].equal(batch[1]) for batch in batches)
    values = torch.cat([batch[0].flatten() for batch in batches])
    assert len(values.unique()) == len(values), "a batch came twice"
    expected = normal(length * 8, keyed_generator(2, 1, "real/endless")).reshape(length, 8, 2)
    assert batches[length][1, 0].equal(expected[0])
    assert batches[length + 1][1, 0].equal(expected[1])
    assert loader(10, 8, 2, kind="endless", endless=normal).real(length + 1)[0].equal(batches[length + 1][1])


def test_endless_sampling_of_a_mere_pool_is_refused() -> None:
    with pytest.raises(Refused, match="pool=endless needs a data set whose distribution is known"):
        loader(10, 2, 1, kind="endless")


# Pictures


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pixel_range", [(-1.0, 1.0), (0.0, 1.0)])
def test_8_bit_pictures_become_numbers_batch_by_batch(dtype: torch.dtype, pixel_range: tuple[float, float]) -> None:
    pool, (low, high) = pictures(11), pixel_range
    data = Dataset(pool, torch.zeros(1, 3, 4, 5), pixel_range=pixel_range)
    made = BatchLoader(data, KeyedRandom((1, 2), device=torch.device("cpu"), dtype=dtype), batch=4, kind="fixed")
    order = torch.randperm(11, generator=keyed_generator(2, 0, "real/order"))
    expected = low + pool[order[4:8]].double() / 255 * (high - low)
    assert made.real(1).dtype == dtype
    torch.testing.assert_close(made.real(1)[1, 0].double(), expected, rtol=0, atol=2e-7)


def test_a_pool_of_8_bit_pictures_is_shared_and_never_copied() -> None:
    pool = pictures(9)
    made = BatchLoader(Dataset(pool, pool[:1].float()), draws(*range(32)), batch=4, kind="fixed")
    held = made._pool._pool  # pyright: ignore[reportPrivateUsage]
    assert held.data_ptr() == pool.data_ptr()


def test_a_partial_batch_is_the_same_from_memory_and_from_a_stream() -> None:
    pool = pictures(13)
    kept = {"batch": 5, "kind": "fixed", "drop_last": False}
    resident = BatchLoader(Dataset(pool, pool[:1].float(), flips=True), draws(3, 8), **kept)
    stream = BatchLoader(Dataset(pool[:2], pool[:1].float(), streamed=Shelf(pool), flips=True), draws(3, 8), **kept)
    assert [resident.real(update).shape[2] for update in range(4)] == [5, 5, 3, 5]
    assert all(stream.real(update).equal(resident.real(update)) for update in range(4))
    assert [resident.seen(updates) for updates in (0, 2, 3, 7)] == [0, 10, 13, 31]
    dropped = BatchLoader(Dataset(pool, pool[:1].float()), draws(3), batch=5, kind="fixed")
    assert dropped.seen(7) == 35


@pytest.mark.parametrize("flips", [False, True])
def test_a_stream_gives_the_batches_of_memory_and_asks_ahead(flips: bool) -> None:
    pool = pictures(23)
    shelf = Shelf(pool)
    resident = BatchLoader(Dataset(pool, pool[:1].float(), flips=flips), draws(3, 8, 3), batch=5, kind="fixed")
    streamed = Dataset(pool[:2], pool[:1].float(), streamed=shelf, flips=flips)
    assert streamed.size == 23
    stream = BatchLoader(streamed, draws(3, 8, 3), batch=5, kind="fixed")
    for update in (0, 1, 2, 2, 3, 4, 5, 9):  # epochs of four batches
        assert stream.real(update).equal(resident.real(update))
    assert len(shelf.taken) == 7, "the batch that was asked for twice is fetched once"
    following = resident._order.at(10)  # pyright: ignore[reportPrivateUsage]
    assert any(following.equal(index) for index in shelf.ahead)
    assert shelf.taken[0].shape == (2, 5), "equal seeds are fetched once"


def test_flips_mirror_half_of_the_pictures_by_a_keyed_coin() -> None:
    pool = pictures(40)
    plain = BatchLoader(Dataset(pool, pool[:1].float()), draws(1, 2), batch=40, kind="fixed")
    made = BatchLoader(Dataset(pool, pool[:1].float(), flips=True), draws(1, 2), batch=40, kind="fixed")
    mirrored = []
    for update in range(8):
        before, after = plain.real(update), made.real(update)
        turned = (after == before.flip(-1)).flatten(3).all(-1)
        assert (turned | (after == before).flatten(3).all(-1)).all()
        mirrored.append(turned)
    share = torch.stack(mirrored).double().mean()
    assert abs(float(share) - 0.5) < 4 * 0.5 / (640**0.5)
    assert not mirrored[0][0].equal(mirrored[0][1]), "members of different seeds toss their own coins"
    again = BatchLoader(Dataset(pool, pool[:1].float(), flips=True), draws(1, 2), batch=40, kind="fixed")
    assert again.real(5).equal(made.real(5))


# Latents


def test_fresh_latents_are_keyed_by_player_update_and_seed() -> None:
    made = Latents(draws(1, 2, 1), shape=(3, 4, 5))
    first = made.at("generator", 0)
    assert first.shape == (3, 3, 4, 5)
    assert first[0].equal(first[2])
    others = [first[1], made.at("discriminator", 0)[0], made.at("generator", 1)[0], made.at("generator", 64)[0]]
    assert all(not first[0].equal(other) for other in others)
    assert made.at("generator", 0).equal(first)
    assert len(first[0].unique()) == 60, "generators of a team share their latents"


@pytest.mark.parametrize(("prior", "mean", "deviation"), [("normal", 0.0, 1.0), ("uniform", 0.0, 3**-0.5)])
def test_latents_follow_their_prior(prior: Any, mean: float, deviation: float) -> None:
    drawn = Latents(draws(1), shape=(1, 4000, 5), prior=prior).at("generator", 0)
    fixed = fixed_latents(4000, 5, prior, name="x")
    for values in (drawn, fixed):
        assert float(values.mean()) == pytest.approx(mean, abs=0.03)
        assert float(values.std()) == pytest.approx(deviation, rel=0.02)
        assert prior == "normal" or float(values.abs().max()) <= 1


def pool_items(made: Latents, pool: Tensor, updates: range) -> Tensor:
    """Which latents of the pool each member is given, ``[S, updates, B]``."""
    rows = torch.stack([made.at("any", update)[:, 0] for update in updates], 1)
    return (rows.unsqueeze(-2) == pool).all(-1).long().argmax(-1)


def test_a_pool_of_latents_is_one_for_all_and_reshuffled_on_its_own() -> None:
    made, reals = Latents(draws(4, 9), shape=(2, 5, 3), pool=20), loader(20, 5, 4, 9)
    pool = fixed_latents(20, 3, "normal", name="latent/pool")
    for epoch in (0, 3):
        updates = range(4 * epoch, 4 * epoch + 4)
        items = pool_items(made, pool, updates).flatten(1)
        assert all(sorted(row) == list(range(20)) for row in items.tolist())
        assert not items[0].equal(items[1])
        assert not items.equal(seen(reals, updates).flatten(1)), "latents follow the order of the reals"
        expected = torch.randperm(20, generator=keyed_generator(9, epoch, "latent/order"))
        assert items[1].equal(expected)
    both = made.at("generator", 2)
    assert both[:, 0].equal(both[:, 1])
    assert both.equal(made.at("discriminator", 2))


def test_fixed_latents_depend_on_name_and_size_alone() -> None:
    one = fixed_latents(10, 3, "normal", name="latent/test")
    assert one.equal(fixed_latents(10, 3, "normal", name="latent/test"))
    assert not one.equal(fixed_latents(10, 3, "normal", name="latent/pool"))
    assert one.equal(torch.empty(10, 3).normal_(generator=keyed_generator(POOL_SEED, 0, "latent/test")))
