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

import smoothing
import stamps
from decoding import MISSING_LIMIT
from look import Look

MISSING_COLOUR = (58, 47, 92)  # no grey, and dark: it says "nothing here" without drawing the eye
_GREY = 128 / 255
_NOTHING = 1e-30  # share of the largest value below which a scatter is none
# How the flux is found that Search and Template share: see `flux_ratio`. Lengths are in pixels.
_BLUR, _CENTRE, _ABOVE, _ENOUGH = 4.0, 6.0, 4.0, 20


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


def tick_pixels(stamp: Stamp) -> np.ndarray:
    """Tell which pixels of a stamp are ticks that were drawn into it, as bool (H, W)."""
    found = np.zeros(stamp.pixels.shape, bool)
    half = np.arange(min(found.shape) // 2)
    for down, across in ((1, 1), (1, -1), (-1, 1), (-1, -1)) if stamp.ticked else ():
        on = stamp.pixels[::down, ::across][half, half]
        length = int(np.argmin(np.append(on == on[0], False)))
        found[::down, ::across][half[:length], half[:length]] = True
    return found


def sky(pixels: np.ndarray, missing: np.ndarray | None = None) -> Sky:
    """Measure the sky of a stamp (H, W).

    The level is the median of the pixels that are there, sigma 1.4826 times their median absolute
    deviation (that is the standard deviation of a Gaussian); NaN if there are none. Where more
    than half of them are equal, sigma is their standard deviation instead, and 0 only if all are
    equal. Which are `missing` is that of a FITS stamp if not given: see `missing_pixels`.
    """
    if missing is None:
        missing = missing_pixels(pixels)
    values = pixels[~missing].astype(np.float64)
    if not values.size:
        return Sky(np.nan, np.nan, missing)
    level = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - level))
    if sigma <= _NOTHING * np.abs(values).max():
        sigma = values.std()
    return Sky(float(level), float(sigma), missing)


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
    """What a `Look` can name.

    Attributes
    ----------
    image, difference : Stretch
        Of Search and Template; of Difference.
    as_they_are : bool
        Stamps of 8 bits are left alone.
    one_scale : bool
        Search and Template are on one, so that the same shade is the same brightness.
    """

    image: Stretch
    difference: Stretch
    as_they_are: bool = False
    one_scale: bool = False


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
    # where most pixels are equal, it finds no slope and no range
    return (float(low), float(high)) if high > low else _all(deviation, missing)


def _linear(deviation: np.ndarray) -> np.ndarray:
    return deviation


def _asinh(softening: float) -> Callable[[np.ndarray], np.ndarray]:
    """Bend as Lupton et al. (1999, AJ 118, 1406): linear up to the softening, then logarithmic."""
    return lambda deviation: np.arcsinh(deviation / softening)


_USUAL = Stretch(_sky_to_peak, _asinh(3)), Stretch(_about_sky, _linear)
# Another scaling is another line, and its title in look.py.
SCALINGS: dict[str, Scaling] = {
    "asinh": Scaling(*_USUAL, as_they_are=True),
    "matched": Scaling(*_USUAL, as_they_are=True, one_scale=True),
    "zscale": Scaling(Stretch(_zscale, _linear), Stretch(_zscale, _linear)),
    "minmax": Scaling(Stretch(_all, _linear), Stretch(_all, _linear)),
    "faint": Scaling(Stretch(_sky_to_peak, _asinh(0.5)), Stretch(_about_sky_to_all, _asinh(1))),
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
    missing = missing_pixels(pixels)
    without_gray = Stamp(pixels.astype(np.float64), np.empty(0, np.uint8), missing, kind)
    (share,) = shares([without_gray], Look())
    return _gray(share), missing


# Looks


def shares(triplet: Sequence[Stamp], look: Look) -> list[np.ndarray]:
    """Return which share of the range each pixel has reached in a look: 0 is black, 1 is white.

    FITS stamps are scaled from their values. Stamps of 8 bits are, too, where they are smoothed or
    the look asks for more than the first scaling, which leaves them as they are.

    Parameters
    ----------
    triplet : sequence of Stamp
        Search and Template first, for them to be on one scale.
    look : Look

    Returns
    -------
    list of ndarray of float, each shape (H, W)
        Also below 0 and above 1, and of no meaning where a pixel is missing.
    """
    scaling = SCALINGS.get(look.scaling, SCALINGS[Look().scaling])
    alone = scaling.as_they_are and not look.smooth  # stamps of 8 bits are left so
    fields = [_field(stamp, look.smooth) for stamp in triplet]
    stretches = [
        scaling.difference if stamp.kind == stamps.DIFFERENCE else scaling.image
        for stamp in triplet
    ]
    matched = scaling.one_scale and _matched(triplet, fields)
    if matched:
        fields[1] = matched
    limits = [_limits(*each) for each in zip(fields, stretches)]
    if matched:
        lows, highs = zip(*limits[:2])
        limits[:2] = [(min(lows), max(highs))] * 2
    found = []
    for stamp, field, stretch, (low, high) in zip(triplet, fields, stretches, limits):
        if _has_8_bits(stamp) and (alone or not high > low):
            share = field.values / 255
        elif high > low:
            share = (stretch.curve(_deviation(field)) - low) / (high - low)
        else:  # nothing can be told apart
            share = np.full(field.values.shape, _GREY)
        share = (share - look.bias) * look.contrast + 0.5
        found.append(1 - share if look.inverted else share)
    return found


class _Field(NamedTuple):
    """A stamp's values in a look, as float64 (H, W), and the sky from which they deviate."""

    values: np.ndarray
    sky: Sky


def _field(stamp: Stamp, smooth: bool) -> _Field:
    values, without = stamp.pixels.astype(np.float64), stamp.missing
    if smooth:
        without = without | tick_pixels(stamp)  # which are no light
        values = smoothing.smoothed(values, without)
    return _Field(values, sky(values, without))


def _deviation(field: _Field) -> np.ndarray:
    """Return the deviation from the sky in units of its sigma, which is not 0."""
    level, sigma, missing = field.sky
    # what stands where there is no value can be too large to reckon with
    return (np.where(missing, level, field.values) - level) / sigma


def _limits(field: _Field, stretch: Stretch) -> tuple[float, float]:
    """Return what the curve makes of the limits; equal ones where nothing can be told apart."""
    if not field.sky.sigma > 0:
        return 0, 0
    limits = stretch.limits(_deviation(field), field.sky.missing)
    low, high = stretch.curve(np.array(limits, float))
    return low, high


def _has_8_bits(stamp: Stamp) -> bool:
    return stamp.pixels.dtype == np.uint8


def _gray(share: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


# Search and Template on one scale


def _matched(triplet: Sequence[Stamp], fields: Sequence[_Field]) -> _Field | None:
    """Return Template's field with such a sky that it deviates as Search's does.

    Of stamps of 8 bits, which were scaled each by itself and cut off at white, only the levels of
    the skies are matched. Where Search and Template share too little flux, their sigmas are. None
    if there is nothing to be matched.
    """
    if len(triplet) < 2 or _has_8_bits(triplet[0]) != _has_8_bits(triplet[1]):
        return None
    search, template = fields[:2]
    if _has_8_bits(triplet[0]):
        values = template.values + search.sky.level - template.sky.level
        return _Field(values, search.sky._replace(missing=template.sky.missing))
    if not (search.sky.sigma > 0 and template.sky.sigma > 0):
        return None
    ratio = flux_ratio(*triplet[:2])
    sigma = search.sky.sigma / ratio if ratio else template.sky.sigma
    return template._replace(sky=template.sky._replace(sigma=sigma))


def flux_ratio(search: Stamp, template: Stamp) -> float | None:
    """Return how many times brighter Search has what it shares with Template.

    Both are blurred by much more than their seeing may differ, after the detection in the centre
    is taken out, which may vary; the ratio is the median over the pixels where both stand well
    above their skies.

    Parameters
    ----------
    search, template : Stamp
        FITS stamps.

    Returns
    -------
    float or None
        None if they share too little to tell.
    """
    if search.pixels.shape != template.pixels.shape:
        return None
    height, width = search.pixels.shape
    y, x = np.ogrid[:height, :width]
    far = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) > _CENTRE
    used = far & ~search.missing & ~template.missing
    bright, blurred = used, []
    for stamp in (search, template):
        values = stamp.pixels.astype(np.float64)
        level = sky(values, stamp.missing).level
        blurred.append(smoothing.blurred(np.where(used, values - level, 0), _BLUR))
        bright = bright & (blurred[-1] > _ABOVE * sky(blurred[-1], ~used).sigma)
    if np.count_nonzero(bright) < _ENOUGH:
        return None
    return float(np.median(blurred[0][bright] / blurred[1][bright]))


# Pictures


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
        Each a PGM (P5), which Tk reads without a decoder; or a PPM (P6), if there are missing
        pixels, which have `MISSING_COLOUR`. What is not smooth is drawn by nearest neighbour.
    """
    zoom = side / max(length for stamp in triplet for length in stamp.gray.shape)
    usual = look == Look()
    shown = [stamp.gray for stamp in triplet] if usual else shares(triplet, look)
    found = []
    for stamp, share in zip(triplet, shown):
        rows, columns = (max(1, round(length * zoom)) for length in share.shape)
        missing = stamp.missing
        if look.smooth:
            gray = smoothing.interpolated(share, rows, columns)
            missing = _enlarged(missing, rows, columns)
            if stamp.ticked:
                gray[_enlarged(tick_pixels(stamp), rows, columns)] = 0 if look.inverted else 255
        else:
            gray = share if usual else _gray(share)
        colours, form = gray, b"P5"
        if missing.any():
            channels = [np.where(missing, np.uint8(value), gray) for value in MISSING_COLOUR]
            colours, form = np.stack(channels, axis=-1), b"P6"
        if not look.smooth:
            colours = _enlarged(colours, rows, columns)
        found.append(b"%b %d %d 255 " % (form, columns, rows) + colours.tobytes())
    return found


def picture(stamp: Stamp, side: int, look: Look | None = None) -> bytes:
    """Draw one stamp as large as fits into a square, keeping its shape: see `pictures`."""
    return pictures([stamp], side, look or Look())[0]


def _enlarged(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Draw an array (H, W, ...) at another size, by nearest neighbour."""
    height, width = array.shape[:2]
    down = (np.arange(rows) * height) // rows
    across = (np.arange(columns) * width) // columns
    # First the few rows, then whole rows at once. Indexing would leave the bytes in another order
    # in memory, and take ten times as long.
    return array.take(across, axis=1).take(down, axis=0)
