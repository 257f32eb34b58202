"""Data sets: a fixed training pool, a test set and, where it is known, the exact distribution behind them.

::

    base.py         what a data set and a source are
    mixture.py      mixtures of Gaussians with exact densities; gaussians.py ring8, grid25, mixture8
    images.py       images of any source: prepared once, then in memory or streamed; loaded.py arrays as they are
    digits.py       digits, mnist, fashion-mnist: sources of images; stacked_mnist.py three digits in one
    points.py       points of the user's own
    csv_files.py    tables as R, Excel and pandas write them
    array_files.py  how .npy and .npz files are read, idx_files.py how idx files are, and all that can be wrong with them
    decode.py       from files to pixels; resize.py from pixels to one size; prepare.py both for a whole source
    files.py        how any file is opened
    pool.py         from arrays to a data set: keyed splits, scales, facts; specification.py what one sample looks like
    cards.py        what is known of each named data set; named/ holds the cards
    home.py         where the raw files of named data sets lie
    transfer.py     one try to get one file from one address; unzip.py what is done to a zip
    download.py     files from the first mirror with the right bytes, named data sets, lists of shards
    importing.py    whether files are the data set of a card, and how they get into the home
    inspect.py      what is in a source of pictures, and its contact sheet
"""
