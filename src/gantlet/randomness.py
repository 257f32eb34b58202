"""Keyed randomness: the seed of a draw follows from what is drawn, never from what was drawn before.

Data sets and training have namespaces of their own, so that a key of the one says nothing of the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import torch

__all__ = ["KEY_VERSION", "keyed_generator", "seed_of", "seeded"]

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


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Generator[None]:
    """Torch's own random state seeded meanwhile, for code that draws from it: that of the CPU and of one GPU.

    Both are put back as they were, and the state of no other GPU is touched, as ``torch.manual_seed`` would.

    Arguments:
        seed: 63 bits.
        device: Where draws are made beside the CPU; another CPU device counts as none.

    Example:
        >>> before = torch.get_rng_state()
        >>> with seeded(1):
        ...     first = torch.rand(3)
        >>> torch.equal(first, torch.rand(3, generator=torch.Generator().manual_seed(1)))
        True
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    gpus: list[int] = []
    if device is not None and device.type == "cuda":
        gpus = [torch.cuda.current_device() if device == torch.device("cuda") else device.index]
    apple = device is not None and device.type == "mps"
    before = torch.mps.get_rng_state() if apple else None
    try:
        with torch.random.fork_rng(gpus):
            torch.default_generator.manual_seed(seed)
            for gpu in gpus:
                torch.cuda.default_generators[gpu].manual_seed(seed)
            if apple:
                torch.mps.manual_seed(seed)
            yield
    finally:
        if before is not None:
            torch.mps.set_rng_state(before)
