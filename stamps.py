"""A chunk of stamps, opened without unpacking it to disk.

A chunk is a tar.gz that holds, for each detection, ``srchID.gif tempID.gif diffID.gif`` or the
same three as ``.fits``. Whatever arrives is taken for hostile: only names that are asked for are
read, and within the bounds of archive.py. How a stamp becomes pixels is in decoding.py, how these
look in scaling.py. Importing this needs the standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import archive
import facts
from archive import CHUNK_LIMIT, MEMBER_LIMIT, MEMBERS_LIMIT, StampError
from decoding import READERS, SIDE_LIMIT, ToolError, decode, sample

__all__ = [  # and what the rooms behind this one have for its users
    "CHUNK_LIMIT",
    "MEMBERS_LIMIT",
    "MEMBER_LIMIT",
    "READERS",
    "SIDE_LIMIT",
    "StampError",
    "ToolError",
    "decode",
    "sample",
]
SEARCH, TEMPLATE, DIFFERENCE = KINDS = ("srch", "temp", "diff")
TITLES = ("Search", "Template", "Difference")  # what people call them
# 8-bit pictures and FITS images; a triplet is of one, the first if it came as both
FORMATS = ("gif", "fits")

_STAMP = re.compile(r"(srch|temp|diff)([0-9]{1,32})((?:\.[A-Za-z]{2,4}){1,2})", re.ASCII)


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
        Such as ``("srch", "284239958", ".gif")``, the format in small letters; None if it is not
        the name of a stamp.
    """
    match = _STAMP.fullmatch(_file_name(path))
    suffix = match[3].lower() if match else ""
    return (match[1], match[2], suffix) if match and suffix in READERS else None


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]  # pathlib takes ten times as long, which millions of names feel


def members(
    path: str | Path,
    limit: float = CHUNK_LIMIT,
    other: Callable[[str, str | None], None] | None = None,
) -> Iterator[tuple[str, bytes | None]]:
    """Go through the stamps in a tar.gz in their order, with no more than one in memory.

    Yields
    ------
    name : str
        The file name of a stamp, without folders; see `parse_name`.
    data : bytes or None
        Its content; None if it is larger than `MEMBER_LIMIT`.

    Parameters and errors are those of `archive.files`.
    """
    for name, data in archive.files(path, lambda name: parse_name(name) is not None, limit, other):
        yield _file_name(name), data


class Part(NamedTuple):
    """One stamp as it came: its file's suffix, and its bytes or whatever stands for them."""

    suffix: str
    data: Any


_T = TypeVar("_T")


def format_of(suffix: str) -> str:
    """Return which of `FORMATS` the stamps of a suffix have."""
    return "fits" if suffix.lower().startswith(".fit") else "gif"


def one_format(
    came: Mapping[tuple[str, str], _T], wanted: str | None = None
) -> dict[str, _T] | None:
    """Choose a triplet of one format among all the stamps that came of a detection.

    Parameters
    ----------
    came : dict
        (kind, suffix) -> a stamp, in the order in which they came.
    wanted : str, optional
        The one of `FORMATS` to choose; if not given, the first that has all three kinds.

    Returns
    -------
    dict or None
        Kind -> stamp: all of one suffix if there are such, else the first of each kind. None if
        no format has all three.
    """
    for name in FORMATS if wanted is None else (wanted,):
        suffixes = dict.fromkeys(suffix for _, suffix in came if format_of(suffix) == name)
        for some in (*([suffix] for suffix in suffixes), suffixes):
            found = {kind: s for (kind, suffix), s in reversed([*came.items()]) if suffix in some}
            if len(found) == len(KINDS):
                return {kind: found[kind] for kind in KINDS}
    return None


def lacking(came: Iterable[tuple[str, str]]) -> str:
    """Return why `one_format` finds no triplet among the stamps of these kinds and suffixes."""
    kinds = {kind for kind, _ in came}
    missing = [kind for kind in KINDS if kind not in kinds]
    return (
        f"{' and '.join(missing)} missing" if missing else "no format has all three of its stamps"
    )


class Triplets:
    """Puts the stamps of a stream together: goes through (Object ID, {kind: `Part`}).

    A triplet comes as soon as `one_format` finds it; the first stamp of each name counts.

    Parameters
    ----------
    stream : iterable of (str, bytes or None)
        File names and contents; see `members`.
    wanted : container of str, optional
        The Object IDs to put together; all, if not given.

    Attributes
    ----------
    left : dict
        Object ID -> {(kind, suffix): `Part`}, of those that are not complete so far.
    """

    def __init__(
        self, stream: Iterable[tuple[str, bytes | None]], wanted: Container[str] | None = None
    ):
        self._stream, self._wanted, self._done = stream, wanted, set[str]()
        self.left: dict[str, dict[tuple[str, str], Part]] = {}

    def __iter__(self) -> Iterator[tuple[str, dict[str, Part]]]:
        for name, data in self._stream:
            parsed = parse_name(name)
            if parsed is None or parsed[1] in self._done:
                continue
            kind, objid, suffix = parsed
            if self._wanted is not None and objid not in self._wanted:
                continue
            came = self.left.setdefault(objid, {})
            came.setdefault((kind, suffix), Part(suffix, data))
            if len(came) >= len(KINDS) and (triplet := one_format(came)):
                self._done.add(objid)
                del self.left[objid]
                yield objid, triplet


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
    facts : dict
        Object ID -> a line of what is known of it; see `facts.read`.
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
        self.facts: dict[str, str] = {}
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
        stamps = self._members()
        if not self.keeps:  # by kind, as some archives are, all would be held till the last comes
            stamps = ((name, data if data is None else b"") for name, data in stamps)
        stream = Triplets(stamps)
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
        self.incomplete.update((objid, lacking(came)) for objid, came in stream.left.items())
        self.whole = True

    def _members(self) -> Iterator[tuple[str, bytes | None]]:
        """Go through the stamps as `members` does, and read the facts on the way."""

        def wanted(name: str) -> bool:
            return _file_name(name) == facts.FILE or parse_name(name) is not None

        for path, data in archive.files(self.path, wanted):
            name = _file_name(path)
            if name != facts.FILE:
                yield name, data
            elif data and not self.facts:
                self.facts = facts.read(data)

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
