"""A chunk of stamps, opened without unpacking it to disk, and its triplets ready to be shown.

A chunk is a tar.gz that holds, for each detection, ``srchID.gif tempID.gif diffID.gif`` or the
same three as ``.fits``. Whatever arrives is taken for hostile: only names that are asked for are
read, and sizes are bounded before memory is taken. In every array row 0 is the top of the picture.
Importing this needs the standard library only; numpy, Pillow and astropy come with the first pixel.
"""

import gzip
import io
import re
import tarfile
import warnings
import zlib
from itertools import islice
from pathlib import Path
from typing import NamedTuple

SEARCH, TEMPLATE, DIFFERENCE = KINDS = ("srch", "temp", "diff")
SIDE_LIMIT = 1024  # pixels; the surveys' stamps have 30 to 121
MEMBER_LIMIT = 32 << 20  # bytes: three planes of that size in double precision, with headers
CHUNK_LIMIT = 256 << 20  # bytes, unpacked; 50 triplets of 121 x 121 floats take 9 MB
MISSING_LIMIT = 1e30  # at and beyond it a pixel is missing: some files hold -3.4e38 for that
MISSING_COLOUR = (58, 47, 92)  # no grey, and dark: it says "nothing here" without drawing the eye

_STAMP = re.compile(r"(srch|temp|diff)([0-9]{1,32})(\.[a-z]{3,4})", re.ASCII)


class StampError(Exception):
    """Something could not be read; the message is a phrase that says why."""


class GoneError(StampError):
    """A chunk that was read cannot be read again: nothing is known against its stamps."""


class Stamp(NamedTuple):
    """One stamp: its values, and how they look.

    Attributes
    ----------
    pixels : ndarray, shape (H, W)
        uint8 of an 8-bit picture, or floating point of a FITS image in its own unit, NaN and all.
    gray : ndarray of uint8, shape (H, W)
        0 black to 255 white.
    missing : ndarray of bool, shape (H, W)
        True where there is no value to show.
    kind : str
        One of `KINDS`.
    """

    pixels: object
    gray: object
    missing: object
    kind: str = SEARCH


class Look(NamedTuple):
    """How a person wants to see the stamps; without arguments as the program chooses.

    Attributes
    ----------
    scaling : str
        A key of `SCALINGS`.
    inverted : bool
        The bright ones dark, as on a photographic plate.
    bias : float
        Which share of the range, from 0 to 1, becomes middle grey.
    contrast : float
        The slope there: 1 shows the whole range, more is harder.
    """

    scaling: str = "asinh"
    inverted: bool = False
    bias: float = 0.5
    contrast: float = 1.0


def stem(path):
    """Return a chunk's name: its file name without ``.tar.gz``."""
    return Path(path).name[: -len(".tar.gz")]


def metadata_stamp(name):
    """Return the STAMP of a chunk: what follows the last ``--``, or the whole name."""
    return name.rpartition("--")[2]


def parse_name(path):
    """Split a stamp's file name into kind, Object ID and format.

    Returns
    -------
    tuple of str or None
        Such as ``("srch", "284239958", ".gif")``; None if it is not the name of a stamp.
    """
    match = _STAMP.fullmatch(_file_name(path))
    return match.groups() if match and match[3] in READERS else None


def _file_name(path):
    return path.rpartition("/")[2]  # pathlib takes ten times as long, which millions of names feel


class _Bounded:
    """A file to read from, up to so many bytes and no more."""

    def __init__(self, file, limit):
        self._file, self._left = file, limit

    def read(self, size):
        self._left -= size
        if self._left < 0:
            raise StampError("it unpacks to more than it may")
        return self._file.read(size)


def members(path, limit=CHUNK_LIMIT):
    """Go through the stamps in a tar.gz in their order, with no more than one in memory.

    Parameters
    ----------
    path : Path
        The archive.
    limit : float
        How many bytes it may unpack to.

    Yields
    ------
    name : str
        The file name of a stamp, without folders; see `parse_name`.
    data : bytes or None
        Its content; None if it is larger than `MEMBER_LIMIT`.

    Raises
    ------
    StampError
        The archive is no tar.gz, is damaged, ends too early or is larger than `limit`.
    """
    try:
        with gzip.open(path) as unpacked:
            source = _Bounded(unpacked, limit)
            with tarfile.open(fileobj=source, mode="r|") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # tarfile remembers each one otherwise
                    if member.isfile() and parse_name(member.name):
                        small = member.size <= MEMBER_LIMIT
                        data = archive.extractfile(member).read() if small else None
                        yield _file_name(member.name), data
            while source.read(1 << 16):  # only at its very end does gzip compare the checksum
                pass
    except (EOFError, zlib.error, tarfile.TarError, gzip.BadGzipFile, ValueError) as error:
        if isinstance(error, EOFError) or "unexpected end" in str(error):
            raise StampError("it ends too early") from error
        if isinstance(error, gzip.BadGzipFile) or str(error) == "empty file":
            raise StampError("it is no tar.gz, or a damaged one") from error
        raise StampError("it is damaged") from error
    except OSError as error:
        raise StampError(f"it cannot be read ({error.strerror})") from error


class Chunk:
    """The triplets of one tar.gz, in memory.

    Parameters
    ----------
    path : Path
        The archive. Nothing raises if it cannot be read.
    at_once : bool
        If not, `read` reads it, portion by portion.
    keeps : bool
        If not, it learns what is there and lets go of the stamps; see `forget`.

    Attributes
    ----------
    name, metadata_stamp : str
        The file name's stem, and what rows of its detections carry.
    objids : list of str
        The detections whose three stamps are there, in the order in which they were complete.
    incomplete : dict
        Object ID -> why the triplet cannot be shown, for the others.
    damage : str or None
        What is wrong with the archive itself. Nobody knows what else it held, and the
        detections listed as incomplete may only have been cut off.
    whole : bool
        It was read to its end, and what stands above is all that there is.
    """

    def __init__(self, path, at_once=True, keeps=True):
        self.path, self.keeps = Path(path), keeps
        self.name = stem(path)
        self.metadata_stamp = metadata_stamp(self.name)
        self.objids, self.incomplete, self.damage, self.whole = [], {}, None, False
        self._parts = {}
        self._reading = self._read()
        if at_once:
            self.read()

    def read(self, count=None):
        """Read on, until so many triplets more are complete or to the end."""
        for _ in islice(self._reading, count):
            pass

    def _read(self):
        try:
            for name, data in members(self.path):
                kind, objid, suffix = parse_name(name)
                if self._take(kind, objid, suffix, data):
                    yield objid
        except StampError as error:
            self.damage = str(error)
        for objid, parts in list(self._parts.items()):
            lacking = [kind for kind in KINDS if kind not in parts]
            large = [kind for kind, (_, data) in parts.items() if data is None]
            if lacking:
                self.incomplete[objid] = f"{' and '.join(lacking)} missing"
            elif large:
                self.incomplete[objid] = f"{' and '.join(large)} larger than {MEMBER_LIMIT} bytes"
            if lacking or large:
                del self._parts[objid]
                self.objids = [other for other in self.objids if other != objid]
        self.whole = True

    def _take(self, kind, objid, suffix, data):
        """Keep a stamp; tell whether it was the last that its triplet lacked."""
        parts = self._parts.setdefault(objid, {})
        if kind in parts:  # the first of several counts
            return False
        parts[kind] = suffix, data if data is None or self.keeps else b""
        if len(parts) < len(KINDS):
            return False
        self.objids.append(objid)
        return True

    def forget(self):
        """Let go of the stamps, until one is asked for again."""
        self._parts = {}

    def triplet(self, objid):
        """Read the Search, Template and Difference stamp of a detection.

        Returns
        -------
        tuple of three Stamp

        Raises
        ------
        StampError
            One of them cannot be read; the message names it and says why. `GoneError`, if
            the chunk had to be read again and is not what it was.
        """
        if objid not in self._parts:
            again = Chunk(self.path)
            if objid not in again.objids:
                raise GoneError(f"{self.path.name}: {again.damage or 'it has changed'}")
            self._parts = again._parts
        stamps = []
        for kind in KINDS:
            suffix, data = self._parts[objid][kind]
            try:
                stamps.append(read(data, suffix, kind))
            except StampError as error:
                raise StampError(f"{kind}{objid}{suffix}: {error}") from error
        return tuple(stamps)


def read(data, suffix, kind):
    """Decode one stamp, and scale it.

    Parameters
    ----------
    data : bytes
        The file.
    suffix : str
        A key of `READERS`, which says how.
    kind : str
        One of `KINDS`; Difference is scaled in a way of its own.

    Returns
    -------
    Stamp

    Raises
    ------
    StampError
        It is damaged, too large or no image.
    """
    import numpy as np

    pixels = decode(data, suffix)
    if pixels.dtype == np.uint8:
        return Stamp(pixels, pixels, np.zeros(pixels.shape, bool), kind)
    return Stamp(pixels, *scale(pixels, kind), kind)


def decode(data, suffix):
    """Decode one stamp to its `Stamp.pixels` alone; parameters and errors are those of `read`."""
    try:
        return READERS[suffix](data)
    except (StampError, ModuleNotFoundError):  # the stamp is not to blame for what is not installed
        raise
    except MemoryError as error:
        raise StampError("too large for this machine's memory") from error
    except Exception as error:  # whatever a decoder makes of hostile bytes costs one stamp
        raise StampError("damaged") from error


def _bound(width, height):
    if not (0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT):
        raise StampError(f"{width} x {height} pixels, and at most {SIDE_LIMIT} a side are shown")


def _read_picture(data):
    """Decode an 8-bit picture to uint8, row 0 at the top."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("GIF", "PNG", "JPEG")) as picture:
        _bound(*picture.size)
        if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            raise StampError(f"a picture of mode {picture.mode}, not of 8 bits")
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"))


def _read_fits(data):
    """Decode the first image of a FITS file to floating point, row 0 at the top."""
    import numpy as np
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ZTF writes SIMPLE in a free column: one warning a file
        with fits.open(io.BytesIO(data), memmap=False, lazy_load_hdus=True) as hdus:
            for hdu in hdus:
                shape = hdu.shape if hdu.is_image else ()
                while len(shape) > 2 and shape[0] == 1:
                    shape = shape[1:]
                if len(shape) == 2:
                    break
            else:
                raise StampError("no image in it")
            _bound(shape[1], shape[0])
            values = np.asarray(hdu.data).reshape(shape)
            single = values.dtype.kind == "f" and values.dtype.itemsize <= 4
            # FITS counts rows from the bottom, ours begin at the top
            return values[::-1].astype(np.float32 if single else np.float64)


# A file name's suffix -> what reads it. Another format is another line and its function.
READERS = {
    ".gif": _read_picture,
    ".png": _read_picture,
    ".jpg": _read_picture,
    ".fits": _read_fits,
    ".fit": _read_fits,
}


def sky(pixels):
    """Measure the sky of a FITS stamp.

    Parameters
    ----------
    pixels : ndarray of float, shape (H, W)

    Returns
    -------
    level, sigma : float
        Median and 1.4826 times the median absolute deviation (that is the standard deviation of
        a Gaussian) of the pixels that are there; NaN if there are none. Where more than half of
        them are equal, sigma is their standard deviation instead, and 0 only if all are equal.
    missing : ndarray of bool, shape (H, W)
        See `missing_pixels`.
    """
    import numpy as np

    missing = missing_pixels(pixels)
    values = pixels[~missing].astype(np.float64)
    if not values.size:
        return np.nan, np.nan, missing
    level = np.median(values)
    sigma = 1.4826 * np.median(np.abs(values - level))
    return level, sigma or values.std(), missing


def missing_pixels(pixels):
    """Tell where a FITS stamp (H, W) has no value, as bool (H, W).

    That is at NaN, infinities, what is beyond `MISSING_LIMIT`, and exact zeros that fill a row, a
    column or 3 x 3 pixels: a subtraction leaves none such, a masked area or a CCD's edge does.
    """
    import numpy as np

    missing = ~(np.abs(pixels) < MISSING_LIMIT)
    zero = missing | (pixels == 0)
    block = zero[:-2] & zero[1:-1] & zero[2:]
    block = block[:, :-2] & block[:, 1:-1] & block[:, 2:]
    missing |= zero.all(axis=1, keepdims=True) | zero.all(axis=0, keepdims=True)
    height, width = block.shape
    for row, column in np.ndindex(3, 3) if block.any() else ():
        missing[row : row + height, column : column + width] |= block
    return missing


def scale(pixels, kind):
    """Scale a FITS stamp to 8 bits, by its own limits.

    Search and Template: asinh (Lupton et al. 1999, AJ 118, 1406) with a softening of 3 sigma,
    from 2 sigma below the sky up to the largest of the central 11 x 11 pixels' peak, the 99.5th
    percentile and 8 sigma above the sky. Difference: linear and symmetric about its level, out
    to the largest deviation in the central 11 x 11 pixels, but 4 sigma at least and 10 at most.

    Parameters
    ----------
    pixels : ndarray of float, shape (H, W)
        NaN and the like become `missing`.
    kind : str
        One of `KINDS`.

    Returns
    -------
    gray : ndarray of uint8, shape (H, W)
        A constant stamp is 128 all over.
    missing : ndarray of bool, shape (H, W)
        See `sky`.
    """
    level, sigma, missing = sky(pixels)
    return _gray(_asinh(_filled(pixels, level, missing), level, sigma, missing, kind)), missing


def _filled(pixels, level, missing):
    """Put the sky where there is no value: what stands there can be too large to reckon with."""
    import numpy as np

    return np.where(missing, level, pixels)


def _gray(share):
    """Make 8 bits of shares of the range, of which 0 is black and 1 white."""
    import numpy as np

    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


# Each scaling returns the share of the range that each pixel has reached, not clipped, as an
# array of float, shape (H, W). Missing pixels come filled with the sky. Where nothing can be told
# apart the share is that of middle grey.


def _asinh(pixels, level, sigma, missing, kind, softening=3.0):
    """Scale as `scale` says."""
    import numpy as np

    if not sigma > 0:
        return np.full(pixels.shape, 128 / 255)
    deviation = (pixels - level) / sigma
    row, column = (max(0, side // 2 - 5) for side in pixels.shape)
    centre = deviation[row : row + 11, column : column + 11]
    if kind == DIFFERENCE:
        limit = np.clip(np.abs(centre).max(), 4, 10)
        return (deviation + limit) / (2 * limit)
    white = max(centre.max(), np.percentile(deviation[~missing], 99.5), 8)
    share = np.arcsinh(deviation / softening) - np.arcsinh(-2 / softening)
    return share / (np.arcsinh(white / softening) - np.arcsinh(-2 / softening))


def _faint(pixels, level, sigma, missing, kind):
    """Scale by a harder asinh, which lifts the faint, and bends Difference as well.

    The softening is 0.5 sigma; Difference has one of 1 sigma and reaches as far as its pixels do.
    """
    import numpy as np

    if kind != DIFFERENCE or not sigma > 0:
        return _asinh(pixels, level, sigma, missing, kind, softening=0.5)
    deviation = (pixels - level) / sigma
    limit = np.arcsinh(max(4, np.abs(deviation).max()))
    return (np.arcsinh(deviation) + limit) / (2 * limit)


def _zscale(pixels, level, sigma, missing, kind):
    """Scale linearly between the limits of IRAF's zscale, as astropy finds them."""
    from astropy.visualization import ZScaleInterval

    values = pixels[~missing]
    return _linear(pixels, *(ZScaleInterval().get_limits(values) if values.size else ()))


def _minmax(pixels, level, sigma, missing, kind):
    """Scale linearly from the lowest pixel to the highest."""
    values = pixels[~missing]
    return _linear(pixels, *((values.min(), values.max()) if values.size else ()))


def _linear(pixels, low=0.0, high=0.0):
    import numpy as np

    if not high > low:
        return np.full(pixels.shape, 128 / 255)
    return (pixels - low) / (high - low)


# What a look can name -> how it is called, what does it. Another stretch is another line.
SCALINGS = {
    "asinh": ("asinh (8-bit stamps as they are)", _asinh),
    "zscale": ("zscale (linear)", _zscale),
    "minmax": ("lowest to highest pixel (linear)", _minmax),
    "faint": ("a harder asinh, for what is faint", _faint),
}


def shade(stamp, look):
    """Return a stamp's 8 bits in another look; see `Look`.

    FITS stamps are scaled from their values, 8-bit ones from their 8 bits, which the first
    scaling leaves as they are.

    Returns
    -------
    ndarray of uint8, shape (H, W)
    """
    import numpy as np

    if look == Look():
        return stamp.gray
    eight_bits = stamp.pixels.dtype == np.uint8
    pixels = stamp.pixels.astype(np.float64)
    if look.scaling == "asinh" and eight_bits:
        share = pixels / 255
    else:
        level, sigma, missing = sky(pixels)
        missing = stamp.missing if eight_bits else missing  # black is a value there
        pixels = _filled(pixels, level, missing)
        share = SCALINGS[look.scaling][1](pixels, level, sigma, missing, stamp.kind)
    share = (share - look.bias) * look.contrast + 0.5
    return _gray(1 - share if look.inverted else share)


def pictures(triplet, side, look):
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


def picture(stamp, side, look=None, extent=None):
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
    import numpy as np

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
