"""CelebA's images get the part of the authors' list; a list of other images is refused, with the counts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.celeba import CelebAReader
from gantlet.errors import BadData

RANDOM = np.random.default_rng(7)
PICTURES = {f"{number:06}.jpg": RANDOM.bytes(40) for number in range(1, 8)}
PARTS = dict(zip(PICTURES, (0, 0, 1, 0, 2, 1, 2), strict=True))


def write_list(folder: Path, parts: dict[str, int], ending: str = "txt") -> None:
    lines = [f"{name}{',' if ending == 'csv' else ' '}{part}\n" for name, part in parts.items()]
    header = "image_id,partition\n" if ending == "csv" else ""
    (folder / f"list_eval_partition.{ending}").write_text(header + "".join(lines))


def write_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        archive.writestr("img_align_celeba/", "")
        for name, content in PICTURES.items():
            archive.writestr(f"img_align_celeba/{name}", content)
    return folder / "img_align_celeba.zip"


def write_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in PICTURES.items():
        (folder / name).write_bytes(content)
    return folder


def check(reader: CelebAReader, parts: dict[str, str]) -> None:
    assert list(reader.entries) == [Entry(name, "", part) for name, part in parts.items()]  # type: ignore[arg-type]
    assert [reader.read(place) for place in range(len(parts))] == [PICTURES[name] for name in parts]
    reader.close()


SPLIT = {f"00000{number}.jpg": "train" if number in (1, 2, 4) else "test" for number in (1, 2, 4, 5, 7)}


def test_the_archive_beside_the_list(tmp_path: Path) -> None:
    path = write_zip(tmp_path)
    write_list(tmp_path, PARTS)
    for place in (path, tmp_path):
        reader = open_reader("celeba", str(place))
        assert isinstance(reader, CelebAReader)
        assert (reader.facts["parts"], reader.facts["left_out"]) == ({"train": 3, "test": 2}, {"val": 2})
        check(reader, SPLIT)


@pytest.mark.parametrize("inner", ["img_align_celeba", "img_align_celeba/img_align_celeba"])
def test_folders_as_the_authors_and_as_kaggle_pack_them(inner: str, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / inner)
    write_list(tmp_path, PARTS, "csv")
    check(CelebAReader(str(tmp_path)), SPLIT)
    if inner == "img_align_celeba":
        check(CelebAReader(str(folder)), SPLIT)


def test_validation_is_the_test_part_where_there_is_no_other(tmp_path: Path) -> None:
    write_zip(tmp_path)
    write_list(tmp_path, {name: min(part, 1) for name, part in PARTS.items()})
    check(CelebAReader(str(tmp_path)), {name: "test" if PARTS[name] else "train" for name in PICTURES})


def test_lists_that_disagree_or_are_none_are_refused(tmp_path: Path) -> None:
    def refused(words: str) -> None:
        with pytest.raises(BadData, match=words):
            CelebAReader(str(tmp_path))

    refused("is empty; expected img_align_celeba.zip or the folder")
    write_zip(tmp_path)
    refused("There is no list_eval_partition.txt .*are read by the readers 'folder' and 'zip'")
    names = list(PICTURES)
    write_list(tmp_path, {name: PARTS[name] for name in names[:5]})
    refused("of 7 images 2 are not listed, of 5 listed names 0 are not there; the first is 000006.jpg")
    write_list(tmp_path, PARTS | {"000008.jpg": 0, "000009.jpg": 2})
    refused("of 7 images 0 are not listed, of 9 listed names 2 are not there; the first is 000008.jpg")
    file = tmp_path / "list_eval_partition.txt"
    for text, words in [
        ("000001.jpg 3\n", "line 1: '000001.jpg 3' is not an image's name and 0, 1 or 2"),
        ("000001.jpg 0\n\n000001.jpg 1\n", "line 3: 000001.jpg was listed before"),
        ("\n", "lists no images"),
        ("202599\n5_o_Clock_Shadow Arched_Eyebrows\n", "line 1: '202599' is not an image's name"),
    ]:
        file.write_text(text)
        refused(words)
    file.write_bytes(b"\xff\xfe0")
    refused("is not UTF-8 text")


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "img_align_celeba" / "a")
    write_folder(tmp_path / "img_align_celeba" / "b")
    write_list(tmp_path, PARTS)
    with pytest.raises(BadData, match=r"two images are called 000001.jpg, in different folders"):
        CelebAReader(str(tmp_path))
