"""Devices that are not the CPU, by a double: everything is where it is used, and nothing needs digits that a device lacks."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import terminal
from elsewhere import DEVICE, elsewhere
from gantlet import catalogue, devices
from gantlet.data.base import Dataset
from gantlet.errors import BadValue, Refused
from gantlet.files import cache_folder
from gantlet.metrics.base import MetricInput
from gantlet.metrics.feature_metric import FeaturesMetric
from gantlet.metrics.features.base import ExtractorCard, Features
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.studies.evaluate import evaluate
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.fleets import execution_of
from gantlet.studies.launch import start
from gantlet.studies.plan import Limits, make_plan
from gantlet.studies.store import Store
from gantlet.training import checkpoint, stack
from gantlet.training.batch_loader import BatchLoader
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from gantlet.training.randomness import KeyedRandom
from terminal import resolve
from thinning import leading

CPU = torch.device("cpu")
PARTS = {"vanilla", "wgan-gp"}
"""Methods that are tried at every change."""


@pytest.fixture(autouse=True)
def unknown() -> Generator[None]:
    devices._cuda.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield
    devices._cuda.cache_clear()  # pyright: ignore[reportPrivateUsage]


def fleet(task: str, method: str, *words: str, device: torch.device, route: Any = "stacked") -> tuple[Fleet, Any]:
    (resolved,) = resolve(task, method, "batch_size=16", "steps=12", *words)
    data = resolved.source.load()
    sheet = blueprint([(resolved, 1), (resolved, 2)], data.specification, Execution(route=route, device=device))
    return Fleet(sheet, data), resolved


def nothing(_: object) -> None:
    return None


@pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=() if name in PARTS else pytest.mark.slow) for name in catalogue.names("method")],
)
def test_every_method_trains_without_double_precision(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 the numbers are those of the CPU but for rounding; what is kept lies on the CPU again, and goes on."""
    # The CPU's own form of convolutions rounds otherwise, which Adam makes a whole step where a gradient is zero but for rounding.
    monkeypatch.setattr(stack, "in_turn", nothing)
    images = method in ("began", "ebgan", "ebgan-pt")
    small = ("g_width=8", "d_width=8", "g_depth=1", "d_depth=1", "critic_schedule=constant")
    task, words = ("digits", ()) if images else ("ring8", small)
    here, _ = fleet(task, method, *words, device=CPU)
    for _ in range(2):
        here.advance()
    with elsewhere():
        there, _ = fleet(task, method, *words, device=DEVICE)
        there.advance()
        held = checkpoint.snapshot(there)
        again, _ = fleet(task, method, *words, device=DEVICE)
        checkpoint.restore(again, *held)
        again.advance()
        kept, _ = checkpoint.snapshot(again)
    expected, _ = checkpoint.snapshot(here)
    assert kept.keys() == expected.keys()
    assert all(type(tensor) is torch.Tensor for tensor in kept.values())
    gaps = {name: float((kept[name].double() - expected[name].double()).abs().max()) for name in kept}
    assert max(gaps.values()) < 1e-4, gaps


def test_the_host_reads_one_number_of_an_update_and_none_of_a_static_step() -> None:
    words = ("g_width=8", "d_width=8", "g_depth=1", "d_depth=1")
    read: dict[str, list[str]] = {}
    for route in ("stacked", "static"):
        with elsewhere() as reads:
            trained, _ = fleet("ring8", "vanilla", *words, device=DEVICE, route=route)
            for _ in range(3):
                trained.advance()
            reads.names.clear()
            for _ in range(4):
                trained.advance()
            read[route] = list(reads.names)
    assert read["static"] == []
    assert len(read["stacked"]) == 2 * 4


@dataclass(frozen=True)
class Shelf:
    """A pool that is streamed."""

    images: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        return tuple(self.images.shape[1:])

    def take(self, index: torch.Tensor) -> torch.Tensor:
        return self.images[index]

    def prefetch(self, index: torch.Tensor) -> None:
        """It is all at hand."""


@pytest.mark.parametrize("flips", [False, True])
def test_a_streamed_pool_reaches_the_device(flips: bool) -> None:
    """A batch was moved to a GPU of Nvidia only, and met networks elsewhere as a tensor of the CPU."""
    pool = torch.randint(256, (23, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    streamed = Dataset(pool[:2], pool[:1].float(), streamed=Shelf(pool), flips=flips)
    expected = _loader(streamed, CPU).real(1)
    with elsewhere():
        batch = _loader(streamed, DEVICE).real(1)
        assert batch.device.type == DEVICE.type
        batch = batch.cpu()
    assert torch.equal(batch, expected)


def _loader(dataset: Dataset, device: torch.device) -> BatchLoader:
    return BatchLoader(dataset, KeyedRandom((3, 8, 3), device=device, dtype=torch.float32), batch=5, kind="fixed")


METRICS = {
    "ring8": ("vanilla", "metrics=mixture+two-sample+classification-error", "generators=3"),
    # A classifier of 400 digits, which is trained in a tenth of the time: where it is computed, not how well it reads.
    "digits": (
        "dcgan",
        "metrics=classifier+thumbnails+features:lenet+classification-error",
        *("generators=2", "train_size=400"),
    ),
}


@pytest.mark.parametrize("double", leading([False, True]))
@pytest.mark.parametrize("task", ["ring8", pytest.param("digits", marks=pytest.mark.slow)])
def test_metrics_are_computed_where_samples_are(task: str, double: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the study's device where it has double precision, else on the CPU; the numbers are the CPU's own."""
    method, *words = METRICS[task]
    monkeypatch.setattr(devices, "_SINGLE", () if double else ("mps",))

    def rows(device: torch.device) -> list[dict[str, Any]]:
        made, resolved = fleet(task, method, *words, device=device)
        cache = Cache()
        return evaluate(made, cache.metrics(resolved), cache.dataset(resolved), [0, 1], 60)

    expected = rows(CPU)
    with elsewhere(double=double):
        found = rows(DEVICE)
    assert [row.keys() for row in found] == [row.keys() for row in expected]
    for one, other in zip(found, expected, strict=True):
        for name, value in other.items():
            assert one[name] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


class Rows:
    """An extractor whose features are the pixels, and which says where it read them."""

    card = ExtractorCard("rows", "", None, (0, 255), "none", 48, classes=3)

    def __init__(self, *, any_device: bool) -> None:
        self.any_device, self.where = any_device, set[str]()

    def __call__(self, images: Tensor) -> Features:
        self.where.add(images.device.type)
        flat = images.flatten(1).float() / 255
        return Features(flat, flat[:, :3].softmax(1))


@pytest.mark.parametrize("any_device", [True, False])
def test_features_are_read_and_compared_on_the_device(any_device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real images, too; an extractor that does not say that it can be elsewhere is given images on the CPU."""
    monkeypatch.setattr(devices, "_SINGLE", ())
    test, train = torch.randint(0, 256, (2, 40, 3, 4, 4), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    fake = torch.rand(2, 40, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 2 - 1
    expected = FeaturesMetric(Rows(any_device=True), test, train, samples=40)(MetricInput(fake=fake))
    extractor = Rows(any_device=any_device)
    shutil.rmtree(cache_folder("features"))
    with elsewhere(double=True) as reads:
        found = FeaturesMetric(extractor, test, train, samples=40)(MetricInput(fake=fake.to(DEVICE)))
    assert extractor.where == {DEVICE.type if any_device else "cpu"}
    assert len(found) > 12
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-9, nan_ok=True), name
    kept = reads.names.count(
        "to cpu"
    )  # features of both real sides for the cache, and the classes' counts of the fakes
    assert kept <= 12 if any_device else kept > 4


def test_a_study_without_double_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From planning to the table; it resumes and replays there, and its numbers are the CPU's but for rounding."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with elsewhere():
        there = terminal.study(tmp_path / "there", "vanilla", seeds="2", device="mps", executor="inline")
        assert "equal bit for bit" in terminal.gantlet("replay", there.folder, 1).out
    here = terminal.study(tmp_path / "here", "vanilla", seeds="2", device="cpu", executor="inline")
    record = there.record()
    assert (record.execution.device, [fleet.route for fleet in record.plan.fleets]) == ("mps", ["stacked"])
    one, other = (checkpoint.read(store.checkpoint("0000"))[0] for store in (there, here))
    assert max(float((one[name].double() - other[name].double()).abs().max()) for name in other) < 1e-5
    results = [terminal.results(store) for store in (there, here)]
    assert [row["modes"] for row in results[0].values()] == [row["modes"] for row in results[1].values()]


def test_what_a_gpu_of_apple_cannot_do_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadValue, match="--device mps was asked for, but torch sees no GPU of Apple here"):
        terminal.planned(tmp_path / "a", "vanilla", device="mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(Refused, match="dtype=float64 needs double precision, which mps does not have"):
        terminal.planned(tmp_path / "b", "vanilla", "dtype=float64", device="mps")
    with (
        elsewhere(),
        pytest.raises(BadValue, match="records steps on a GPU of Nvidia or on a CPU, and the device is mps"),
    ):
        terminal.planned(tmp_path / "c", "vanilla", route="captured", device="mps")


def warned(words: str) -> Any:
    def available() -> bool:
        warnings.warn(words, UserWarning, stacklevel=2)
        return False

    return available


OLD = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL"
)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            OLD,
            "--device cuda was asked for, but the driver of the GPU, which knows CUDA up to 11.4, is too old for this torch",
        ),
        (
            "CUDA initialization: CUDA driver initialization failed",
            "CUDA cannot be used .CUDA initialization: .* look after",
        ),
    ],
)
def test_a_driver_that_does_not_do_is_named(words: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", warned(words))
    with pytest.raises(BadValue, match=sentence):
        devices.choose_device("cuda")


def test_auto_says_why_it_takes_the_cpu_although_there_is_a_gpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", warned(OLD))
    assert devices.choose_device("auto") == CPU
    assert "note: the CPU is used: the driver of the GPU" in caplog.text


def flags() -> tuple[Any, ...]:
    cudnn: Any = torch.backends.cudnn
    fills: Any = torch.utils.deterministic
    return (
        *(cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, torch.get_float32_matmul_precision()),
        torch.are_deterministic_algorithms_enabled(),
        fills.fill_uninitialized_memory,
    )


@pytest.mark.parametrize("tf32", [False, True])
def test_a_gpu_computes_by_kernels_that_give_the_same_bits(tf32: bool) -> None:
    """In training, replay and evaluation alike; nothing of it is left behind, and nothing is set for a CPU."""
    before = flags()
    with devices.arithmetic(torch.device("cuda"), tf32=tf32):
        assert flags() == (True, False, tf32, "high" if tf32 else "highest", True, False)
    assert flags() == before
    with devices.arithmetic(CPU, tf32=tf32):
        assert flags() == before


def test_products_of_a_gpu_have_a_workspace_of_a_fixed_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it cuBLAS may sum in another order from run to run; workers inherit it, and a user's own choice stays."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for given, expected in (("", ":4096:8"), (":16:8", ":16:8")):
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
        if given:
            monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", given)
        assert devices.choose_device("cuda") == torch.device("cuda")
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == expected


def test_what_a_gpu_trained_in_its_own_arithmetic_is_built_on_a_cpu() -> None:
    """As by load, GAN.sample and the plan of a cluster's study; only to be trained there it is refused."""
    (resolved,) = resolve("ring8", "vanilla", "dtype=tf32")
    data = resolved.source.load().specification
    assert blueprint([(resolved, 1)], data, Execution(), to_train=False).execution.tf32
    assert blueprint([(resolved, 1)], data, Execution(), elsewhere=True).execution.tf32
    with pytest.raises(Refused, match="the device is cpu"):
        blueprint([(resolved, 1)], data, Execution())


def test_a_cluster_without_a_gpu_here_plans_the_arithmetic_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (resolved,) = resolve("ring8", "vanilla", "dtype=tf32")
    sample = resolved.source.load().specification
    plan = make_plan([resolved], [1, 2], [sample], Limits(device=torch.device("cuda"), memory=1 << 34))
    assert [len(fleet.slots) for fleet in plan.fleets] == [2]


def test_a_process_of_a_cluster_asks_for_the_same_bits_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It trains what is on record, and chooses no device."""
    start(terminal.planned(tmp_path / "study", "vanilla"), executor=FakeExecutor())
    record = Store(tmp_path / "study").record()
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that what is set below is undone
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    for device, config in (("cpu", None), ("cuda", ":4096:8")):
        on = record.model_copy(update={"execution": record.execution.model_copy(update={"device": device})})
        assert execution_of(on, on.plan.fleets[0]).device.type == device
        assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == config
