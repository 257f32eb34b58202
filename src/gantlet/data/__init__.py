"""Data sets: a fixed training pool, a test set and, where it is known, the exact distribution behind them.

::

    base.py         what a data set and a source are
    gaussians.py    ring8, grid25, mixture8: Gaussian mixtures with exact densities
    digits.py       digits: 5,000 real MNIST images
    idx.py          mnist: images in idx files, in a folder the user names
    idx_files.py    how idx files are read
    arrays.py       points, images: the user's own arrays
    array_files.py  how .npy, .npz and .csv files are read, and every way in which they can be wrong
    files.py        how any file is opened
    pool.py         from arrays to a data set: keyed splits, scales, facts
"""
