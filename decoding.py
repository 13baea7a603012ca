"""Bytes become pixels: 8-bit and 16-bit pictures, FITS images, and FITS images in compressed tiles.

The bytes are taken for hostile. What they say of themselves is looked at before a decoder sees
them, so that none takes more time or memory than a stamp does, and FITS is read here, which needs
no more than numpy; only tiles go to astropy, in a process of its own (tiles.py). A stamp's fault
and one of this machine are told apart. In every array row 0 is the top of the picture. numpy and
Pillow come with the first pixel.
"""

from __future__ import annotations

import io
import logging
import math
import re
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import tiles
from archive import MEMBER_LIMIT, StampError

if TYPE_CHECKING:
    import numpy as np

MISSING_LIMIT = 1e30  # at and beyond it a pixel is missing: some files hold -3.4e38 for that
SIDE_LIMIT = 1024  # pixels; the surveys' stamps have 30 to 121
_PARTS = 1000  # of a picture that its decoder goes through one by one; ours have less than ten
_SCANS = 64  # of a JPEG, each of which may touch all pixels; progressive ones have some ten
_SPARE = 1 << 18  # bytes of a picture beyond eight a pixel: colours, comments, thumbnails
_HDUS = 32  # in which a FITS image is looked for; LSST's stamps have three
_HEADER_LIMIT = 256 << 10  # bytes of a FITS header: 3276 cards
_CARD, _FITS_BLOCK = 80, 2880
_FITS_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_FEW = 30  # photons on average in a pixel, of which no other has none by chance
log = logging.getLogger("artifactspy")


class ToolError(Exception):
    """Stamps cannot be decoded on this machine, whatever is in them; the message is a sentence."""

    def __init__(self, error: BaseException):
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        super().__init__(
            f"{sys.executable} cannot decode stamps ({type(error).__name__}: {lines[0][:200]}): "
            "nothing is said against any stamp, and all labels are safe. Start again without "
            "PYTHONPATH if that is set, else install numpy, astropy and Pillow anew."
        )


def decode(data: bytes, suffix: str) -> np.ndarray:
    """Decode one stamp.

    Parameters
    ----------
    data : bytes
        The file.
    suffix : str
        A key of `READERS`, which says how.

    Returns
    -------
    ndarray, shape (H, W)
        uint8 of an 8-bit picture, or floating point: the values of a 16-bit picture, or those of a
        FITS image in its own unit, NaN where it has none.

    Raises
    ------
    StampError
        It is damaged, too large or no image.
    ToolError
        The stamp is not to blame: something is not installed, or not as it should be.
    """
    try:
        return READERS[suffix](data)
    except StampError:
        raise
    except (ImportError, MemoryError) as error:  # within our bounds memory is never the stamp's
        raise ToolError(error) from error
    except Exception as error:  # whatever a decoder makes of hostile bytes costs one stamp
        try:
            READERS[suffix](sample(_picture_form(data)))
        except Exception as also:
            raise ToolError(also) from error
        raise StampError("damaged") from error


def sample(form: str | None = None) -> bytes:
    """Return a stamp that is certainly good: a picture, if Pillow's name of a format is given."""
    if form is None:
        cards = "SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 8", "END"
        header = "".join(card.ljust(_CARD) for card in cards)
        return header.ljust(_FITS_BLOCK).encode() + bytes(range(64)).ljust(_FITS_BLOCK, b"\0")
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, form)
    return file.getvalue()


def _bound(width: int, height: int) -> None:
    if not (0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT):
        raise StampError(f"{width} x {height} pixels, and at most {SIDE_LIMIT} a side are shown")


# Pictures


def _read_picture(data: bytes) -> np.ndarray:
    """Decode a picture: 8 bits to uint8, 16 to floating point."""
    form = _picture_form(data)
    if form is None:
        raise StampError("neither GIF nor PNG nor JPEG")
    try:
        width, height = _PICTURES[form][1](data)
    except (IndexError, struct.error) as error:
        raise StampError("it ends too early") from error
    _bound(width, height)
    if len(data) > 8 * width * height + _SPARE:
        raise StampError(f"{len(data)} bytes, more than {width} x {height} pixels can need")
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=(form,)) as picture:
        _bound(*picture.size)
        picture.load()  # an older numpy would take one that cannot be for an object without pixels
        if picture.mode.startswith("I"):
            return np.asarray(picture).astype(np.float32)
        if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            raise StampError(f"a picture of mode {picture.mode}, of neither 8 nor 16 bits")
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"))


def _picture_form(data: bytes) -> str | None:
    return next((form for form, (magic, _) in _PICTURES.items() if data.startswith(magic)), None)


def _gif_size(data: bytes) -> tuple[int, int]:
    """Return what a GIF's screen and its first image cover, of which memory is made."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    blocks = 0
    while data[at] == ord("!"):
        at += 2
        if not data[at] and data[at - 1] != 0xFE:  # of which decoders make different things
            break
        while data[at]:
            at += 1 + data[at]
            blocks += 1
        at, blocks = at + 1, blocks + 1
        if blocks > _PARTS:
            raise StampError(f"more than {_PARTS} blocks before its image")
    if data[at] != ord(","):
        raise StampError("damaged")
    left, top, across, down = struct.unpack_from("<4H", data, at + 1)
    return max(width, left + across), max(height, top + down)


def _png_size(data: bytes) -> tuple[int, int]:
    at, kind = 8, b""
    for _ in range(_PARTS):
        if at >= len(data) or kind == b"IEND":
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
    raise StampError(f"more than {_PARTS} chunks")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    if data.count(b"\xff\xda") > _SCANS:
        raise StampError(f"more than {_SCANS} scans")
    at, size = 2, (0, 0)
    for _ in range(_PARTS):
        mark, kind, length = struct.unpack_from(">BBH", data, at)
        if mark != 0xFF or kind <= 1 or 0xD0 <= kind <= 0xD9:
            break
        if kind == 0xFF:  # fills up
            at += 1
            continue
        if kind == 0xDA:
            return size
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = max(width, size[0]), max(height, size[1])
        at += 2 + length
    raise StampError("damaged")


# What a picture begins with, and what finds its width and height and bounds its parts
_PICTURES: dict[str, tuple[bytes, Callable[[bytes], tuple[int, int]]]] = {
    "GIF": (b"GIF8", _gif_size),
    "PNG": (b"\x89PNG\r\n\x1a\n", _png_size),
    "JPEG": (b"\xff\xd8\xff", _jpeg_size),
}


# FITS


class _Hdu(NamedTuple):
    """One header and data unit: its cards that have a value, and where its parts begin and end."""

    cards: dict[str, str]
    begin: int
    body: int
    end: int

    def number(self, key: str, default: int | None = None) -> int:
        text = self.cards.get(key)
        if text is None and default is not None:
            return default
        if text is None or not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise StampError(f"its header says no {key}")
        return int(text)

    def real(self, key: str, default: float) -> float:
        return float(self.cards.get(key, str(default)).upper().replace("D", "E"))

    def axes(self, prefix: str = "") -> list[int]:
        """Return the lengths of its axes, the last that its header names first, as in an array."""
        count = self.number(f"{prefix}NAXIS", 0)
        if not 0 <= count <= 9:
            raise StampError(f"an array of {count} dimensions")
        sides = [self.number(f"{prefix}NAXIS{n}") for n in range(count, 0, -1)]
        if min(sides, default=0) < 0:
            raise StampError("a negative number of pixels")
        return sides


def _hdus(data: bytes) -> Iterator[_Hdu]:
    begin = 0
    for _ in range(_HDUS):
        if begin >= len(data):
            return
        cards, body = _cards(data, begin)
        hdu = _Hdu(cards, begin, body, body)
        sides = hdu.axes()
        size = math.prod(sides) if sides else 0
        size = (size + hdu.number("PCOUNT", 0)) * hdu.number("GCOUNT", 1)
        size = size * abs(hdu.number("BITPIX")) // 8
        if size < 0:
            raise StampError("a negative number of bytes")
        end = body + size + -size % _FITS_BLOCK
        yield hdu._replace(end=end)
        begin = end


def _cards(data: bytes, begin: int) -> tuple[dict[str, str], int]:
    """Return a header's cards, the first of each name, and where it ends."""
    cards: dict[str, str] = {}
    last = min(begin + _HEADER_LIMIT, len(data) - _CARD)
    for at in range(begin, last + 1, _CARD):
        card = data[at : at + _CARD].decode("latin-1")
        key = card[:8].rstrip()
        if at == begin and key not in ("SIMPLE", "XTENSION"):
            raise StampError("damaged" if begin else "no FITS file")
        if key == "END":
            return cards, at + _CARD + -(at + _CARD - begin) % _FITS_BLOCK
        if card[8:9] == "=":
            text = card[9:].strip()
            quoted = re.match(r"'([^']*)'", text)
            cards.setdefault(key, quoted[1].rstrip() if quoted else text.partition("/")[0].rstrip())
    raise StampError("a header without an end" if last < len(data) - _CARD else "it ends too early")


def _read_fits(data: bytes) -> np.ndarray:
    """Decode the first image of a FITS file, packed by gzip or not, to floating point."""
    if data.startswith(b"\x1f\x8b"):
        data = _unzipped(data)
    for hdu in _hdus(data):
        tiled = hdu.cards.get("ZIMAGE") == "T"
        sides = hdu.axes("Z" if tiled else "")
        if not (tiled or hdu.cards.get("XTENSION", "IMAGE") == "IMAGE") or math.prod(sides) == 0:
            continue
        while len(sides) > 2 and sides[0] == 1:
            del sides[0]
        if len(sides) >= 2:
            break
    else:
        raise StampError("no image in it")
    if len(sides) > 2:
        _tell_of_cube(sides)
    height, width = sides[-2:]
    _bound(width, height)
    import numpy as np

    bitpix = hdu.number("ZBITPIX" if tiled else "BITPIX")
    if bitpix not in _FITS_TYPES:
        raise StampError(f"pixels of BITPIX {bitpix}")
    if tiled:
        blank = "BLANK" if "BLANK" in hdu.cards else "ZBLANK"
        raw = tiles.read(_tiled(data, hdu, bitpix), height, width)
    elif hdu.body + height * width * abs(bitpix) // 8 > len(data):
        raise StampError("it ends too early")
    else:
        blank = "BLANK"
        raw = np.frombuffer(data, _FITS_TYPES[bitpix], height * width, hdu.body)
        raw = raw.reshape(height, width)
    with np.errstate(all="ignore"):
        pixels = raw.astype(np.float32 if bitpix == -32 else np.float64)
        if {"BSCALE", "BZERO"} & hdu.cards.keys():
            pixels = np.multiply(pixels, hdu.real("BSCALE", 1)) + hdu.real("BZERO", 0)
    if bitpix < 0:
        pixels[_empty(pixels) | np.isnan(pixels)] = np.nan  # one NaN, that no arithmetic warns of
    elif blank in hdu.cards:
        pixels[raw == hdu.real(blank, 0)] = np.nan
    return pixels[::-1]  # FITS counts rows from the bottom, ours begin at the top


def _unzipped(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(31)
    unpacked = unpacker.decompress(data, MEMBER_LIMIT)
    if not unpacker.eof:
        large = len(unpacked) == MEMBER_LIMIT
        raise StampError(f"larger than {MEMBER_LIMIT} bytes" if large else "it ends too early")
    return unpacked


_told = set[str]()


def _tell_of_cube(sides: list[int]) -> None:
    shape = " x ".join(map(str, reversed(sides)))
    if not _told:  # a drop has thousands of them
        log.warning("A FITS stamp is a cube of %s pixels: of such its first plane is shown.", shape)
    _told.add(shape)


def _tiled(data: bytes, hdu: _Hdu, bitpix: int) -> bytes:
    """Return a file of one image in tiles, whose pixels are as they stand there.

    Integers are scaled here, and their blank is found here: versions of astropy differ in that.
    """
    if not 0 < hdu.end <= len(data) + _FITS_BLOCK:
        raise StampError("it ends too early")
    header = data[hdu.begin : hdu.body]
    drop = ("BSCALE", "BZERO") if bitpix < 0 else ("BSCALE", "BZERO", "BLANK", "ZBLANK")
    cards = [header[at : at + _CARD] for at in range(0, len(header), _CARD)]
    kept = (b" " * _CARD if card[:8].rstrip().decode("latin-1") in drop else card for card in cards)
    return b"".join(kept) + data[hdu.body : hdu.end]


def _empty(pixels: np.ndarray) -> np.ndarray:
    """Tell where a FITS image of floating point (H, W) is zero for lack of a value.

    That is at exact zeros which fill, with what is missing anyhow, a row, a column or 3 x 3 pixels:
    a subtraction leaves none such, a masked area or a CCD's edge does. Where most of the others are
    small integers, photons are counted, of which there can be none.
    """
    import numpy as np

    zero = pixels == 0
    others = pixels[~zero & (np.abs(pixels) < MISSING_LIMIT)]
    counts = (others == np.rint(others)) & (np.abs(others) < _FEW)
    if not zero.any() or 2 * counts.sum() > others.size:
        return np.zeros(pixels.shape, bool)
    nothing = zero | ~(np.abs(pixels) < MISSING_LIMIT)
    block = nothing[:-2] & nothing[1:-1] & nothing[2:]
    block = block[:, :-2] & block[:, 1:-1] & block[:, 2:]
    empty = nothing & (nothing.all(axis=1, keepdims=True) | nothing.all(axis=0, keepdims=True))
    height, width = block.shape
    for row, column in np.ndindex(3, 3) if block.any() else ():
        empty[row : row + height, column : column + width] |= block
    return empty


# A file name's suffix -> what reads it. Another format is another line and its function.
READERS: dict[str, Callable[[bytes], np.ndarray]] = {
    ".gif": _read_picture,
    ".png": _read_picture,
    ".jpg": _read_picture,
    ".jpeg": _read_picture,
    ".fits": _read_fits,
    ".fit": _read_fits,
    ".fits.gz": _read_fits,
    ".fit.gz": _read_fits,
    ".fits.fz": _read_fits,
    ".fit.fz": _read_fits,
}
