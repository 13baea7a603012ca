"""Labels with a fresh matplotlib figure for each triplet; bench.py measures it beside ours.

    python tests/bench_figures.py FILE GIF GIF GIF

At a key it appends one line to FILE, syncs it, closes the figure and opens another.
"""

import os
import sys

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("TkAgg")

from matplotlib import pyplot as plt  # noqa: E402


def main():
    """Show figures until killed."""
    name, *files = sys.argv[1:]
    stamps = []
    for path in files:
        with Image.open(path) as picture:
            stamps.append(np.asarray(picture.convert("L")))
    log = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        figure = plt.figure(figsize=(12.8, 6.0), dpi=100)
        for i, stamp in enumerate(stamps):
            axes = figure.add_subplot(1, 3, i + 1)
            axes.imshow(stamp, cmap="gray")
        plt.show(block=False)
        plt.waitforbuttonpress()
        os.write(log, b"284239958,Good,,2026-11-22T13:08:00.123Z,2026-11-20_09-00-00,3.41\n")
        os.fsync(log)
        plt.close(figure)
        stamps.reverse()


if __name__ == "__main__":
    main()
