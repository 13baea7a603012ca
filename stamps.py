"""A chunk of stamps, opened without unpacking it to disk, and each stamp decoded.

A chunk is a tar.gz that holds, for each detection, ``srchID.gif tempID.gif diffID.gif`` or the
same three as ``.fits``. Whatever arrives is taken for hostile: only names that are asked for are
read, and sizes are bounded before memory is taken. In every array row 0 is the top of the picture.
Importing this needs the standard library only; numpy, Pillow and astropy come with the first pixel.
How pixels look is in scaling.py.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import archive
from archive import CHUNK_LIMIT, MEMBER_LIMIT, StampError

if TYPE_CHECKING:
    import numpy as np

SEARCH, TEMPLATE, DIFFERENCE = KINDS = ("srch", "temp", "diff")
TITLES = ("Search", "Template", "Difference")  # what people call them
SIDE_LIMIT = 1024  # pixels; the surveys' stamps have 30 to 121

_STAMP = re.compile(r"(srch|temp|diff)([0-9]{1,32})(\.[a-z]{2,4})", re.ASCII)


class GoneError(StampError):
    """A chunk that was read cannot be read again: nothing is known against its stamps."""


def stem(path: str | Path) -> str:
    """Return a chunk's name: its file name without ``.tar.gz``."""
    return Path(path).name[: -len(".tar.gz")]


def metadata_stamp(name: str) -> str:
    """Return the STAMP of a chunk: what follows the last ``--``, or the whole name."""
    return name.rpartition("--")[2]


def parse_name(path: str) -> tuple[str, str, str] | None:
    """Split a stamp's file name into kind, Object ID and format.

    Returns
    -------
    tuple of str or None
        Such as ``("srch", "284239958", ".gif")``; None if it is not the name of a stamp.
    """
    match = _STAMP.fullmatch(_file_name(path))
    return (match[1], match[2], match[3]) if match and match[3] in READERS else None


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]  # pathlib takes ten times as long, which millions of names feel


def members(path: str | Path, limit: float = CHUNK_LIMIT) -> Iterator[tuple[str, bytes | None]]:
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
        The archive is no tar.gz, is damaged, ends too early or goes beyond a bound of `archive`.
    """
    for name, data in archive.files(path, lambda name: parse_name(name) is not None, limit):
        yield _file_name(name), data


class Part(NamedTuple):
    """One stamp as it came: its file's suffix, and its bytes or whatever stands for them."""

    suffix: str
    data: Any


class Triplets:
    """Puts the stamps of a stream together: goes through (Object ID, {kind: `Part`}).

    A triplet comes as soon as it is complete; the first stamp of each kind counts.

    Parameters
    ----------
    stream : iterable of (str, bytes or None)
        File names and contents; see `members`.
    wanted : container of str, optional
        The Object IDs to put together; all, if not given.

    Attributes
    ----------
    left : dict
        Object ID -> {kind: `Part`}, of those that are not complete so far.
    """

    def __init__(
        self, stream: Iterable[tuple[str, bytes | None]], wanted: Container[str] | None = None
    ):
        self._stream, self._wanted, self._done = stream, wanted, set[str]()
        self.left: dict[str, dict[str, Part]] = {}

    def __iter__(self) -> Iterator[tuple[str, dict[str, Part]]]:
        for name, data in self._stream:
            parsed = parse_name(name)
            if parsed is None or parsed[1] in self._done:
                continue
            kind, objid, suffix = parsed
            if self._wanted is not None and objid not in self._wanted:
                continue
            parts = self.left.setdefault(objid, {})
            parts.setdefault(kind, Part(suffix, data))
            if len(parts) == len(KINDS):
                self._done.add(objid)
                yield objid, self.left.pop(objid)


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

    def __init__(self, path: str | Path, at_once: bool = True, keeps: bool = True):
        self.path, self.keeps = Path(path), keeps
        self.name = stem(path)
        self.metadata_stamp = metadata_stamp(self.name)
        self.objids: list[str] = []
        self.incomplete: dict[str, str] = {}
        self.damage: str | None = None
        self.whole = False
        self._triplets: dict[str, dict[str, Part]] = {}
        self._reading = self._read()
        if at_once:
            self.read()

    def read(self, count: int | None = None) -> None:
        """Read on, until so many triplets more are complete or to the end."""
        for _ in islice(self._reading, count):
            pass

    def _read(self) -> Iterator[str]:
        stream = Triplets(members(self.path))
        try:
            for objid, parts in stream:
                large = [kind for kind in KINDS if parts[kind].data is None]
                if large:
                    why = f"{' and '.join(large)} larger than {MEMBER_LIMIT} bytes"
                    self.incomplete[objid] = why
                    continue
                self.objids.append(objid)
                if self.keeps:
                    self._triplets[objid] = parts
                yield objid
        except StampError as error:
            self.damage = str(error)
        for objid, parts in stream.left.items():
            lacking = [kind for kind in KINDS if kind not in parts]
            self.incomplete[objid] = f"{' and '.join(lacking)} missing"
        self.whole = True

    def forget(self) -> None:
        """Let go of the stamps, until one is asked for again."""
        self._triplets = {}

    def encoded(self, objid: str) -> dict[str, Part]:
        """Return the three stamps of a detection as they came, by kind.

        Raises
        ------
        GoneError
            The chunk had to be read again, and is not what it was.
        """
        if objid not in self._triplets:
            again = Chunk(self.path)
            if objid not in again.objids:
                raise GoneError(f"{self.path.name}: {again.damage or 'it has changed'}")
            self._triplets = again._triplets
        return self._triplets[objid]


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
        uint8 of an 8-bit picture, or floating point of a FITS image in its own unit, NaN and all.

    Raises
    ------
    StampError
        It is damaged, too large or no image.
    """
    try:
        return READERS[suffix](data)
    except (StampError, ModuleNotFoundError):  # the stamp is not to blame for what is not installed
        raise
    except MemoryError as error:
        raise StampError("too large for this machine's memory") from error
    except Exception as error:  # whatever a decoder makes of hostile bytes costs one stamp
        raise StampError("damaged") from error


def _bound(width: int, height: int) -> None:
    if not (0 < width <= SIDE_LIMIT and 0 < height <= SIDE_LIMIT):
        raise StampError(f"{width} x {height} pixels, and at most {SIDE_LIMIT} a side are shown")


def _read_picture(data: bytes) -> np.ndarray:
    """Decode an 8-bit picture to uint8, row 0 at the top."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=("GIF", "PNG", "JPEG")) as picture:
        _bound(*picture.size)
        if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            raise StampError(f"a picture of mode {picture.mode}, not of 8 bits")
        return np.asarray(picture if picture.mode == "L" else picture.convert("L"))


def _read_fits(data: bytes) -> np.ndarray:
    """Decode the first image of a FITS file to floating point, row 0 at the top."""
    import numpy as np
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ZTF writes SIMPLE in a free column: one warning a file
        with fits.open(io.BytesIO(data), memmap=False, lazy_load_hdus=True) as hdus:
            for hdu in hdus:
                shape: tuple[int, ...] = hdu.shape if hdu.is_image else ()
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
READERS: dict[str, Callable[[bytes], np.ndarray]] = {
    ".gif": _read_picture,
    ".png": _read_picture,
    ".jpg": _read_picture,
    ".fits": _read_fits,
    ".fit": _read_fits,
}
