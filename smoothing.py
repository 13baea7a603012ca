"""Stamps without their noise and without their pixels: a Gaussian, and what is between pixels.

In every array row 0 is the top of the picture. All is done by products of small matrices, which
takes a fraction of a millisecond for a stamp.
"""

from __future__ import annotations

import numpy as np

BAND = 32  # rows at a time: floats of a whole picture would be new memory, which takes long to get
SIGMA = 1.2  # pixels of the stamp: somewhat less than the seeing of most surveys


def smoothed(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Convolve a stamp with a Gaussian of `SIGMA` pixels.

    Each pixel becomes the mean of those around it with the Gaussian's weights; what is missing, or
    beyond the edge, has none. A missing pixel gets what its neighbours make of it, so that one can
    interpolate up to its edge.

    Parameters
    ----------
    values : ndarray of float, shape (H, W)
    missing : ndarray of bool, shape (H, W)

    Returns
    -------
    ndarray of float, shape (H, W)
    """
    there = ~missing
    level = np.median(values[there]) if there.any() else 0.0
    total = blurred(np.where(there, values, level) - level, SIGMA)
    weight = blurred(there.astype(float), SIGMA)
    return level + np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """Sum up what is around each pixel of (H, W), with the weights of a Gaussian up to 4 sigma.

    The weight of the pixel itself is 1, and beyond the edge there is nothing.
    """
    down, across = (_gaussian(length, sigma) for length in values.shape)
    return down @ values @ across


def _gaussian(length: int, sigma: float) -> np.ndarray:
    """Return the weight that each of `length` pixels in a row has in each."""
    place = np.arange(length)
    away = np.abs(place[:, None] - place) / sigma
    # It ends: else a single star would leave no two pixels of a stamp without noise alike.
    return np.where(away <= 4, np.exp(-0.5 * away**2), 0.0)


def interpolated(share: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Draw shares of black to white (H, W) at another size, by cubic convolution.

    Keys (1981, IEEE Trans. ASSP 29, 1153); what is beyond the edge has no weight.

    Parameters
    ----------
    share : ndarray of float, shape (H, W)
        0 is black, 1 is white.
    rows, columns : int

    Returns
    -------
    ndarray of uint8, shape (rows, columns)
    """
    height, width = share.shape
    near = 255 * np.clip(share, -1, 2).astype(np.float32)  # it would swing beside what is far off
    across, down = near @ _cubic(columns, width).T, _cubic(rows, height)
    large = np.empty((rows, columns), np.uint8)
    for first in range(0, rows, BAND):
        band = down[first : first + BAND] @ across
        large[first : first + BAND] = np.rint(np.clip(band, 0, 255, out=band), out=band)
    return large


def _cubic(size: int, length: int) -> np.ndarray:
    """Return the weights (size, length) that make `size` pixels of `length`."""
    place = (np.arange(size) + 0.5) * length / size - 0.5
    x = np.abs(place[:, None] - np.arange(length)).astype(np.float32)
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    weights = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)
