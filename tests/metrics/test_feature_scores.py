"""Scores on features: names, intervals, and the failures that a generative model can have."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gantlet.errors import BadValue, TooFewSamples, UnknownName
from gantlet.metrics.feature_scores import SCORES, FeatureScore, Reference, Scoring, available, check_scores, score_name
from gantlet.metrics.features.base import ExtractorCard, Features

MODES, COUNT, DIMENSION = 5, 1500, 8
CARD = ExtractorCard("nets.py:Tiny", "0" * 64, None, (0, 1), "none", DIMENSION, classes=MODES)
CENTRES = torch.nn.functional.normalize(torch.randn(MODES, DIMENSION, generator=torch.Generator().manual_seed(7))) * 4


def read(x: Tensor) -> Features:
    """The points themselves, and the classes of a Gaussian classifier."""
    return Features(x, (-torch.cdist(x, CENTRES).square()).softmax(1))


def mixture(seed: int, count: int = COUNT, modes: int = MODES) -> Tensor:
    """Well apart modes around the origin."""
    numbers = torch.Generator().manual_seed(seed)
    owners = torch.randint(modes, (count,), generator=numbers)
    return CENTRES[owners] + 0.5 * torch.randn(count, DIMENSION, generator=numbers)


REAL, TRAIN, GOOD = mixture(1), mixture(2), mixture(3)
REFERENCE = Reference(read(REAL), read(TRAIN))


def spoilt(kind: str) -> Tensor:
    numbers = torch.Generator().manual_seed(5)
    if kind == "mode dropped":
        return mixture(3, modes=MODES - 1)
    if kind == "mode doubled":
        return torch.cat([mixture(3, COUNT * 2 // 3), mixture(4, COUNT - COUNT * 2 // 3, modes=1)])
    if kind == "blurred":  # less variety around each mode, as averages of samples have
        owners = torch.cdist(GOOD, CENTRES).argmin(1)
        return CENTRES[owners] + 0.3 * (GOOD - CENTRES[owners])
    if kind == "memorised":
        return TRAIN[torch.randint(400, (COUNT,), generator=numbers)] + 1e-3 * torch.randn(
            COUNT, DIMENSION, generator=numbers
        )
    return 3 * torch.randn(COUNT, DIMENSION, generator=numbers)


def scored(fake: Tensor, *, intervals: bool = True) -> dict[str, FeatureScore]:
    scoring = Scoring(REFERENCE, read(fake), intervals=intervals)
    return scoring.scores(available(CARD, train=True))


@pytest.fixture(scope="module")
def good() -> dict[str, FeatureScore]:
    return scored(GOOD)


WORSE = {
    "mode dropped": ["fd", "kid", "mmd", "recall", "coverage", "class_coverage", "class_tvd"],
    "mode doubled": ["fd", "kid", "mmd", "class_tvd"],
    "blurred": ["fd", "recall", "coverage", "duplicates"],
    "memorised": ["memorisation", "authenticity", "duplicates", "coverage"],
    "noise": ["fd", "kid", "mmd", "precision", "density", "coverage"],
}


@pytest.mark.parametrize("kind", WORSE)
def test_failures_move_scores_the_right_way_by_more_than_their_intervals(
    kind: str, good: dict[str, FeatureScore]
) -> None:
    bad = scored(spoilt(kind))
    for name in WORSE[kind]:
        if SCORES[name].better == "lower":
            assert bad[name].low > good[name].high, (name, bad[name], good[name])
        else:
            assert bad[name].high < good[name].low, (name, bad[name], good[name])


def test_every_score_is_moved_by_some_failure() -> None:
    assert {name for names in WORSE.values() for name in names} == set(SCORES) - {"inception_score"}


def test_the_inception_score_falls_without_a_mode(good: dict[str, FeatureScore]) -> None:
    assert scored(spoilt("mode dropped"))["inception_score"].high < good["inception_score"].low
    assert 4.5 < good["inception_score"].value <= MODES


def test_what_a_blurred_sample_does_not_lose() -> None:
    """Precision alone praises averages: it has to be read beside recall."""
    assert scored(spoilt("blurred"), intervals=False)["precision"].value > 0.95


def test_good_samples_are_at_the_floor_and_intervals_hold_their_value(good: dict[str, FeatureScore]) -> None:
    floor = scored(mixture(11))
    for name, score in good.items():
        assert score.low <= score.value <= score.high, name
        assert score.low <= floor[name].high, name
        assert floor[name].low <= score.high, name
    assert good["memorisation"].low < 0.5 < good["memorisation"].high
    assert scored(GOOD, intervals=False)["fd"].value == pytest.approx(good["fd"].value)


def test_names_are_the_field_s_only_on_the_field_s_network() -> None:
    fid = replace(CARD, name="inception-2015", standard=("fid", "kid", "inception_score"))
    assert [score_name(name, fid) for name in ("fd", "kid", "inception_score", "precision")] == [
        "fid",
        "kid",
        "inception_score",
        "precision_inception-2015",
    ]
    assert [score_name(name, CARD) for name in ("fd", "inception_score")] == ["fd_Tiny", "is_Tiny"]
    assert check_scores(["fid"], fid, train=False) == ["fid"]
    with pytest.raises(
        BadValue, match=r"FID is the Fréchet distance on inception-2015 alone; on nets.py:Tiny ask for fd"
    ):
        check_scores(["fid"], CARD, train=False)


def test_what_cannot_be_scored_is_a_sentence() -> None:
    bare = replace(CARD, classes=0)
    with pytest.raises(UnknownName, match="Did you mean 'precision'"):
        check_scores(["precison"], CARD, train=False)
    with pytest.raises(BadValue, match=r"'memorisation' needs training images \(--train\)"):
        check_scores(["memorisation"], CARD, train=False)
    with pytest.raises(BadValue, match="'class_tvd' needs an extractor that has classes"):
        check_scores(["class_tvd"], bare, train=False)
    assert check_scores([], bare, train=False) == available(bare, train=False)
    with pytest.raises(BadValue, match="these have 8 and 3 features"):
        Scoring(Reference(read(REAL)), Features(torch.zeros(30, 3)))
    with pytest.raises(TooFewSamples, match="at least 20 samples of each side; there are 19"):
        Scoring(Reference(read(REAL[:19])), read(GOOD))
    lonely = Scoring(Reference(Features(REAL)), Features(GOOD))
    with pytest.raises(BadValue, match="not given"):
        lonely.scores(["authenticity"])
    with pytest.raises(BadValue, match="has classes"):
        lonely.scores(["class_coverage"])
    with pytest.raises(UnknownName):
        lonely.scores(["beauty"])
