"""``gantlet data``: what a user types, what is printed, and how each mistake is told in one sentence."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import loopback
from gantlet import catalogue
from gantlet.data.dataset_card import RemoteFile, card
from gantlet.data.images import ImageSource
from gantlet.data.prepared import PreparedSet
from gantlet.names import FAMILIES
from loopback import Loopback
from terminal import gantlet

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
PIXELS = {
    NAMES[0]: np.random.default_rng(1).integers(0, 256, (6, 8, 8), dtype=np.uint8),
    NAMES[1]: (np.arange(6) % 3).astype(np.uint8),
    NAMES[2]: np.random.default_rng(2).integers(0, 256, (4, 8, 8), dtype=np.uint8),
    NAMES[3]: (np.arange(4) % 3).astype(np.uint8),
}


def idx(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes(), mtime=0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with loopback.loopback() as state:
        yield state


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Loopback) -> Path:
    """An empty data directory, in which ``tiny`` has a card whose files this machine serves; wide lines; a desk."""
    files: list[RemoteFile] = []
    for name, values in PIXELS.items():
        content = idx(values)
        url = server.serve(f"{name}.gz", content)
        files.append(RemoteFile(f"{name}.gz", (url,), md5=loopback.tag(content).strip('"'), size=len(content)))
    tiny = replace(card("mnist"), name="tiny", files=tuple(files), pictures={"train": 6, "test": 4}, height=4, width=4)
    monkeypatch.setattr("gantlet.data.named.digits.TINY", tiny, raising=False)
    table = {**FAMILIES["card"], "tiny": "gantlet.data.named.digits:TINY"}
    real = catalogue._table  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(catalogue, "_table", lambda family: table if family == "card" else real(family))
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def refused(*words: object) -> str:
    """The one sentence with which a command is refused."""
    done = gantlet("data", *words)
    assert (done.status, done.out) == (2, "")
    assert len(done.lines) == 1
    return done.err


def test_data_sets_are_listed_with_where_they_are(place: Path) -> None:
    alone, listed = gantlet("data"), gantlet("data", "list")
    assert alone == listed
    assert (listed.status, listed.err) == (0, "")
    rows = {line.split()[0]: line for line in listed.out.splitlines()[1:-1]}
    assert list(rows) == [*FAMILIES["card"], "tiny"]
    assert rows["mnist"].split() == [*["mnist", "no", "70,000", "28×28", "grey", "12", "MB", "CC", "BY-SA", "3.0"]]
    assert "by hand" in rows["emoji"]
    assert "from mnist" in rows["stacked-mnist"]
    assert "unknown size" in rows["lsun-bedroom"]
    assert str(place) in listed.out.splitlines()[-1]
    gantlet("data", "download", "tiny")
    assert gantlet("data").out.splitlines()[-2].split()[:2] == ["tiny", "yes"]


def test_download_verify_inspect(place: Path, server: Loopback, tmp_path: Path) -> None:
    done = gantlet("data", "download", "tiny")
    assert (done.status, done.out, done.err) == (0, f"tiny -> {place / 'tiny'}\n", "")
    assert sorted(path.name for path in (place / "tiny").iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    done = gantlet("data", "verify", "tiny")
    assert done.out.splitlines() == [
        *(f"right    {name}.gz" for name in NAMES),
        f"10 images in {place / 'tiny'}",
        "tiny is right.",
    ]
    done = gantlet("data", "inspect", "tiny", "--sheet", "sheet.png")
    assert (done.status, done.err) == (0, "")
    assert "images         10 (6 train, 4 test)" in done.out
    assert "classes        3: 0 4, 1 3, 2 3" in done.out
    assert "height×width   from 8×8 to 8×8, median 8×8" in done.out
    assert done.out.splitlines()[-1] == "contact sheet -> sheet.png"
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 3 * 10 + 2
    assert "is there already" in refused("download", "tiny")


def test_json_says_everything(place: Path) -> None:
    gantlet("data", "download", "tiny")
    record = json.loads(gantlet("data", "inspect", "tiny", "--json").out)
    assert (record["source"], record["kind"], record["path"]) == ("tiny", "idx", str(place / "tiny"))
    assert record["labels"] == {"0": 4, "1": 3, "2": 3}
    assert json.loads(gantlet("data", "inspect", "tiny", "--json", "--most", "3").out)["looked"] == 3
    record = json.loads(gantlet("data", "verify", "tiny", "--full", "--json").out)
    assert (record["right"], record["misfit"], record["parts"]) == (True, "", {"train": 6, "test": 4})
    assert [file["state"] for file in record["files"]] == ["right"] * 4
    assert record["inspection"]["looked"] == 10
    (place / "tiny" / f"{NAMES[1]}.gz").write_bytes(idx(np.zeros(6, np.uint8)))
    done = gantlet("data", "verify", "tiny", "--json")
    assert done.status == 2
    assert json.loads(done.out)["right"] is False
    assert f"'tiny' in {place / 'tiny'} is not what it should be: {NAMES[1]}.gz it has" in done.err


def test_import_links_or_copies(place: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, values in PIXELS.items():
        (mine / f"{name}.gz").write_bytes(idx(values))
    assert gantlet("data", "import", "tiny", "mine").out == f"tiny -> {place / 'tiny'}\n"
    assert (place / "tiny" / "mine").is_symlink()
    assert "nothing is overwritten" in refused("import", "tiny", "mine", "--copy")
    (place / "tiny").rename(tmp_path / "old")
    gantlet("data", "import", "tiny", "mine", "--copy")
    assert not (place / "tiny" / "mine").is_symlink()
    assert gantlet("data", "verify", "tiny").status == 0


def test_shards_are_downloaded_by_a_list(place: Path, server: Loopback) -> None:
    for number in range(2):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(f"{number}.txt"))
        server.serve(f"s-{number}.tar", stream.getvalue())
    done = gantlet("data", "download", "mine", "--urls", server.url("s-{0..1}.tar"))
    assert (done.status, done.out) == (0, f"mine -> {place / 'mine'}\n")
    assert sorted(path.name for path in (place / "mine").iterdir()) == ["s-0.tar", "s-1.tar"]
    assert gantlet("data").out.splitlines()[-2].split() == ["mine", "yes", "shards", "of", "your", "own"]


def test_a_stopped_download_says_how_to_go_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("gantlet.data.download.fetch", stop)
    done = gantlet("data", "download", "tiny")
    assert (done.status, done.out) == (130, "")
    assert done.lines == ["gantlet: stopped; what was received is kept, give the same command again to go on."]


def test_prepare_frames_as_the_card_says_or_as_asked(place: Path, tmp_path: Path) -> None:
    gantlet("data", "download", "tiny")
    done = gantlet("data", "prepare", "tiny", "--per-shard", 4, "--out", "tiny-4x4")
    assert (done.status, done.err) == (0, "")
    assert done.out == "10 images in 3 shards -> tiny-4x4\n"
    prepared = PreparedSet.open(tmp_path / "tiny-4x4")
    assert prepared.shape == (1, 4, 4), "grey and 4×4, as on the card"
    assert prepared.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    done = gantlet("data", "prepare", "tiny", "--size", "8", "--colour", "rgb", "--out", "whole")
    assert done.status == 0
    whole = PreparedSet.open(tmp_path / "whole").read(np.arange(6))
    np.testing.assert_array_equal(whole, np.repeat(PIXELS[NAMES[0]][:, None], 3, axis=1))
    done = gantlet("data", "prepare", f"idx:{place / 'tiny'}", "--size", "4x6", "--resize", "stretch")
    assert done.out.startswith("10 images in 2 shards -> ")
    cached = Path(done.out.rpartition(" -> ")[2].strip())
    assert PreparedSet.open(cached).shape == (3, 4, 6)


def test_verify_holds_a_prepared_folder_to_what_was_written(place: Path, tmp_path: Path) -> None:
    gantlet("data", "download", "tiny")
    gantlet("data", "prepare", "tiny", "--per-shard", 4, "--out", "tiny-4x4")
    done = gantlet("data", "verify", "prepared:tiny-4x4")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines() == [
        *(f"right    {name}.npy" for name in ("train-00000", "train-00001", "test-00000")),
        "10 images in tiny-4x4",
        "prepared:tiny-4x4 is right.",
    ]
    with (tmp_path / "tiny-4x4" / "train-00001.npy").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)[0]
        file.seek(-1, 2)
        file.write(bytes([last ^ 1]))
    done = gantlet("data", "verify", "prepared:tiny-4x4")
    assert done.status == 2
    assert "wrong    train-00001.npy: has other pixels than those that were written" in done.out
    assert "is not what it should be: train-00001.npy has other pixels" in done.err


def test_what_was_prepared_is_what_training_finds(place: Path) -> None:
    gantlet("data", "download", "tiny")
    cached = gantlet("data", "prepare", "tiny", "--size", "4").out.rpartition(" -> ")[2].strip()
    source = ImageSource(card="tiny", size="4", colour="grey")
    assert str(source.prepared().folder) == cached
    cached = gantlet("data", "prepare", f"idx:{place.name}/../{place.name}/tiny", "--size", "4").out
    source = ImageSource(reader="idx", data_path=str(place / "tiny"), size="4")
    assert str(source.prepared().folder) == cached.rpartition(" -> ")[2].strip()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("download mnits", "There is no card called 'mnits'. Did you mean 'mnist'"),
        ("download emoji", "'emoji' cannot be downloaded by a program. Fetch the package with `npm pack"),
        ("download celeba", "'celeba' cannot be downloaded by a program. Fetch img_align_celeba.zip"),
        ("download stacked-mnist", "'stacked-mnist' is made from 'mnist'"),
        ("download mine --urls nowhere.txt", "The list nowhere.txt cannot be read"),
        ("import tiny nowhere", "There is no "),
        ("verify tiny", "`gantlet data download tiny` fetches it"),
        ("inspect tiny", "`gantlet data download tiny` fetches it"),
        ("inspect pictures", "'pictures' is not a data set (mnist, "),
        ("inspect fodler:x", "There is no reader called 'fodler'"),
        ("inspect idx:nowhere", "nowhere"),
        ("inspect idx:~no-such-user/pictures", "~no-such-user/pictures has no home folder"),
        ("inspect idx:nowhere --sheet sheet.jpg", "sheet.jpg does not end in .png"),
        ("prepare idx:nowhere", "nowhere"),
        ("prepare idx:nowhere --per-shard 5", "--per-shard is for a folder of yours: give --out too."),
        ("prepare idx:nowhere --resize squeeze", "--resize squeeze is not one of crop, pad, stretch"),
        (
            "prepare idx:nowhere --fit pad --resize stretch",
            "--fit pad and --resize stretch are one option, given twice. Keep --resize.",
        ),
        ("prepare idx:nowhere --max-corrupt 0.01 --max-bad 0.5", "--max-bad 0.5 and --max-corrupt 0.01 are one option"),
        ("prepare idx:nowhere --colour sepia", "--colour sepia is not one of rgb, grey"),
    ],
)
def test_each_mistake_is_one_sentence(words: str, reason: str) -> None:
    assert reason in refused(*words.split())


@pytest.mark.parametrize("command", ["list", "download", "import", "inspect", "verify", "prepare"])
def test_every_command_has_help(command: str) -> None:
    done = gantlet("data", command, "--help")
    assert done.status == 0
    assert f"gantlet data {command}" in done.out


def test_old_names_of_options_work_and_are_told(place: Path) -> None:
    gantlet("data", "download", "tiny")
    new = gantlet(
        "data", "prepare", "tiny", "--size", "4x6", "--resize", "pad", "--center-crop", 6, "--max-corrupt", 0.5
    )
    old = gantlet("data", "prepare", "tiny", "--size", "4x6", "--fit", "pad", "--precrop", 6, "--max-bad", 0.5)
    assert (new.status, old.status, new.err) == (0, 0, "")
    assert new.out == old.out, "the same folder of the cache"
    assert old.lines == [
        "note: --fit is read as --resize",
        "note: --precrop is read as --center-crop",
        "note: --max-bad is read as --max-corrupt",
    ]
    shown = gantlet("data", "prepare", "--help").out
    assert "--max-corrupt" in shown
    assert "--max-bad" not in shown


def test_inspect_says_what_to_know_before_training(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    for number in range(3):
        dark = np.random.default_rng(number).integers(0, 4096, (8, 8)).astype(np.uint16)
        Image.fromarray(dark).save(tmp_path / "scans" / f"{number}.tif")
    (tmp_path / "scans" / "3.png").write_bytes(b"x")
    for name in ("a.nef", "b.nef", "c.pdf", "d.txt"):
        (tmp_path / "scans" / name).write_bytes(b"x")
    done = gantlet("data", "inspect", "folder:scans")
    assert (done.status, done.err) == (0, "")
    assert "images         3\n" in done.out
    assert "values         0 to 16 of 255" in done.out
    assert "skipped        .nef 2, .pdf 1, .txt 1" in done.out
    assert "faults         1 (25.00% of all; max_corrupt=0.25 passes)" in done.out
    advice = [line for line in done.out.splitlines() if line.startswith("! ")]
    assert "of 65,535" in advice[0]
    assert "will look black" in advice[0]
    assert "2 files .nef are skipped (raw files of cameras" in advice[1]
    assert "1 files .pdf" in advice[2]
    record = json.loads(gantlet("data", "inspect", "folder:scans", "--json").out)
    assert record["advice"] == [line.removeprefix("! ") for line in advice]
    assert (record["images"], record["unreadable"], record["max_corrupt"]) == (3, 1, 0.25)
    assert record["skipped"] == {".nef": 2, ".pdf": 1, ".txt": 1}
