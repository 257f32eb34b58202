"""Weights that a user names once: their hash is checked, and a copy is kept in gantlet's cache.

One set is a file ``$XDG_CACHE_HOME/gantlet/weights/NAME.weights`` and beside it ``NAME.json`` with its SHA-256, which is
checked again whenever the weights are read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gantlet.errors import BadData, UnknownName
from gantlet.files import cache_folder, file_digest, write_whole

__all__ = ["NEEDED", "KnownWeights", "StoredWeights", "find_weights", "store_weights"]


@dataclass(frozen=True)
class KnownWeights:
    """Weights that are not part of gantlet or of a package.

    Attributes:
        file: What the file is, and its usual name.
        sha256: Of the published file; empty where it is not known here, and the user's file is then taken as it is.
    """

    file: str
    sha256: str = ""


@dataclass(frozen=True)
class StoredWeights:
    """A file of weights in the cache, whose hash was just checked."""

    path: Path
    sha256: str

    @property
    def published(self) -> bool:
        """Whether they are the published file."""
        return self.sha256 == NEEDED[self.path.stem].sha256


NEEDED: Mapping[str, KnownWeights] = MappingProxyType(
    {
        "inception-2015": KnownWeights(
            "inception-2015-12-05.pt, the TorchScript file that StyleGAN's metrics and clean-fid use",
            "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        ),
        "dinov2-vits14": KnownWeights("dinov2_vits14_pretrain.pth, the state_dict of the backbone without registers"),
    }
)
"""Every set of weights that a user can bring, by the name of its extractor."""


def store_weights(name: str, file: Path, *, any_hash: bool = False) -> StoredWeights:
    """Copy a file of weights into the cache.

    Arguments:
        name: Of the extractor.
        file: The file.
        any_hash: Take a file that is not the published one; numbers that rest on it then say so.

    Raises:
        UnknownName: No extractor of that name takes weights.
        BadData: The file is not there, or is another one than the published.
        StoreError: The cache cannot be written.
    """
    if name not in NEEDED:
        raise UnknownName("extractor that takes weights", name, NEEDED)
    known = NEEDED[name]
    try:
        digest = file_digest(file)
    except OSError as error:
        raise BadData(
            f"The weights {file} cannot be read: {error.strerror or error}. Expected {known.file}."
        ) from error
    if known.sha256 and digest != known.sha256 and not any_hash:
        raise BadData(
            f"{file} has the SHA-256 {digest[:16]}…, but that of {known.file} is {known.sha256[:16]}…. Give that file, or add "
            "--any-hash to take this one: its numbers then carry this hash, and none is called FID."
        )
    path, note = _paths(name)
    write_whole(path, lambda fresh: shutil.copyfile(file, fresh))
    write_whole(note, json.dumps({"sha256": digest, "from": file.name}).encode())
    return StoredWeights(path, digest)


def find_weights(name: str) -> StoredWeights:
    """The weights of an extractor, their hash checked.

    Raises:
        BadData: They are not there, or not what was stored; the message says what to do.
    """
    path, note = _paths(name)
    advice = f"Store them once with: gantlet data weights {name} --from FILE"
    try:
        noted = str(json.loads(note.read_text(encoding="utf-8"))["sha256"])
        found = file_digest(path)
    except (OSError, ValueError, KeyError, TypeError):
        raise BadData(
            f"The extractor '{name}' needs weights that are not here: {NEEDED[name].file}. {advice}"
        ) from None
    if found != noted:
        raise BadData(f"The weights of '{name}' in {path} are damaged: they are not what was stored. {advice}")
    return StoredWeights(path, found)


def _paths(name: str) -> tuple[Path, Path]:
    folder = cache_folder("weights")
    return folder / f"{name}.weights", folder / f"{name}.json"
