"""Cards: every one is complete and consistent, and a file is held to what its publisher says of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gantlet import catalogue
from gantlet.data.dataset_card import DatasetCard, RemoteFile, card, card_or_none
from gantlet.errors import UnknownName
from gantlet.files import file_digest

CARDS = [card(name) for name in catalogue.names("card")]
FILES = [(each, file) for each in CARDS for file in each.files]


@pytest.mark.parametrize("known", CARDS, ids=lambda known: known.name)
def test_a_card_says_all_that_a_user_must_know(known: DatasetCard) -> None:
    assert card(known.name) is known, "the catalogue and the card agree on the name"
    words = (known.title, known.summary, known.licence, known.paper, known.size, known.split, known.normalisation)
    assert all(words)
    assert urlsplit(known.home).scheme in ("http", "https")
    assert sum(known.pictures.values()) > 0
    assert ("" in known.pictures) == (len(known.pictures) == 1), "split, or not split"
    assert set(known.may_lack) <= set(known.pictures)
    assert known.height > 0 < known.width
    # There is exactly one way to its files: an address, words for a human, or another data set.
    assert [known.downloadable, bool(known.how), bool(known.made_from)].count(True) == 1
    if known.made_from:
        assert card(known.made_from).files
    if known.how:
        assert f"gantlet data import {known.name} " in known.how


@pytest.mark.parametrize(("known", "file"), FILES, ids=lambda thing: thing.name)
def test_a_file_has_a_safe_name_and_well_formed_hashes(known: DatasetCard, file: RemoteFile) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*", file.name)
    for expected, digits in ((file.md5, 32), (file.content_md5, 32), (file.sha256, 64)):
        assert re.fullmatch(rf"([0-9a-f]{{{digits}}})?", expected)
    for url in file.urls:
        assert urlsplit(url).scheme in ("http", "https")
        assert url.endswith(f"/{file.name}")
    assert not known.downloadable or file.md5 or known.reader == "lsun", "only LSUN publishes no hashes"


def test_hashes_and_names_are_not_repeated() -> None:
    """A copied row that kept its hash would make every download of it fail."""
    hashes = [hash for _, file in FILES for hash in (file.md5, file.content_md5, file.sha256) if hash]
    assert len(set(hashes)) == len(hashes)
    for known in CARDS:
        assert len({file.name for file in known.files}) == len(known.files)


def test_counts_are_the_published_ones() -> None:
    totals = {known.name: sum(known.pictures.values()) for known in CARDS}
    assert totals["mnist"] == totals["fashion-mnist"] == 70_000
    assert totals["cifar10"] == totals["cifar100"] == 60_000
    assert totals["celeba"] == 202_599 - 19_867, "without the validation part"
    assert card("emnist").pictures["train"] % 47 == 0 == card("emnist").pictures["test"] % 47, "balanced"
    assert card("mnist").bytes == 9_912_422 + 28_881 + 1_648_877 + 4_542
    assert card("lsun-bedroom").bytes == 0, "unknown lengths do not add up"


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no card called 'cifar-10'. Did you mean 'cifar10'"):
        card("cifar-10")
    assert card_or_none("cifar-10") is None
    assert card_or_none("cifar10") is card("cifar10")


def test_a_file_is_held_to_what_is_known_of_it(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one piece of the hash
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    md5, sha256 = hashlib.md5(content).hexdigest(), hashlib.sha256(content).hexdigest()
    assert (file_digest(path, "md5"), file_digest(path)) == (md5, sha256)
    assert RemoteFile("file.bin").fault(path) == ""
    assert RemoteFile("file.bin", md5=md5, sha256=sha256, size=len(content)).fault(path) == ""
    path.write_bytes(content[:-1] + b"\0")
    assert "its MD5 is" in RemoteFile("file.bin", md5=md5).fault(path)
    assert f"expected {sha256}" in RemoteFile("file.bin", md5=md5, sha256=sha256).fault(path)
    path.write_bytes(content[:-1])
    assert RemoteFile("file.bin", size=len(content)).fault(path) == "it has 1,279,999 bytes, expected 1,280,000"
