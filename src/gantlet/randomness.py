"""Keyed randomness: the seed of a draw follows from what is drawn, never from what was drawn before.

Data sets and training have namespaces of their own, so that a key of the one says nothing of the other.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

__all__ = ["KEY_VERSION", "keyed_generator", "seed_of"]

KEY_VERSION = 1
"""Version of the key format; part of every key and of study.json."""


def seed_of(*key: int | str, namespace: Literal["training", "data"] = "training") -> int:
    """The seed of one draw: 63 bits for training, 32 for data.

    Training is keyed by (seed, index, name), data by (data seed, name).

    Example:
        >>> seed_of(1, 0, "latent") == seed_of(1, 0, "latent") != seed_of(1, 1, "latent")
        True
    """
    path = "/".join(map(str, key))
    if namespace == "data":
        digest = hashlib.sha256(f"gantlet data {KEY_VERSION}/{path}".encode()).digest()
        return int.from_bytes(digest[:4], "big")
    digest = hashlib.blake2b(f"gantlet/{KEY_VERSION}/{path}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def keyed_generator(*key: int | str, namespace: Literal["training", "data"] = "training") -> torch.Generator:
    """A fresh CPU generator for one draw, with the seed of :func:`seed_of`.

    Example:
        >>> first, again = (keyed_generator(1, "train", namespace="data") for _ in range(2))
        >>> torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=again))
        True
    """
    return torch.Generator().manual_seed(seed_of(*key, namespace=namespace))
