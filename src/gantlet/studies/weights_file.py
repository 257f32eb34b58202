"""A safetensors file of a study: read only if it is what was written there."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from gantlet.errors import Damaged, StoreError
from gantlet.files import check_regular, file_digest
from gantlet.places import command

__all__ = ["read_weights_file"]


def read_weights_file(path: Path, digest: str, *, what: str, folder: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names, checked.

    Arguments:
        path: The file.
        digest: Its SHA-256, as it was noted when it was written.
        what: What it holds, for messages.
        folder: The study's, which a repair would be asked of.

    Raises:
        Damaged: It is missing, or not what was written.
        StoreError: It cannot be read at the moment, or is not a plain file.
    """
    try:
        check_regular(path)
        if file_digest(path) != digest:
            raise Damaged(f"{what} {path} are damaged.")
        return dict(sorted(safetensors.torch.load_file(path).items()))
    except Damaged as error:
        raise Damaged(f"{error} What can be done does: {command('repair', folder)}") from error
    except (ValueError, safetensors.SafetensorError) as error:
        raise Damaged(f"{what} {path} cannot be read: {error}.") from error
    except OSError as error:
        raise StoreError(f"{what} {path} cannot be read: {error.strerror or error}.") from error
