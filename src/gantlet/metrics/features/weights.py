"""Weights that a user names once: their hash is checked, and a copy is kept in gantlet's cache.

One set is a file ``$XDG_CACHE_HOME/gantlet/weights/NAME.weights`` and beside it ``NAME.json`` with its SHA-256, which is
checked again whenever the weights are read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from gantlet.errors import BadData, StoreError, UnknownName
from gantlet.files import cache_folder, file_digest, write_whole

__all__ = [
    "NEEDED",
    "KnownWeights",
    "StoredWeights",
    "fetch_weights",
    "fill",
    "find_weights",
    "load_state",
    "store_weights",
]


@dataclass(frozen=True)
class KnownWeights:
    """Weights that are not part of gantlet or of a package.

    Attributes:
        file: What the file is, and its usual name.
        sha256: Of the published file; empty where it is not known here, and the user's file is then taken as it is.
        also: Hashes of other published files with the same weights.
    """

    file: str
    sha256: str = ""
    also: tuple[str, ...] = ()

    def includes(self, sha256: str) -> bool:
        """Whether a file of this hash is a published one."""
        return bool(self.sha256) and sha256 in (self.sha256, *self.also)


@dataclass(frozen=True)
class StoredWeights:
    """A file of weights in the cache, whose hash was just checked."""

    path: Path
    sha256: str

    @property
    def published(self) -> bool:
        """Whether they are the published file."""
        return NEEDED[self.path.stem].includes(self.sha256)


NEEDED: Mapping[str, KnownWeights] = MappingProxyType(
    {
        "inception-2015": KnownWeights(
            "inception-2015-12-05.pt, the TorchScript file that StyleGAN's metrics and clean-fid use, or "
            "pt_inception-2015-12-05-6726825d.pth, the state_dict that pytorch-fid and torch-fidelity use",
            "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
            ("6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",),
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
    if known.sha256 and not known.includes(digest) and not any_hash:
        published = " or ".join(f"{one[:16]}…" for one in (known.sha256, *known.also))
        raise BadData(
            f"{file} has the SHA-256 {digest[:16]}…, but that of {known.file} is {published}. Give that file, or add "
            "--any-hash to take this one: its numbers then carry this hash, and none is called FID."
        )
    path, note = _paths(name)
    write_whole(path, lambda fresh: shutil.copyfile(file, fresh))
    write_whole(note, json.dumps({"sha256": digest, "from": file.name}).encode())
    return StoredWeights(path, digest)


def fetch_weights(
    name: str, address: str, *, any_hash: bool = False, progress: Callable[[str, int, int], object] | None = None
) -> StoredWeights:
    """Download a file of weights from an address of the user's, and store it: an interrupted download goes on where it stopped.

    Arguments:
        name: Of the extractor.
        address: An http or https URL that ends in the name of a file.
        any_hash: As for :func:`store_weights`.
        progress: Called with the file's name, the bytes received, and all of them (0 if unknown).

    Raises:
        UnknownName: No extractor of that name takes weights.
        BadData: The file cannot be had, or is another one than the published.
        StoreError: The cache cannot be written.
    """
    from gantlet.data.download import fetch, remote_file

    if name not in NEEDED:
        raise UnknownName("extractor that takes weights", name, NEEDED)
    folder = cache_folder("weights") / "downloads" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror or error}.") from error
    file = fetch(remote_file(address), folder, progress=progress)
    try:
        return store_weights(name, file, any_hash=any_hash)
    finally:
        file.unlink(missing_ok=True)


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
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise BadData(
            f"The extractor '{name}' needs weights that are not here: {NEEDED[name].file}. {advice}"
        ) from None
    if found != noted:
        raise BadData(f"The weights of '{name}' in {path} are damaged: they are not what was stored. {advice}")
    return StoredWeights(path, found)


def load_state(name: str, path: Path) -> dict[str, Tensor]:
    """A ``state_dict``, loaded without running anything that it asks for.

    Raises:
        BadData: The file is something else.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what it likes for a file of another kind
        raise BadData(
            f"The weights of '{name}' are not a state_dict that loads safely: {type(error).__name__}."
        ) from error
    if not isinstance(found, dict):
        raise BadData(f"The weights of '{name}' are a {type(found).__name__}; expected a state_dict.")
    return {str(key): value for key, value in found.items()}


def fill(name: str, net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load a ``state_dict`` into a network of its shapes; batch norms may lack their counters.

    Raises:
        BadData: It is of another network.
    """
    try:
        missing, unexpected = net.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise BadData(
            f"The weights of '{name}' are of another network: {' '.join(str(error).split())[:200]}."
        ) from error
    lacking = [key for key in missing if not key.endswith("num_batches_tracked")]
    if lacking or unexpected:
        first = f"'{lacking[0]}' is missing" if lacking else f"'{unexpected[0]}' has no place in it"
        raise BadData(f"The weights of '{name}' are of another network: {first}.")
    net.eval().requires_grad_(False)


def _paths(name: str) -> tuple[Path, Path]:
    folder = cache_folder("weights")
    return folder / f"{name}.weights", folder / f"{name}.json"
