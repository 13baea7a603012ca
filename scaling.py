"""How pixels become shades: a stamp's sky, its scaling to 8 bits, the picture of it on a screen.

Stamps of 8 bits are shown as they are, FITS stamps are scaled each by its own limits, and a person
may want to see either in another way: see `look.Look`. In every array row 0 is the top of the
picture. Importing this imports numpy, which takes longer than opening a window: that happens on
another thread meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

import stamps
from decoding import MISSING_LIMIT
from look import Look

MISSING_COLOUR = (58, 47, 92)  # no grey, and dark: it says "nothing here" without drawing the eye
_GREY = 128 / 255  # where nothing can be told apart


class Stamp(NamedTuple):
    """One stamp: its values, and how they look.

    Attributes
    ----------
    pixels : ndarray, shape (H, W)
        See `stamps.decode`: uint8 of an 8-bit picture, else floating point.
    gray : ndarray of uint8, shape (H, W)
        0 black to 255 white.
    missing : ndarray of bool, shape (H, W)
        True where there is no value to show.
    kind : str
        One of `stamps.KINDS`.
    ticked : bool
        Its own pixels point at its centre; see `has_ticks`.
    """

    pixels: np.ndarray
    gray: np.ndarray
    missing: np.ndarray
    kind: str = stamps.SEARCH
    ticked: bool = False


class Sky(NamedTuple):
    """What a stamp is without its sources.

    Attributes
    ----------
    level, sigma : float
        In the stamp's unit.
    missing : ndarray of bool, shape (H, W)
        See `missing_pixels`.
    """

    level: float
    sigma: float
    missing: np.ndarray


def triplet(objid: str, encoded: Mapping[str, stamps.Part]) -> tuple[Stamp, Stamp, Stamp]:
    """Decode and scale the Search, Template and Difference stamp of a detection.

    Parameters
    ----------
    objid : str
    encoded : mapping of str to stamps.Part
        See `stamps.Chunk.encoded`.

    Raises
    ------
    stamps.StampError
        One of them cannot be read; the message names it and says why.
    """
    found = []
    for kind in stamps.KINDS:
        suffix, data = encoded[kind]
        try:
            found.append(read(data, suffix, kind))
        except stamps.StampError as error:
            raise stamps.StampError(f"{kind}{objid}{suffix}: {error}") from error
    search, template, difference = found
    return search, template, difference


def read(data: bytes, suffix: str, kind: str) -> Stamp:
    """Decode one stamp, and scale it.

    Parameters
    ----------
    data : bytes
        The file.
    suffix : str
        A key of `stamps.READERS`, which says how.
    kind : str
        One of `stamps.KINDS`; Difference is scaled in a way of its own.

    Raises
    ------
    stamps.StampError
        It is damaged, too large or no image.
    """
    pixels = stamps.decode(data, suffix)
    ticked = has_ticks(pixels)
    if pixels.dtype == np.uint8:
        return Stamp(pixels, pixels, np.zeros(pixels.shape, bool), kind, ticked)
    return Stamp(pixels, *scale(pixels, kind), kind, ticked)


def has_ticks(pixels: np.ndarray) -> bool:
    """Tell whether ticks that point at the centre were drawn into a stamp (H, W), as DES does.

    Those are lines of one value, a pixel wide, from all four corners along the diagonals.
    """
    height, width = pixels.shape
    if height != width or height < 16:
        return False
    along = np.arange(1, height // 8)
    corners = pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1]
    on = np.stack([corner[along, along] for corner in corners])
    beside = np.stack([corner[along, along + step] for corner in corners for step in (-1, 1)])
    value = on[0, 0]
    return bool((on == value).all() and (beside == value).mean() < 0.5)


def sky(pixels: np.ndarray) -> Sky:
    """Measure the sky of a FITS stamp (H, W).

    The level is the median of the pixels that are there, sigma 1.4826 times their median absolute
    deviation (that is the standard deviation of a Gaussian); NaN if there are none. Where more
    than half of them are equal, sigma is their standard deviation instead, and 0 only if all are
    equal.
    """
    missing = missing_pixels(pixels)
    values = pixels[~missing].astype(np.float64)
    if not values.size:
        return Sky(np.nan, np.nan, missing)
    level = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - level))
    return Sky(float(level), float(sigma or values.std()), missing)


def missing_pixels(pixels: np.ndarray) -> np.ndarray:
    """Tell where a FITS stamp (H, W) has no value, as bool (H, W).

    That is at NaN, infinities and what is beyond `MISSING_LIMIT`. `stamps.decode` has put NaN
    where zeros stand for no value.
    """
    return ~(np.abs(pixels) < MISSING_LIMIT)


# Scalings: a stretch is a curve between limits. Both take deviations from the sky in units of its
# sigma, missing pixels as 0. Deviations are negative, too: a root is of the absolute value.


class Stretch(NamedTuple):
    """How deviations become shades.

    Attributes
    ----------
    limits : callable
        ``limits(deviation, missing)``, two arrays (H, W): what is black, and what is white.
    curve : callable
        How what is between them is spread: it rises, and takes numbers and arrays.
    """

    limits: Callable[[np.ndarray, np.ndarray], tuple[float, float]]
    curve: Callable[[np.ndarray], np.ndarray]


class Scaling(NamedTuple):
    """What a `Look` can name: how people call it, and its stretches."""

    title: str
    image: Stretch  # of Search and Template
    difference: Stretch


def _peak(deviation: np.ndarray) -> float:
    """Return the largest of the central 11 x 11 pixels, where the detection is."""
    row, column = (max(0, side // 2 - 5) for side in deviation.shape)
    return float(deviation[row : row + 11, column : column + 11].max())


def _sky_to_peak(deviation: np.ndarray, missing: np.ndarray) -> tuple[float, float]:
    return -2, max(_peak(deviation), float(np.percentile(deviation[~missing], 99.5)), 8)


def _about_sky(deviation: np.ndarray, missing: np.ndarray) -> tuple[float, float]:
    limit = min(max(_peak(np.abs(deviation)), 4), 10)
    return -limit, limit


def _about_sky_to_all(deviation: np.ndarray, missing: np.ndarray) -> tuple[float, float]:
    limit = max(float(np.abs(deviation).max()), 4)
    return -limit, limit


def _all(deviation: np.ndarray, missing: np.ndarray) -> tuple[float, float]:
    values = deviation[~missing]
    return float(values.min()), float(values.max())


def _zscale(deviation: np.ndarray, missing: np.ndarray) -> tuple[float, float]:
    """Find the limits of IRAF's zscale, as astropy does."""
    from astropy.visualization import ZScaleInterval  # takes 0.3 s, and few ask for it

    low, high = ZScaleInterval().get_limits(deviation[~missing])
    return float(low), float(high)


def _linear(deviation: np.ndarray) -> np.ndarray:
    return deviation


def _asinh(softening: float) -> Callable[[np.ndarray], np.ndarray]:
    """Bend as Lupton et al. (1999, AJ 118, 1406): linear up to the softening, then logarithmic."""
    return lambda deviation: np.arcsinh(deviation / softening)


# Another scaling is another line.
SCALINGS: dict[str, Scaling] = {
    "asinh": Scaling(
        "asinh (8-bit stamps as they are)",
        Stretch(_sky_to_peak, _asinh(3)),
        Stretch(_about_sky, _linear),
    ),
    "zscale": Scaling("zscale (linear)", *[Stretch(_zscale, _linear)] * 2),
    "minmax": Scaling("lowest to highest pixel (linear)", *[Stretch(_all, _linear)] * 2),
    "faint": Scaling(
        "a harder asinh, for what is faint",
        Stretch(_sky_to_peak, _asinh(0.5)),
        Stretch(_about_sky_to_all, _asinh(1)),
    ),
}


def scale(pixels: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Scale a FITS stamp to 8 bits, by its own limits.

    Search and Template: asinh with a softening of 3 sigma, from 2 sigma below the sky up to the
    largest of the central 11 x 11 pixels' peak, the 99.5th percentile and 8 sigma above the sky.
    Difference: linear and symmetric about its level, out to the largest deviation in the central
    11 x 11 pixels, but 4 sigma at least and 10 at most.

    Parameters
    ----------
    pixels : ndarray of float, shape (H, W)
        NaN and the like become `missing`.
    kind : str
        One of `stamps.KINDS`.

    Returns
    -------
    gray : ndarray of uint8, shape (H, W)
        A constant stamp is 128 all over.
    missing : ndarray of bool, shape (H, W)
        See `missing_pixels`.
    """
    measured = sky(pixels)
    return _gray(_share(pixels, measured, Look().scaling, kind)), measured.missing


def _share(pixels: np.ndarray, measured: Sky, scaling: str, kind: str) -> np.ndarray:
    """Return which share of the range each pixel has reached (H, W): 0 is black, 1 is white."""
    level, sigma, missing = measured
    if not sigma > 0:
        return np.full(pixels.shape, _GREY)
    # what stands where there is no value can be too large to reckon with
    deviation = (np.where(missing, level, pixels.astype(np.float64)) - level) / sigma
    chosen = SCALINGS.get(scaling, SCALINGS[Look().scaling])
    stretch = chosen.difference if kind == stamps.DIFFERENCE else chosen.image
    low, high = stretch.curve(np.array(stretch.limits(deviation, missing), float))
    if not high > low:
        return np.full(pixels.shape, _GREY)
    return (stretch.curve(deviation) - low) / (high - low)


def _gray(share: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def shade(stamp: Stamp, look: Look) -> np.ndarray:
    """Return a stamp's 8 bits in another look, as uint8 (H, W).

    FITS stamps are scaled from their values, 8-bit ones from their 8 bits, which the first
    scaling leaves as they are.
    """
    if look == Look():
        return stamp.gray
    pixels = stamp.pixels.astype(np.float64)
    if stamp.pixels.dtype != np.uint8:
        share = _share(pixels, sky(pixels), look.scaling, stamp.kind)
    elif look.scaling == Look().scaling or look.scaling not in SCALINGS:
        share = pixels / 255
    else:  # black is a value there
        measured = sky(pixels)._replace(missing=stamp.missing)
        share = _share(pixels, measured, look.scaling, stamp.kind)
    share = (share - look.bias) * look.contrast + 0.5
    return _gray(1 - share if look.inverted else share)


def pictures(triplet: Sequence[Stamp], side: int, look: Look) -> list[bytes]:
    """Draw the stamps of a triplet at one zoom, at which the largest fits into a square.

    Parameters
    ----------
    triplet : sequence of Stamp
    side : int
        Of the square, in screen pixels.
    look : Look

    Returns
    -------
    list of bytes
        See `picture`.
    """
    extent = max(length for stamp in triplet for length in stamp.gray.shape)
    return [picture(stamp, side, look, extent) for stamp in triplet]


def picture(stamp: Stamp, side: int, look: Look | None = None, extent: int | None = None) -> bytes:
    """Draw a stamp as large as fits into a square, by nearest neighbour, keeping its shape.

    Parameters
    ----------
    stamp : Stamp
    side : int
        Of the square, in screen pixels.
    look : Look, optional
    extent : int, optional
        How many of the stamp's pixels the square holds in a row; if not given, its longer side.

    Returns
    -------
    bytes
        A PGM (P5), which Tk reads without a decoder; or a PPM (P6), if there are missing pixels,
        which have `MISSING_COLOUR`.
    """
    height, width = stamp.gray.shape
    zoom = side / (extent or max(height, width))
    rows, columns = max(1, round(height * zoom)), max(1, round(width * zoom))
    colours, form = shade(stamp, look or Look()), b"P5"
    if stamp.missing.any():
        colours, form = np.repeat(colours[:, :, None], 3, axis=2), b"P6"
        colours[stamp.missing] = MISSING_COLOUR
    down = (np.arange(rows) * height) // rows
    across = (np.arange(columns) * width) // columns
    # First the few rows, then whole rows at once. Indexing would leave the bytes in another order
    # in memory, and take ten times as long.
    large = colours.take(across, axis=1).take(down, axis=0)
    return b"%b %d %d 255 " % (form, columns, rows) + large.tobytes()
