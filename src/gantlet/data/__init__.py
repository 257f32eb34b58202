"""Data sets: a fixed training pool, a test set and, where it is known, the exact distribution behind them.

::

    base.py         what a data set and a source are
    gaussians.py    ring8, grid25, mixture8: Gaussian mixtures with exact densities
    digits.py       digits: 5,000 real MNIST images
    idx.py          mnist: images in idx files, from the data home or a folder the user names
    idx_files.py    how idx files are read
    arrays.py       points, images: the user's own arrays
    array_files.py  how .npy, .npz and .csv files are read, and every way in which they can be wrong
    files.py        how any file is opened
    pool.py         from arrays to a data set: keyed splits, scales, facts
    cards.py        what is known of each named data set; named/ holds the cards
    home.py         where the raw files of named data sets lie
    transfer.py     one try to get one file from one address; unzip.py what is done to a zip
    download.py     files from the first mirror with the right bytes, named data sets, lists of shards
    importing.py    whether files are the data set of a card, and how they get into the home
    inspect.py      what is in a source of pictures, and its contact sheet
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("data")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
