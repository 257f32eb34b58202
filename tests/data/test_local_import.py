"""What fits a card comes in, whole and unchanged; what does not is refused with the difference, and nothing is left."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantlet import catalogue
from gantlet.data import data_dir
from gantlet.data.dataset_card import DatasetCard, RemoteFile, card
from gantlet.data.local_import import import_files, states, verify
from gantlet.data.readers.arrays import IdxReader
from gantlet.errors import BadData, FolderInUse
from gantlet.files import write_whole
from gantlet.names import FAMILIES

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return header + values.astype(np.uint8).tobytes()


CONTENT: dict[str, bytes] = {
    NAMES[0]: idx(np.random.default_rng(1).integers(0, 256, (6, 4, 3))),
    NAMES[1]: idx(np.arange(6) % 3),
    NAMES[2]: idx(np.random.default_rng(2).integers(0, 256, (4, 4, 3))),
    NAMES[3]: idx(np.arange(4) % 3),
}


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def published(name: str) -> RemoteFile:
    packed = gzip.compress(CONTENT[name], mtime=1)
    return RemoteFile(
        f"{name}.gz", (f"https://example.org/{name}.gz",), md5(packed), "", md5(CONTENT[name]), len(packed)
    )


TINY = replace(
    card("mnist"), name="tiny", pictures={"train": 6, "test": 4}, files=tuple(published(name) for name in NAMES)
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data directory, in which ``tiny`` has a card."""
    monkeypatch.setenv("GANTLET_DATA", str(tmp_path / "home"))
    monkeypatch.setattr("gantlet.data.named.digits.TINY", TINY, raising=False)
    table = {**FAMILIES["card"], "tiny": "gantlet.data.named.digits:TINY"}
    monkeypatch.setattr(catalogue, "_table", lambda family: table if family == "card" else FAMILIES[family])
    return tmp_path / "home"


def write(folder: Path, content: Mapping[str, bytes] = CONTENT) -> Path:
    for name, entry in content.items():
        write_whole(folder / name, entry)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_link_leads_to_the_users_files(place: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine")
    assert import_files(TINY, mine) == place / "tiny"
    assert data_dir.find_raw("tiny") == place / "tiny" / "mine"
    assert data_dir.find_raw("tiny").resolve() == mine
    assert [path.name for path in place.iterdir()] == ["tiny"]
    assert verify("tiny", TINY).right


def test_a_copy_stands_by_itself(place: Path, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine")
    import_files(TINY, mine, copy=True)
    mine.rename(tmp_path / "gone")
    assert tree(data_dir.find_raw("tiny")) == CONTENT
    found = verify("tiny", TINY, full=True)
    assert found.right
    assert found.parts == {"train": 6, "test": 4}
    assert found.inspection is not None
    assert found.inspection.labels == {"0": 4, "1": 3, "2": 3}


@pytest.mark.parametrize("pack", [True, False])
@pytest.mark.parametrize("joint", ["-", "."])
def test_files_packed_anew_or_spelt_otherwise_are_right(pack: bool, joint: str, tmp_path: Path) -> None:
    content = {
        name.replace("-idx", f"{joint}idx") + (".gz" if pack else ""): gzip.compress(entry, 1) if pack else entry
        for name, entry in CONTENT.items()
    }
    found = states(TINY, write(tmp_path / "mine", content))
    assert [file.state for file in found] == ["right"] * 4
    assert [file.name for file in found] == list(content)


def test_the_publishers_own_files_are_right_by_their_own_hash(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", {f"{name}.gz": gzip.compress(entry, mtime=1) for name, entry in CONTENT.items()})
    sure = replace(TINY, files=tuple(replace(file, content_md5="") for file in TINY.files))
    assert [file.state for file in states(sure, mine)] == ["right"] * 4
    blank = replace(TINY, files=tuple(RemoteFile(file.name) for file in TINY.files))
    assert [file.state for file in states(blank, mine)] == ["unknown"] * 4
    (mine / f"{NAMES[0]}.gz").unlink()
    assert [file.state for file in states(TINY, mine)] == ["absent", *["right"] * 3]


def test_one_changed_pixel_is_found(place: Path, tmp_path: Path) -> None:
    spoilt = CONTENT[NAMES[2]][:-1] + bytes([CONTENT[NAMES[2]][-1] ^ 1])
    with pytest.raises(BadData, match=rf"mine is not the published 'tiny': {NAMES[2]} holds other bytes: their MD5 is"):
        import_files(TINY, write(tmp_path / "mine", {**CONTENT, NAMES[2]: spoilt}))
    assert list(place.iterdir()) == []


def test_what_is_damaged_later_is_found_by_verify(tmp_path: Path) -> None:
    import_files(TINY, write(tmp_path / "mine"), copy=True)
    spoilt = CONTENT[NAMES[3]][:-1] + b"\1"
    (data_dir.find_raw("tiny") / NAMES[3]).write_bytes(spoilt)
    found = verify("tiny", TINY)
    assert not found.right
    assert [file.state for file in found.files] == ["right", "right", "right", "wrong"]
    assert md5(spoilt) in found.files[3].reason
    cut = gzip.compress(CONTENT[NAMES[0]])[:-9]
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / f"{NAMES[0]}.gz").write_bytes(cut)
    assert states(TINY, tmp_path / "cut")[0].reason.startswith(
        "holds other bytes: their MD5 is unknown, since it is damaged"
    )


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"pictures": {"train": 7, "test": 4}}, r"it holds 6 images in the part 'train', where 'tiny' has 7\."),
        ({"pictures": {"train": 6, "test": 3}}, r"it holds 4 images in the part 'test', where 'tiny' has 3\."),
        ({"pictures": {"train": 6}}, r"it holds 4 images in the part 'test', which 'tiny' does not have"),
        ({"pictures": {"": 10}}, r"it holds 0 images, where 'tiny' has 10"),
    ],
)
def test_other_counts_are_refused(changed: Any, words: str, place: Path, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=words):
        import_files(replace(TINY, **changed), write(tmp_path / "mine"))
    assert list(place.iterdir()) == []


def test_a_part_may_be_lacking_where_the_card_says_so(tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", {name: CONTENT[name] for name in NAMES[:2]})
    with pytest.raises(BadData, match="0 images in the part 'test', where 'tiny' has 4"):
        import_files(TINY, mine)
    import_files(replace(TINY, may_lack=("test",)), mine)
    assert not verify("tiny", TINY).right
    assert verify("tiny", replace(TINY, may_lack=("test",))).right


def test_other_layouts_are_refused_with_the_users_own_path(place: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine", {"notes.txt": b"x", "more.txt": b"y"})
    with pytest.raises(BadData, match=rf"The folder {tmp_path}/mine holds no train-images-idx3-ubyte"):
        import_files(TINY, tmp_path / "mine")
    with pytest.raises(BadData, match=r"There is no .*nowhere"):
        import_files(TINY, tmp_path / "nowhere")
    with pytest.raises(BadData, match="'stacked-mnist' is made from 'mnist': import that one"):
        import_files(card("stacked-mnist"), tmp_path / "mine")
    assert not place.exists() or list(place.iterdir()) == []


def test_nothing_is_overwritten(place: Path, tmp_path: Path) -> None:
    write(place / "tiny", {"precious": b"1"})
    with pytest.raises(FolderInUse, match=r"'tiny' is there already, in .*; nothing is overwritten"):
        import_files(TINY, write(tmp_path / "mine"))
    assert tree(place) == {"tiny/precious": b"1"}


def test_a_folder_within_a_folder_is_found(tmp_path: Path) -> None:
    write(tmp_path / "outer" / "inner")
    import_files(TINY, tmp_path / "outer")
    assert data_dir.find_raw("tiny").resolve() == tmp_path / "outer" / "inner"
    assert verify("tiny", TINY).right


def test_a_file_that_needs_its_neighbours_is_not_taken_alone(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Neighbours(IdxReader):
        """Reads the folder in which the file lies that it is given."""

        def __init__(self, path: str) -> None:
            super().__init__(str(Path(path).parent) if Path(path).is_file() else path)

    monkeypatch.setattr("gantlet.data.readers.arrays.Neighbours", Neighbours, raising=False)
    readers = FAMILIES["reader"]
    monkeypatch.setitem(readers, "neighbours", "gantlet.data.readers.arrays:Neighbours")
    known = replace(TINY, reader="neighbours")
    mine = write(tmp_path / "mine")
    with pytest.raises(BadData, match=r"does not stand alone; import the folder .*mine instead"):
        import_files(known, mine / NAMES[0])
    assert list(place.iterdir()) == []
    import_files(known, mine)


def test_a_set_without_a_card_is_opened_and_counted(place: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for number in range(3):
            content = png(number)
            entry = tarfile.TarInfo(f"{number}.png")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    write(place / "mine", {"0.tar": stream.getvalue(), "1.tar": stream.getvalue()})
    found = verify("mine", None, full=True)
    assert found.right
    assert (found.files, sum(found.parts.values())) == ((), 6)
    assert found.inspection is not None
    assert found.inspection.copies == 3
    with pytest.raises(BadData, match=r"'yours' is not a data set \(mnist, .*, mine\)"):
        verify("yours", None)


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((2, 2), shade, np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def test_a_zip_is_unpacked_where_the_reader_needs_a_folder(place: Path, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, entry in CONTENT.items():
            archive.writestr(f"gzip/emnist-balanced-{name.replace('t10k', 'test')}.gz", gzip.compress(entry))
    (tmp_path / "gzip.zip").write_bytes(stream.getvalue())
    known: DatasetCard = replace(TINY, within="emnist-balanced", unpacked=True, files=(RemoteFile("gzip.zip"),))
    import_files(known, tmp_path / "gzip.zip")
    assert sorted(path.name for path in (place / "tiny" / "gzip").iterdir())[0].startswith("emnist-balanced-test")
    assert [path.name for path in place.iterdir()] == ["tiny"]
