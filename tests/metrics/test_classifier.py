"""The classifier: same arguments, same weights; nothing of the test set in it; and a cache that cannot mislead."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gantlet.errors import BadData, BadValue
from gantlet.metrics import classifier as module
from gantlet.metrics import lenet
from gantlet.metrics.cache import weights_digest
from gantlet.metrics.classifier import Classifier, train_classifier
from gantlet.metrics.lenet import ClassifierRecipe, LeNet, accuracy_of, fit


def blobs(n: int, seed: int) -> tuple[Tensor, Tensor]:  # [n, 1, 28, 28] in [-1, 1], [n]
    """Three classes: a bright square on the left, in the middle or on the right, at any height, under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n,), generator=generator)
    heights = torch.randint(4, 16, (n,), generator=generator)
    axis = torch.arange(28)
    across = (axis - (3 + 8 * labels[:, None])).clamp(-1, 6).remainder(7).lt(6)  # [n, 28]
    down = (axis - heights[:, None]).clamp(-1, 8).remainder(9).lt(8)
    images = 2.0 * (across[:, None, :] & down[:, :, None]) - 1
    noise = 0.2 * torch.randn(n, 28, 28, generator=generator)
    return (images + noise).clamp(-1, 1)[:, None], labels


TRAIN, TEST = blobs(40, 1), blobs(30, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "gantlet" / "classifiers"


def train(data: tuple[Tensor, Tensor] = TRAIN, test: tuple[Tensor, Tensor] = TEST, seed: int = 1) -> Classifier:
    return train_classifier(*data, test=test[0], test_labels=test[1], seed=seed, epochs=2)


def test_it_learns_and_says_how_well(folder: Path) -> None:
    data, test = blobs(250, 1), blobs(100, 2)
    judge = train_classifier(*data, test=test[0], test_labels=test[1], epochs=12)
    named = judge.probabilities(test[0]).argmax(1)
    assert judge.accuracy == (named == test[1]).double().mean().item()
    assert judge.accuracy > 0.9


def test_the_same_arguments_give_the_same_weights_and_others_do_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_classifier", lambda key, net: None)
    first, again, other = train(), train(), train(seed=2)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.card == again.card


def test_the_test_images_do_not_touch_the_weights(folder: Path) -> None:
    """Chosen on the test set, the epoch would differ once every test label is wrong."""
    honest, misled = train(), train(test=(TEST[0], (TEST[1] + 1) % 3))
    assert honest.fingerprint == misled.fingerprint
    assert honest.accuracy != misled.accuracy


def test_the_epoch_is_chosen_by_images_that_are_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of epoch e have accuracy e: the best stays, and the last of two equals."""
    scores = iter([0.2, 0.7, 0.7, 0.1])
    seen: list[tuple[int, Tensor]] = []

    def judged(net: LeNet, images: Tensor, labels: Tensor) -> float:
        seen.append((len(images), net.head[1].weight.detach().clone()))
        return next(scores)

    monkeypatch.setattr(lenet, "accuracy_of", judged)
    net = LeNet(3)
    assert fit(net, *TRAIN, ClassifierRecipe(epochs=4)) == 0.7
    assert [count for count, _ in seen] == [4] * 4
    assert torch.equal(net.head[1].weight, seen[2][1])
    assert not torch.equal(seen[2][1], seen[1][1])


def test_torch_is_left_as_it_was(folder: Path) -> None:
    torch.manual_seed(5)
    expected, threads = torch.rand(3), torch.get_num_threads()
    torch.manual_seed(5)
    for _ in ("trained", "from the cache"):
        train()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_the_thread_count_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load_classifier", lambda key, net: None)
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(train().fingerprint)
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_the_cache_answers_the_second_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = train()
    files = sorted(path.suffix for path in folder.iterdir())
    assert files == [".json", ".safetensors"]  # and no temporary file

    def refuse(*_: object) -> float:
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "fit", refuse)
    again = train()
    assert again.card == first.card
    assert torch.equal(again.features(TEST[0]), first.features(TEST[0]))
    with pytest.raises(AssertionError, match="trained again"):
        train((TRAIN[0], TRAIN[1].flip(0)))


def damage_card(folder: Path) -> None:
    next(folder.glob("*.json")).write_text("{", encoding="utf-8")


def drop_card(folder: Path) -> None:
    next(folder.glob("*.json")).unlink()


def other_card(folder: Path) -> None:
    next(folder.glob("*.json")).write_text('{"classifier": {"accuracy": 1.0}}', encoding="utf-8")


def cut_weights(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:1000])


def flip_weights(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [damage_card, drop_card, other_card, cut_weights, flip_weights])
def test_what_the_cache_cannot_vouch_for_is_made_anew(folder: Path, harm: Callable[[Path], None]) -> None:
    first = train()
    harm(folder)
    again = train()
    assert again.card == first.card
    assert weights_digest(again.net.state_dict().values()) == first.fingerprint
    card = json.loads(next(folder.glob("*.json")).read_text(encoding="utf-8"))
    assert card["classifier"]["fingerprint"] == first.fingerprint


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert train().card == train().card


def test_a_relative_cache_folder_counts_as_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    train()
    assert len(list((tmp_path / ".cache" / "gantlet" / "classifiers").iterdir())) == 2
    assert not (tmp_path / "relative").exists()


def test_probabilities_are_the_softmax_of_the_last_layer_on_the_features(folder: Path) -> None:
    judge = train()
    features, probabilities = judge.read(TEST[0])
    weight, bias = judge.net.head[1].weight, judge.net.head[1].bias
    assert features.shape == (30, 84)
    torch.testing.assert_close(probabilities, (features @ weight.T + bias).softmax(1))
    assert torch.equal(judge.features(TEST[0]), features)  # no dropout
    assert judge.facts["fingerprint"] == judge.fingerprint == weights_digest(judge.net.state_dict().values())


def test_the_network_has_the_published_number_of_parameters() -> None:
    assert sum(parameter.numel() for parameter in LeNet(10).parameters()) == 61_706


def test_warping_by_nothing_is_the_identity_and_fills_with_background() -> None:
    generator = torch.Generator().manual_seed(1)
    images, _ = blobs(5, 1)
    still = lenet._warped(images, generator, ClassifierRecipe(warp=0.0, shift=0.0))
    torch.testing.assert_close(still, images, atol=1e-5, rtol=0)
    empty = lenet._warped(torch.full((50, 1, 28, 28), -1.0), generator, ClassifierRecipe(warp=0.5, shift=0.9))
    assert (empty == -1).all()


def test_warping_moves_by_at_most_the_shift() -> None:
    """A dot moves by up to 0.25 of half the width: 3.5 pixels, in both directions, and keeps its mass."""
    image = torch.full((400, 1, 28, 28), -1.0)
    image[:, :, 13:15, 13:15] = 1.0
    moved = lenet._warped(image, torch.Generator().manual_seed(1), ClassifierRecipe(warp=0.0, shift=0.25)) + 1
    mass = moved.sum((1, 2, 3))
    torch.testing.assert_close(mass, torch.full((400,), 8.0), atol=1e-3, rtol=0)
    offset = (moved.sum((1, 2)) * (torch.arange(28.0) - 13.5)).sum(1) / mass
    assert -3.51 < offset.min() < -3.2
    assert 3.2 < offset.max() < 3.51


def test_accuracy_is_counted() -> None:
    net = LeNet(3)
    with torch.no_grad():
        net.head[1].weight.zero_()
        net.head[1].bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    images, labels = blobs(60, 3)
    assert accuracy_of(net, images, labels) == (labels == 1).double().mean().item()


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        pytest.param(torch.zeros(50, 3, 28, 28), torch.zeros(50).long(), r"these have \[50, 3, 28, 28\]", id="colour"),
        pytest.param(torch.zeros(50, 784), torch.zeros(50).long(), r"these have \[50, 784\]", id="flat"),
        pytest.param(
            torch.zeros(50, 1, 28, 28), torch.zeros(49).long(), r"not torch.int64 of shape \[49\]", id="too few labels"
        ),
        pytest.param(torch.zeros(50, 1, 28, 28), torch.zeros(50), "float32", id="labels that are no classes"),
        pytest.param(torch.zeros(50, 1, 28, 28), -torch.ones(50).long(), "whole numbers from 0", id="negative"),
        pytest.param(torch.zeros(19, 1, 28, 28), torch.zeros(19).long(), "19 images; give at least 20", id="few"),
    ],
)
def test_data_that_cannot_be_learned_are_refused(images: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(BadData, match=message):
        train_classifier(images, labels, test=TEST[0], test_labels=TEST[1])


EARLIER = ClassifierRecipe(
    epochs=1,
    batch=18,
    peak_rate=1e-2,
    weight_decay=0.5,
    warp=0.0,
    shift=0.0,
    pooling="max",
    activation="tanh",
    dropout=0.0,
    optimiser="sgd",
    schedule="constant",
)
"""Every option of the earlier program's classifier, another value than the default."""


def test_the_options_of_the_earlier_classifier_do_what_they_say() -> None:
    """Max pooling, tanh, plain SGD at a constant rate with L2: two steps of an epoch, restated."""
    images, labels = TRAIN  # 40: 4 held back, two batches of 18
    torch.manual_seed(0)
    net, mine = LeNet(3, EARLIER), LeNet(3, EARLIER)
    mine.load_state_dict(net.state_dict())
    weights = dict(mine.named_parameters())
    names = [name.removesuffix(".weight") for name in weights if name.endswith("weight")]
    generator = torch.Generator().manual_seed(EARLIER.seed)
    rest = torch.randperm(40, generator=generator)[4:]
    order = rest[torch.randperm(36, generator=generator)]

    def forward(x: Tensor) -> Tensor:
        for index, name in enumerate(names):
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            if index < 2:
                x = torch.nn.functional.conv2d(x, weight, bias, padding=2 if index == 0 else 0)
                x = torch.nn.functional.max_pool2d(x.tanh(), 2)
            else:
                x = torch.nn.functional.linear(x.flatten(1), weight, bias)
                x = x.tanh() if index < 4 else x
        return x

    for part in order.split(18):
        loss = torch.nn.functional.cross_entropy(forward((images[part] + 1) / 2), labels[part])
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            for weight, gradient in zip(weights.values(), gradients, strict=True):
                weight.sub_(1e-2 * (gradient + 0.5 * weight))
    fit(net, images, labels, EARLIER)
    for name, value in net.named_parameters():
        torch.testing.assert_close(value, weights[name], rtol=0, atol=1e-6)
    assert LeNet(3, ClassifierRecipe(dropout=0.4)).body[7].p == 0.4


def test_recipes_have_keys_of_their_own_and_old_ones_stay(folder: Path) -> None:
    assert set(ClassifierRecipe().described()) == {
        *("seed", "epochs", "batch", "peak_rate", "weight_decay", "warp", "shift", "held_back", "version")
    }
    one, other = (
        train_classifier(*TRAIN, test=TEST[0], test_labels=TEST[1], recipe=recipe)
        for recipe in (EARLIER, replace(EARLIER, pooling="average"))
    )
    assert one.fingerprint != other.fingerprint
    assert len(list(folder.iterdir())) >= 2
    assert one.facts["recipe"]["optimiser"] == "sgd"


@pytest.mark.parametrize(
    "wrong", [{"dropout": 1.0}, {"optimiser": "rmsprop"}, {"pooling": "min"}, {"held_back": 0.0}, {"peak_rate": -1.0}]
)
def test_a_wrong_recipe_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=f"{next(iter(wrong))}=.* expected"):
        ClassifierRecipe(**wrong)
