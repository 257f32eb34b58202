"""The modes of stacked digits, read by a classifier whose readings are written into the pixels."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue
from gantlet.metrics.base import Metric, MetricInput
from gantlet.metrics.stacked import StackedModes

EVEN = torch.arange(10).repeat(5)


class Oracle:
    """Reads a digit from the first pixel, -1 for 0 and 1 for 9, and its probability from the last, -1 for 0 and 1 for 1."""

    accuracy, fingerprint, facts = 0.99, "abc", {"network": "oracle"}

    class net:
        classes = 10

    def probabilities(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        label, sure = ((flat[:, 0].nan_to_num(0) + 1) * 4.5).round().long(), (flat[:, -1] + 1) / 2
        rest = ((1 - sure) / 9)[:, None].expand(-1, 10)
        return rest.scatter(1, label[:, None], sure[:, None])


def pictures(digits: Tensor, sure: Tensor | float = 1.0) -> Tensor:  # [..., 3] -> [..., 3, 2, 2] in [0, 1]
    images = torch.zeros(*digits.shape, 2, 2)
    images[..., 0, 0] = digits / 9
    images[..., -1, -1] = torch.as_tensor(sure)
    return images


def metric(*, wide: bool = False, labels: Tensor | None = EVEN, samples: int = 25_000) -> StackedModes:
    test = pictures(torch.tensor([[1, 2, 3], [4, 5, 6]]))
    origin = Dataset(torch.zeros(50, 1, 2, 2), torch.zeros(2, 1, 2, 2), train_labels=labels)
    span = (-1.0, 1.0) if wide else (0.0, 1.0)
    data = Dataset(test, test * 2 - 1 if wide else test, origin=origin, pixel_range=span)
    return StackedModes(Oracle(), data, samples=samples)  # pyright: ignore[reportArgumentType]


def evaluated(*members: Tensor, **options: Any) -> dict[str, list[Any]]:
    return metric(**options)(MetricInput(fake=torch.stack(members)))


def drawn(count: int, seed: int = 1) -> Tensor:  # [count, 3]
    return torch.randint(10, (count, 3), generator=torch.Generator().manual_seed(seed))


def test_one_image_over_and_over_is_one_mode_with_the_exact_divergence() -> None:
    result = evaluated(pictures(torch.tensor([[7, 0, 9]])).expand(25_000, -1, -1, -1))
    assert [result[name] for name in result if name.startswith("modes")] == [[1]] * 8
    hit, rest = 25_001 / 26_000, 1 / 26_000
    assert result["kl"] == [pytest.approx(0.001 * math.log(0.001 / hit) + 0.999 * math.log(0.001 / rest))]
    expected = hit * math.log(hit / 0.001) + 999 * rest * math.log(rest / 0.001)
    assert result["reverse_kl"] == [pytest.approx(expected)]
    assert result["tvd"] == [pytest.approx(hit - 0.001)]


def test_all_thousand_evenly_are_perfect() -> None:
    every = torch.cartesian_prod(*[torch.arange(10)] * 3).repeat(3, 1)
    result = evaluated(pictures(every))
    assert (result["modes"], result["modes_c90_n3"], result["confidence"]) == ([1000], [1000], [1.0])
    for name in ("kl", "reverse_kl", "jsd", "tvd"):
        assert result[name] == [pytest.approx(0.0, abs=1e-12)], name


@pytest.mark.parametrize("count", [300, 1000, 3000])
def test_random_triples_cover_as_many_modes_as_is_expected(count: int) -> None:
    """1000 (1 - (1 - 1/1000)^N) on average; the standard deviation is below 10."""
    members = [pictures(drawn(count, seed)) for seed in range(9)]
    found = evaluated(*members)["modes"]
    assert np.mean(found) == pytest.approx(1000 * (1 - 0.999**count), abs=4 * 10 / 3)


def test_every_column_is_that_of_a_plain_count() -> None:
    """Restated with a dictionary of triples, at digits with unequal shares and any confidence."""
    labels = torch.cat([EVEN, torch.tensor([0, 0, 0, 1, 9])])
    digits, sure = (drawn(800, 5) % 4).unflatten(0, (2, 400)), torch.rand(2, 400, 3)
    result = evaluated(*pictures(digits, 0.7 + 0.3 * sure), labels=labels)
    share = np.bincount(labels.numpy(), minlength=10) / len(labels)
    for member in range(2):
        triples = [tuple(row) for row in digits[member].tolist()]
        surely = (0.7 + 0.3 * sure[member]).double().prod(1).numpy()
        for percent in (0, 20, 50, 90):
            kept = Counter(triple for triple, c in zip(triples, surely, strict=True) if c >= percent / 100)
            for least in (1, 3):
                name = "modes" if (percent, least) == (0, 1) else f"modes_c{percent}_n{least}"
                assert result[name][member] == sum(count >= least for count in kept.values()), name
        kl = tvd = 0.0
        for r in range(10):
            for g in range(10):
                for b in range(10):
                    p, q = share[r] * share[g] * share[b], (triples.count((r, g, b)) + 1) / 1400
                    kl, tvd = kl + p * math.log(p / q), tvd + abs(p - q) / 2
        assert result["kl"][member] == pytest.approx(kl)
        assert result["tvd"][member] == pytest.approx(tvd)
        assert result["confidence"][member] == pytest.approx(surely.mean(), rel=1e-5)
    assert result["modes_c90_n1"] < result["modes_c50_n1"] <= result["modes"]


def test_both_pixel_ranges_give_the_same_numbers() -> None:
    fake = pictures(drawn(500), 0.95)
    unit, wide, wrong = evaluated(fake), evaluated(fake * 2 - 1, wide=True), evaluated(fake, wide=True)
    assert unit == wide
    assert unit["modes"] > wrong["modes"]  # in the wrong range, all digits are from 4 on


def test_channels_are_not_interchangeable() -> None:
    """(1, 2, 3) six ways round are six modes."""
    orders = torch.tensor([[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]])
    assert evaluated(pictures(orders))["modes"] == [6]


def test_images_that_are_not_finite_belong_to_no_mode() -> None:
    fake = pictures(drawn(100))
    broken = fake.clone()
    broken[:, 1] = math.nan
    result = evaluated(fake, broken)
    assert result["modes"][1] == 0
    assert (result["reverse_kl"][0] < math.inf, result["reverse_kl"][1]) == (True, math.inf)
    assert result["confidence"][1] == 0


def test_a_teams_modes_are_shared_out() -> None:
    """Generator 0 makes three modes, one of them less often than generator 1, which has another of its own."""
    digits = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 2], [0, 0, 2], [0, 0, 3]])
    inputs = MetricInput(fake=pictures(digits)[None], owners=torch.tensor([[0, 0, 0, 1, 1, 1]]))
    team = metric()
    result = team(inputs)
    assert set(result) == {column.name for column in team.columns}
    assert (result["modes"], result["modes_by_generator"]) == ([4], [[2, 2]])
    assert (result["best_generator_modes"], result["team_balance"]) == ([3], [1.0])
    assert result["team_overlap"] == [pytest.approx(1 / 3)]
    counts = team.ownership(inputs)
    assert counts.shape == (1, 2, 1000)
    assert counts[0, :, :4].tolist() == [[1, 1, 1, 0], [0, 0, 2, 1]]


def test_the_card_says_by_whom_and_what_real_images_score() -> None:
    card = metric(samples=2)
    assert isinstance(card, Metric)
    assert (card.facts["classifier_accuracy"], card.facts["classifier_sha256"]) == (0.99, "abc")
    real = card.facts["real_images"]
    assert (real["count"], real["modes"], real["confidence"]) == (2, 2, 1.0)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(BadData, match=r"counted by the single digits .* need labels"):
        metric(labels=None)
    with pytest.raises(BadValue, match="expected 1 ≤ samples"):
        metric(samples=0)
    with pytest.raises(BadValue, match=r"these are \[1, 5, 1, 2, 2\]"):
        evaluated(torch.zeros(5, 1, 2, 2))


@pytest.mark.slow
def test_real_digits_are_read_rightly_and_stacked_cover_the_modes_that_their_number_lets_expect(tmp_path: Path) -> None:
    """All through: 5,000 real digits in idx files, stacked, read by the classifier that the task trains."""
    import struct

    from gantlet.data.digits import digits
    from gantlet.data.stacked_mnist import StackedDigits

    real = digits().load()
    for part, images, labels in (("train", real.train, real.train_labels), ("t10k", real.test, real.test_labels)):
        assert labels is not None
        shades = ((real.floats(images) + 1) * 127.5).round().to(torch.uint8).numpy()
        head = bytes([0, 0, 8, 3]) + struct.pack(">III", len(shades), 28, 28)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(head + shades.tobytes())
        head = bytes([0, 0, 8, 1]) + struct.pack(">I", len(shades))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.to(torch.uint8).numpy().tobytes())
    data = StackedDigits(data_path=str(tmp_path), train_size=100, test_size=2000, pixel_range="0..1").load()
    judge = StackedModes.of(data)
    facts = judge.facts
    assert facts["classifier_accuracy"] >= 0.985
    assert facts["classifier"]["validation_accuracy"] >= 0.975
    expected = 1000 * (1 - 0.999**2000)  # 864.8
    assert facts["real_images"]["modes"] == pytest.approx(expected, abs=30)
    flipped = judge(MetricInput(fake=data.test[None].flip(2)))  # blue first: other modes, as many
    assert flipped["modes"][0] == pytest.approx(expected, abs=30)
