"""Pictures as a data set: prepared once, split by their parts, held as 8-bit or streamed with the same batches."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gantlet import files
from gantlet.data import prepared_cache
from gantlet.data.base import Dataset, Source
from gantlet.data.images import ImageSource
from gantlet.data.prepared import PAGE, PreparedSet
from gantlet.data.stream import Stream
from gantlet.errors import BadData, BadValue, StoreError
from gantlet.settings import settings_of
from gantlet.training.batch_loader import BatchLoader
from gantlet.training.randomness import KeyedRandom
from image_fixtures import FixtureReader, picture


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and the current folder beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    FixtureReader.reads.clear()
    return tmp_path / "cache" / "gantlet" / "images"


def source(path: str = "40,classes=3", **more: Any) -> ImageSource:
    return ImageSource(data_path=path, reader="image_fixtures:FixtureReader", **{"size": "6x8", **more})


def which(pixels: torch.Tensor) -> list[int]:
    """The places of the image_fixtures from which 8-bit pictures ``[n, 3, 6, 8]`` came."""
    known = {picture(place).transpose(2, 0, 1).tobytes(): place for place in range(200)}
    return [known[one.numpy().tobytes()] for one in pixels]


def as_bytes(data: Dataset) -> torch.Tensor:
    return ((data.test + 1) * 127.5).round().to(torch.uint8)


def test_pictures_are_split_and_keep_their_classes() -> None:
    assert isinstance(source(), Source)
    data = source().load()
    train, test = which(data.train), which(as_bytes(data))
    assert (len(train), len(test)) == (32, 8)
    assert sorted(train + test) == list(range(40))
    assert data.train_labels is not None
    assert data.test_labels is not None
    assert data.train_labels.tolist() == [place % 3 for place in train]
    assert data.test_labels.tolist() == [place % 3 for place in test]
    assert which(source(data_seed=2).load().train) != train
    assert data.classes == data.specification.classes == ("class0", "class1", "class2")
    assert json.loads(json.dumps(dict(data.facts)))["class_names"] == ["class0", "class1", "class2"]


def test_the_parts_of_the_source_are_kept() -> None:
    data = source("30,parts").load()
    assert which(as_bytes(data)) == list(range(1, 30, 3))
    assert sorted(which(data.train)) == [place for place in range(30) if place % 3 != 1]
    assert data.train_labels is None


def test_smaller_pools_are_drawn_from_the_whole_and_not_from_its_start() -> None:
    data = source("200,classes=4", train_size=40, test_size=10).load()
    train = which(data.train)
    assert (len(train), len(data.test)) == (40, 10)
    assert train == sorted(train)
    assert train[-1] > 100
    with pytest.raises(BadData, match="train_size=33 images were asked for, and there are 32"):
        source(train_size=33).load()


def test_a_source_is_prepared_once_and_again_when_it_changes(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "40,classes=3").write_text("one")
    source().load()
    assert len(FixtureReader.reads) == 40
    source(data_seed=5, in_memory="false", train_size=20).load()
    assert len(FixtureReader.reads) == 40, "the split and the memory are no part of what is prepared"
    source(size="6").load()
    assert len(FixtureReader.reads) == 80
    (tmp_path / "40,classes=3").write_text("another")
    source().load()
    assert len(FixtureReader.reads) == 120
    assert len([folder for folder in cache.iterdir() if folder.is_dir()]) == 3


def test_a_folder_that_changes_inside_is_prepared_again(tmp_path: Path) -> None:
    folder = tmp_path / "40"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.png").write_bytes(b"one")
    source("40").load()
    os.utime(folder / "a" / "1.png", ns=(1, 1))
    source("40").load()
    assert len(FixtureReader.reads) == 80


def test_another_file_of_the_same_size_and_time_is_read(tmp_path: Path) -> None:
    """As an archive whose files all have one time leaves it, or ``cp -p``."""
    image = tmp_path / "40" / "a" / "1.png"
    image.parent.mkdir(parents=True)
    for content in (b"one", b"two"):
        image.write_bytes(content)
        os.utime(image, ns=(1, 1))
        source("40").load()
    assert len(FixtureReader.reads) == 80


def test_a_prepared_folder_is_taken_as_it_is(tmp_path: Path, cache: Path) -> None:
    whole = source().prepared()
    whole.folder.rename(tmp_path / "mine")
    FixtureReader.reads.clear()
    data = ImageSource(data_path=str(tmp_path / "mine"), reader="folder", size="999").load()
    assert data.shape == (3, 6, 8)
    assert not FixtureReader.reads
    assert data.train.equal(source().load().train)


@pytest.mark.parametrize("flips", [False, True])
def test_memory_and_stream_give_the_same_data_set(flips: bool) -> None:
    resident, streamed = source(flips=flips).load(), source(in_memory="false", flips=flips).load()
    assert resident.streamed is None
    assert isinstance(streamed.streamed, Stream)
    assert resident.size == streamed.size == 32
    assert resident.test.equal(streamed.test)
    feeds = [
        BatchLoader(data, KeyedRandom((1, 2), device=torch.device("cpu"), dtype=torch.float32), batch=7, kind="fixed")
        for data in (resident, streamed)
    ]
    for update in range(10):
        assert feeds[0].real(update).equal(feeds[1].real(update))
    assert (resident.facts["in_memory"], streamed.facts["in_memory"]) == (True, False)


def test_a_large_pool_is_streamed_and_keeps_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.data.images._IN_MEMORY", 31 * 144)
    monkeypatch.setattr("gantlet.data.images._SAMPLE", 5)
    data = source().load()
    assert isinstance(data.streamed, Stream)
    assert (len(data.train), data.size) == (5, 32)
    assert source(in_memory="true").load().streamed is None


@pytest.mark.parametrize(("given", "value"), [(True, "true"), (False, "false"), ("auto", "auto")])
def test_in_memory_is_given_as_a_word_or_a_truth_value(given: object, value: str) -> None:
    assert settings_of(ImageSource)["in_memory"].parse(given) == value
    with pytest.raises(BadValue, match="in_memory=maybe is not one of auto, true, false"):
        settings_of(ImageSource)["in_memory"].parse("maybe")


def test_a_named_set_is_resized_as_its_card_says() -> None:
    faces = ImageSource.of("celeba")
    assert (faces.size, faces.center_crop, faces.colour, faces.card) == ("64", 128, "rgb", "celeba")
    assert ImageSource.of("mnist").colour == "grey"
    assert ImageSource.of("lsun-classroom", size="64").size == "64"


def test_unreadable_pictures_are_counted_in_the_facts() -> None:
    with pytest.raises(BadData, match="raise max_corrupt"):
        source("40,bad=7").load()
    data = source("40,bad=7", max_corrupt=0.05).load()
    assert data.facts["bad"] == 1
    assert data.size + len(data.test) == 39


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"size": "big"}, "size=big is not understood: give one side in pixels, or HEIGHTxWIDTH"),
        ({"size": "2"}, "sides of 4 to 1024"),
        ({"size": "64x4096"}, "sides of 4 to 1024"),
        ({"background": "whitish"}, "background=whitish is not a colour"),
    ],
)
def test_what_cannot_be_understood_is_said(more: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValue, match=words):
        source(**more).load()


def test_grey_and_coloured_grounds_reach_the_pixels() -> None:
    data = source(colour="grey").load()
    assert data.shape == (1, 6, 8)
    wide = source(size="16x8", resize="pad", background="#102030").load()
    corner = wide.train[:, :, 0, 0]
    assert corner.equal(torch.tensor([16, 32, 48], dtype=torch.uint8).expand(32, 3))


def test_too_few_pictures_are_an_error() -> None:
    with pytest.raises(BadData, match=r"^image_fixtures:FixtureReader: .*/3 holds too few samples: 3"):
        source("3").load()


def test_the_set_of_the_cache_is_whole_or_absent(cache: Path) -> None:
    with pytest.raises(BadData, match="cannot be read"):
        source("10,bad=1+2").load()
    assert not list(cache.rglob(PAGE))
    assert isinstance(source("10").prepared(), PreparedSet)
    assert len(list(cache.rglob(PAGE))) == 1


@pytest.mark.slow
def test_processes_that_prepare_at_once_wait_for_each_other(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from gantlet.data.images import ImageSource; from image_fixtures import FixtureReader;"
        "n = len(ImageSource(data_path='3000', reader='image_fixtures:FixtureReader', size='6x8').prepared()); print(n, len(FixtureReader.reads))"
    )
    tests = str(Path(__file__).parent.parent)
    workers = [
        subprocess.Popen([sys.executable, "-c", program, tests], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = sorted(worker.communicate()[0].split() for worker in workers)
    assert outputs == [["3000", "0"], ["3000", "3000"]]


def zip_of_pngs(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("train", "test"):
            for place in range(6):
                stream = io.BytesIO()
                Image.fromarray(picture(place)).save(stream, "PNG")
                archive.writestr(f"{part}/{'cat' if place % 2 else 'dog'}/{place}.png", stream.getvalue())
    return path


def test_a_named_set_may_lie_there_as_plain_pictures(tmp_path: Path) -> None:
    zip_of_pngs(tmp_path / "mine.zip")
    data = ImageSource(card="cifar10", data_path=str(tmp_path / "mine.zip"), size="6x8").load()
    assert which(data.train) == [1, 3, 5, 0, 2, 4]
    assert data.facts["class_names"] == ["cat", "dog"]
    assert data.facts["source"].startswith("cifar10: ")


def idx_folder(folder: Path, *parts: str) -> str:
    """MNIST's files, of 40 images each."""
    folder.mkdir()
    for part in parts:
        pixels = np.random.default_rng(len(part)).integers(0, 256, (40, 28, 28), dtype=np.uint8)
        head = bytes([0, 0, 8, 3]) + struct.pack(">3I", *pixels.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
    return str(folder)


def test_of_a_named_set_the_test_part_alone_is_never_trained_on(tmp_path: Path) -> None:
    alone = idx_folder(tmp_path / "alone", "t10k")
    with pytest.raises(
        BadData, match=r"alone holds only the test part of 'mnist' \(40 images\); get the training part too"
    ):
        ImageSource.of("mnist", data_path=alone, size="native").load()
    assert ImageSource(reader="idx", data_path=alone, size="28").load().size == 32, "it is nobody's test part"
    train = ImageSource.of("mnist", data_path=idx_folder(tmp_path / "train", "train"), size="native").load()
    assert (train.size, len(train.test)) == (32, 8)
    both = ImageSource.of("mnist", data_path=idx_folder(tmp_path / "both", "train", "t10k"), size="native").load()
    assert (both.size, len(both.test)) == (40, 40)


def test_a_named_set_that_is_nowhere_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "data"))
    with pytest.raises(BadData, match="`gantlet data download cifar10`"):
        ImageSource(card="cifar10").load()


def test_an_address_is_no_place_of_pictures() -> None:
    with pytest.raises(BadData, match=r"is an address; .*`gantlet data download --urls"):
        ImageSource(reader="shards", data_path="https://example.org/a.tar").load()


def keys(reader: str, path: str, locks: set[Path]) -> int:
    """How many sets the cache was asked for, this one included: each has a lock of its own."""
    with suppress(BadData):
        ImageSource(reader=reader, data_path=path, size="8", max_corrupt=1).load()
    return len(locks)


def touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def test_a_change_is_seen_wherever_the_source_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks: set[Path] = set()

    def locked(path: Path, *, advice: str) -> AbstractContextManager[object]:
        locks.add(path)
        return files.locked(path, advice=advice)

    monkeypatch.setattr(prepared_cache, "locked", locked)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "faces").mkdir()
    (tmp_path / "idx").mkdir()
    (tmp_path / "faces" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "list_eval_partition.txt").write_text("1.png 0")
    (tmp_path / "shards.txt").write_text("a-0.tar\na-1.tar\n")
    idx = "idx/emnist-balanced-train-images-idx3-ubyte"
    for name in ("elsewhere/deep/1.png", "a-0.tar", "a-1.tar", "faces/.DS_Store", idx):
        (tmp_path / name).write_bytes(b"one")
    for reader, path, part in (
        ("folder", "faces", "elsewhere/deep/1.png"),
        ("celeba", "faces", "list_eval_partition.txt"),
        ("shards", "a-{0..1}.tar", "a-1.tar"),
        ("shards", "shards.txt", "a-0.tar"),
        ("idx", "idx/emnist-balanced", idx),
    ):
        before = keys(reader, path, locks)
        assert keys(reader, path, locks) == before
        touched(tmp_path / part)
        assert keys(reader, path, locks) == before + 1, (reader, path)
    known = keys("folder", "faces", locks)
    touched(tmp_path / "faces" / ".DS_Store")
    assert keys("folder", "faces", locks) == known, "what no reader takes"


def test_a_cache_that_cannot_be_made_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"cannot be written: .*Set XDG_CACHE_HOME"):
        source("10").load()


def test_a_named_set_that_is_damaged_is_not_taken_for_plain_pictures(tmp_path: Path) -> None:
    faces = tmp_path / "celeba" / "img_align_celeba"
    faces.mkdir(parents=True)
    for place in range(12):
        Image.fromarray(picture(place)).save(faces / f"{place}.png")
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("".join(f"{place}.png 0\n" for place in range(9)))
    with pytest.raises(BadData, match="disagree: of 12 images 3 are not listed"):
        ImageSource(card="celeba", data_path=str(tmp_path / "celeba"), size="6x8").load()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(BadData, match="There is no list_eval_partition"):
        ImageSource(card="celeba", data_path=str(tmp_path / "empty"), size="6x8").load()
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text(
        "".join(f"{place}.png {2 * (place > 8)}\n" for place in range(12))
    )
    with pytest.raises(BadData, match=r"split=all: .*validation images"):
        ImageSource(card="celeba", data_path=str(tmp_path / "celeba"), size="6x8", split="all").load()
    (tmp_path / "celeba" / "list_eval_partition.txt").unlink()
    whole = ImageSource(card="celeba", data_path=str(tmp_path / "celeba"), size="6x8", split="all").load()
    assert whole.size == 12, "as the earlier program, which held nothing out"
    assert ImageSource(card="celeba", data_path=str(tmp_path / "celeba"), size="6x8").load().size == 10


def test_long_preparing_is_told_to_the_log_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 1.0, 3.0, 3.0, 9.0, 13.5, 13.5])  # at the start; at each notice, twice where it speaks
    monkeypatch.setattr("gantlet.data.prepared_cache.time.monotonic", lambda: next(seconds))
    tell = prepared_cache._Teller("holiday")  # pyright: ignore[reportPrivateUsage]
    with caplog.at_level("INFO", logger="gantlet"):
        for done in (256, 5120, 20000, 40000):
            tell(done, 60000)
    assert [record.getMessage() for record in caplog.records] == [
        "preparing the images of holiday, once: 5,120 of 60,000",
        "preparing the images of holiday, once: 40,000 of 60,000",
    ]


@pytest.mark.parametrize("brightest", [40, 4095, 65535])
def test_sixteen_bits_of_which_few_are_used_are_told(
    tmp_path: Path, brightest: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Masks of 0 to 40 are black as 8-bit, and so are refused; sensors of 12 bits are nearly so, and are noted."""
    values = np.random.default_rng(1).integers(0, brightest, (8, 6, 8), dtype=np.uint16, endpoint=True)
    (tmp_path / "own").mkdir()
    for place, image in enumerate(values):
        Image.fromarray(image).save(tmp_path / "own" / f"{place}.png")
    own = ImageSource(data_path=str(tmp_path / "own"), reader="folder", size="6x8", test_share=0.5)
    if brightest == 40:
        with pytest.raises(BadData, match="every pixel of all images is 0 of 255 once read"):
            own.load()
        return
    own.load()
    assert ("samples will look black" in caplog.text) == (brightest == 4095)
