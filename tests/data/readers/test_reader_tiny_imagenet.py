"""Tiny ImageNet is read alike from its folder and its archive; annotations of other images are refused."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gantlet.data.readers.base import Entry, open_reader
from gantlet.data.readers.tiny_imagenet import TinyImageNetReader
from gantlet.errors import BadData, BadImage

RANDOM = np.random.default_rng(9)
CLASSES = {"n01443537": "goldfish, Carassius auratus", "n01629819": "European fire salamander"}
TRAIN = {f"train/{name}/images/{name}_{i}.JPEG": RANDOM.bytes(30) for name in CLASSES for i in range(3)}
TEST = {f"val/images/val_{i}.JPEG": RANDOM.bytes(30) for i in range(4)}
NOTES = "".join(f"val_{i}.JPEG\t{list(CLASSES)[i % 2]}\t0\t32\t44\t62\n" for i in range(4))


def write(folder: Path) -> Path:
    other = {
        "val/val_annotations.txt": NOTES.encode(),
        "test/images/test_0.JPEG": b"no label",
        "wnids.txt": b"x",
        "words.txt": "".join(f"{name}\t{words}\n" for name, words in CLASSES.items()).encode() + b"n00001740\tentity\n",
        **{f"train/{name}/{name}_boxes.txt": b"x" for name in CLASSES},
    }
    for name, content in (TRAIN | TEST | other).items():
        path = folder / "tiny-imagenet-200" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "tiny-imagenet-200"


def pack(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(folder.rglob("*")):
            packed.write(file, file.relative_to(folder.parent))
    return archive


def test_the_folder_and_the_archive_are_read_alike(tmp_path: Path) -> None:
    folder = write(tmp_path)
    for path in (folder, tmp_path, pack(folder, tmp_path / "tiny.zip")):
        reader = open_reader("tiny-imagenet", str(path))
        contents = {entry.name: reader.read(place) for place, entry in enumerate(reader.entries)}
        assert contents == TRAIN | TEST
        assert [entry for entry in reader.entries if entry.part == "test"] == [
            Entry(f"val/images/val_{i}.JPEG", list(CLASSES)[i % 2], "test") for i in range(4)
        ]
        assert reader.entries[4] == Entry("train/n01629819/images/n01629819_1.JPEG", "n01629819", "train")
        assert (reader.facts["words"], reader.facts["left_out"]) == (CLASSES, {"test": 1})
        reader.close()


def test_annotations_that_disagree_are_refused_with_counts(tmp_path: Path) -> None:
    folder = write(tmp_path)
    notes = folder / "val" / "val_annotations.txt"

    def refused(words: str, path: Path = folder) -> None:
        with pytest.raises(BadData, match=words):
            TinyImageNetReader(str(path))

    notes.write_text(NOTES.replace("val_3", "val_9"))
    refused("of 4 images 1 are not annotated, of 4 annotations 1 have no image; the first is val_3.JPEG")
    notes.write_text(NOTES + "val_4.JPEG\tn01443537\n")
    refused("of 4 images 0 are not annotated, of 5 annotations 1 have no image; the first is val_4.JPEG")
    notes.write_text(NOTES.replace("n01629819", "n0"))
    refused("names 1 classes that train lacks, the first is n0")
    notes.write_text("val_0.JPEG\n")
    refused("line 1: 'val_0.JPEG' is not an image's name and its one class")
    notes.write_bytes(b"\xff")
    refused("is not UTF-8 text")
    notes.unlink()
    refused("There is no val/val_annotations.txt; expected tiny-imagenet-200")
    notes.write_text(NOTES)
    shutil.rmtree(folder / "train")
    refused("holds no images below train")
    refused("does not exist; expected a folder", tmp_path / "nowhere")


def test_damage_to_the_archive(tmp_path: Path) -> None:
    archive = pack(write(tmp_path), tmp_path / "tiny.zip")
    content = archive.read_bytes()
    archive.write_bytes(content[:-40])
    with pytest.raises(BadData, match="is truncated, damaged, or not a zip archive"):
        TinyImageNetReader(str(archive))
    first = next(iter(TRAIN))
    place = (
        content.index(TRAIN[first][:8]) if TRAIN[first][:8] in content else content.index(first.encode()) + len(first)
    )
    archive.write_bytes(content[: place + 4] + b"\0\0\0" + content[place + 7 :])
    reader = TinyImageNetReader(str(archive))
    with pytest.raises(BadImage, match="is damaged"):
        reader.read(0)
    assert reader.read(1) == list(TRAIN.values())[1]
    reader.close()
