"""Data sets: a fixed training pool, a test set and, where it is known, the exact distribution behind them.

::

    base.py         what a data set and a source are
    mixture.py      mixtures of Gaussians with exact densities; gaussians.py ring8, grid25, mixture8,
                    grid100, rotated100, staggered100
    images.py       images of any source: prepared once, then in memory or streamed; loaded.py arrays as they are
    digits.py       digits, mnist, fashion-mnist: sources of images; stacked_mnist.py three digits in one
    points.py       points of the user's own
    csv_files.py    tables as R, Excel and pandas write them
    parquet_files.py  tables in Parquet files
    array_files.py  how .npy and .npz files are read, idx_files.py how idx files are, and all that can be wrong with them
    resize.py       from pixels to one size
    files.py        how any file is named and opened; byte_ranges.py how one is read by ranges, from several threads
    pool.py         from arrays to a data set: keyed splits, scales, facts; specification.py what one sample looks like
    dataset_card.py what is known of each named data set; named/ holds the cards
    data_dir.py     where the raw files of named data sets are stored
    transfer.py     one try to get one file from one address; unzip.py what is done to a zip
    download.py     files from the first mirror with the right bytes, named data sets, lists of shards
    local_import.py whether files are the data set of a card, and how they get into the data directory
    readers/        one file per layout; decode.py from a file to pixels; image_formats.py which formats there are
    prepare.py      every image once, into prepared.py's folder of shards.py; stream.py reads them batch by batch
    inspect.py      what to know of a source of images before training; contact_sheet.py shows some of them
"""

from typing import Any

from gantlet.families import Registry

_REGISTRY = Registry("data")
get, names = _REGISTRY.get, _REGISTRY.names

__all__ = ["get", "names"]


def __getattr__(name: str) -> Any:
    return _REGISTRY.attribute(name)
