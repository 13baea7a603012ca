"""The stamps of a drop on their way into chunks, however many there are.

All are first copied into one unnamed file on the hub's disk, as kinds may come in any order, beside
an index of them (a private SQLite file in TMPDIR), so that memory stays the same. Standard library
only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Any, NamedTuple

import stamps
from cluster.chunks import UNPACKED_LIMIT, Content, size_in_archive
from cluster.hub import Hub, HubError, files_below, read
from cluster.tables import SCORE, Table, score
from cluster.terminal import Progress

_NAMED = 5  # of the incomplete detections, in the summary
_UNREADABLE = f"cannot be read, or is larger than {stamps.MEMBER_LIMIT} bytes"
_INDEX = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32768;
CREATE TABLE known (objid TEXT PRIMARY KEY, came INTEGER DEFAULT 0);
CREATE TABLE stamp (objid TEXT, kind INTEGER, suffix TEXT, place INTEGER, size INTEGER,
                    source INTEGER);
CREATE TABLE found (objid TEXT PRIMARY KEY, source INTEGER, place INTEGER, parts TEXT, size INTEGER,
                    score REAL, fields TEXT);
BEGIN;
"""


class _Stamp(NamedTuple):
    """A row of the index: a stamp as it came, where in the file it is; no place: not readable."""

    objid: str
    kind: int
    suffix: str
    place: int | None
    size: int | None
    source: int


class Matched(NamedTuple):
    """How many detections came, those that the hub has included, and how many lack a stamp.

    `why` has the Object IDs of the first few of these, and what they lack.
    """

    found: int
    incomplete: int
    why: list[tuple[str, str]]

    def lines(self) -> Iterator[str]:
        """Go through the lines that tell of the incomplete ones."""
        for objid, reasons in self.why:
            yield f"  {objid}: {reasons}"
        if self.incomplete > len(self.why):
            yield f"  and {self.incomplete - len(self.why)} more"


class Joined(NamedTuple):
    """What a table was worth.

    `unused` rows belong to no detection that came or that the hub has, `lacking` whole triplets
    have no row; `any_fits` tells whether there is a row of any detection that came.
    """

    unused: int
    lacking: int
    any_fits: bool


class Drop:
    """The stamps' bytes in one file, an index of them in another; to be used as a context.

    In the index, `stamp` has every stamp as it came, `known` the detections that the hub has, and
    `found`, from `match` on, a row for each other detection: `parts` is [suffix, place, size] for
    each kind, as JSON, or NULL if the triplet is not whole; `fields` its row of the table, as JSON.
    """

    def __init__(self, hub: Hub, progress: Progress):
        try:
            import sqlite3
        except ImportError:  # a Python that was built without it
            raise HubError(
                f"{sys.executable} has no sqlite3, which making chunks takes: nothing was added. "
                "Run this with another Python of 3.9 or newer."
            ) from None
        self._failure = sqlite3.Error
        self._hub, self._progress, self._sources, self._read = hub, progress, 0, 0
        # without a name it is private, needs no locks, and is gone with us
        self._index = sqlite3.connect("", isolation_level=None)

    def __enter__(self) -> Drop:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._hub.folder)
        try:
            self._index.executescript(_INDEX)
            self._index.executemany(
                "INSERT OR IGNORE INTO known (objid) VALUES (?)",
                (
                    (objid,)
                    for chunk in self._hub.chunks()
                    for objid in self._hub.objids(chunk.name)
                ),
            )
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._index.close()
        with contextlib.suppress(OSError):  # of a disk that is full
            self._file.close()
        if isinstance(error, self._failure):
            raise HubError(
                f"The index of the stamps could not be kept ({error}): nothing was added. Make "
                "room for temporary files, or set TMPDIR to a folder that has some, and try again."
            ) from error

    def read(self, source: str | os.PathLike[str]) -> str | None:
        """Take in an archive or a folder; return what is wrong with it, or None."""
        path, found = Path(source), False
        self._sources += 1
        self._progress(f"reading {source}", at_once=True)
        try:
            if path.is_dir():
                stream = _walk(path)
            elif path.exists() and not path.is_file():  # a pipe would keep us waiting
                raise stamps.StampError("it is neither an archive nor a folder")
            else:
                stream = stamps.members(path, limit=float("inf"))
            for name, data in stream:
                if parsed := stamps.parse_name(name):
                    found = True
                    self._take(*parsed, data)
        except stamps.StampError as error:
            return f"{source}: {error}"
        return None if found else f"{source}: there are no stamps in it"

    def _take(self, kind: str, objid: str, suffix: str, data: bytes | None) -> None:
        self._read += 1
        self._progress(f"{self._read} stamps read")
        if self._index.execute("UPDATE known SET came = 1 WHERE objid = ?", (objid,)).rowcount:
            return
        place = size = None
        if data is not None:
            place, size = self._file.tell(), self._file.write(data)
        stamp = _Stamp(objid, stamps.KINDS.index(kind), suffix, place, size, self._sources)
        self._index.execute("INSERT INTO stamp VALUES (?, ?, ?, ?, ?, ?)", stamp)

    def already(self) -> int:
        """Return how many of the detections that came were known to the hub."""
        return self._one("SELECT count(*) FROM known WHERE came")

    def _one(self, query: str, values: Sequence[object] = ()) -> Any:
        return self._index.execute(query, values).fetchone()[0]

    def match(self) -> Matched:
        """Put the stamps together to triplets; the first of several stamps of a kind counts."""
        self._progress("putting triplets together", at_once=True)
        found, incomplete = self.already(), 0
        why: list[tuple[str, str]] = []
        rows = self._index.execute("SELECT * FROM stamp ORDER BY objid, kind, rowid")
        for objid, group in groupby(map(_Stamp._make, rows), key=lambda stamp: stamp.objid):
            first: dict[int, _Stamp] = {}
            for stamp in group:
                first.setdefault(stamp.kind, stamp)
            reasons = [
                f"{name} {_UNREADABLE if kind in first else 'is missing'}"
                for kind, name in enumerate(stamps.KINDS)
                if kind not in first or first[kind].place is None
            ]
            found += 1
            parts = total = None
            if reasons:
                incomplete += 1
                if len(why) < _NAMED:
                    why.append((objid, ", ".join(reasons)))
            else:
                triplet = [first[kind] for kind in range(len(stamps.KINDS))]
                parts = json.dumps([(stamp.suffix, stamp.place, stamp.size) for stamp in triplet])
                total = size_in_archive(stamp.size or 0 for stamp in triplet)
            source, place = min((stamp.source, stamp.place or 0) for stamp in first.values())
            self._index.execute(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?, NULL, NULL)",
                (objid, source, place, parts, total),
            )
        return Matched(found, incomplete, why)

    def join(self, table: Table) -> Joined:
        """Give the detections their rows of a table, the first of several."""
        objid_at = table.columns.index("OBJID")
        score_at = table.columns.index(SCORE) if SCORE in table.columns else None
        unused, any_fits = 0, False
        for row in table.rows:
            value = None if score_at is None else score(row[score_at])
            objid = row.pop(objid_at).strip()
            if self._index.execute(
                "UPDATE found SET score = ?, fields = ? WHERE objid = ? AND fields IS NULL",
                (value, json.dumps(row), objid),
            ).rowcount:
                any_fits = True
                continue
            known = self._index.execute("SELECT came FROM known WHERE objid = ?", (objid,))
            came = known.fetchone()
            if came is not None:
                any_fits = any_fits or bool(came[0])
            elif not self._one("SELECT count(*) FROM found WHERE objid = ?", (objid,)):
                unused += 1
        query = "SELECT count(*) FROM found WHERE parts IS NOT NULL AND fields IS NULL"
        return Joined(unused, self._one(query), any_fits)

    def cut(self, min_score: float | None) -> int:
        """Leave out whole triplets below a score; return how many."""
        return self._index.execute(
            "UPDATE found SET parts = NULL WHERE parts IS NOT NULL AND score < ?", (min_score,)
        ).rowcount

    def unscored(self) -> int:
        """Return how many of the whole triplets have no score."""
        return self._one("SELECT count(*) FROM found WHERE parts IS NOT NULL AND score IS NULL")

    def ordered(self, seed: int, order: str = "random") -> Iterator[str]:
        """Go through the Object IDs of the whole triplets that are left."""

        def shuffled(objid: str) -> bytes:
            # each gets its place whatever else is there, in every version of Python
            return hashlib.sha256(f"{seed} {objid}".encode()).digest()

        self._index.create_function("shuffled", 1, shuffled)
        first = "score IS NULL, abs(score - 0.5)," if order == "uncertain" else ""
        return self._objids(f"parts IS NOT NULL ORDER BY {first} shuffled(objid)")

    def from_source(self, number: int) -> Iterator[str]:
        """Go through those that the so-manieth source (from 1) brought, in their order."""
        return self._objids("parts IS NOT NULL AND source = ? ORDER BY place", number)

    def _objids(self, condition: str, *values: object) -> Iterator[str]:
        query = f"SELECT objid FROM found WHERE {condition}"
        return (objid for (objid,) in self._index.execute(query, values))

    def contents(
        self, stamp: str, objids: Iterable[str], most: float, columns: Sequence[str] = ()
    ) -> Iterator[Content]:
        """Cut detections into chunks of a drop by number and by size; return what goes in each."""
        most = min(most, stamps.MEMBERS_LIMIT // len(stamps.KINDS))
        group: list[str] = []
        total = 0
        for objid in objids:
            size = self._one("SELECT size FROM found WHERE objid = ?", (objid,))
            if group and (len(group) == most or total + size > UNPACKED_LIMIT):
                yield self._content(stamp, group, columns)
                group, total = [], 0
            group.append(objid)
            total += size
        if group:
            yield self._content(stamp, group, columns)

    def _content(self, stamp: str, objids: list[str], columns: Sequence[str]) -> Content:
        members, rows = [], []
        self._file.flush()
        for objid in objids:
            parts = self._one("SELECT parts FROM found WHERE objid = ?", (objid,))
            for kind, (suffix, place, size) in zip(stamps.KINDS, json.loads(parts)):
                self._file.seek(place)
                members.append((f"{kind}{objid}{suffix}", self._file.read(size)))
            fields = self._one("SELECT fields FROM found WHERE objid = ?", (objid,))
            rows.append([objid, *(json.loads(fields) if fields else [""] * len(columns))])
        return Content(stamp, members, rows)


def _walk(top: Path) -> Iterator[tuple[str, bytes | None]]:
    """Go through the stamps in a folder as `stamps.members` goes through an archive."""
    try:
        for path in files_below(top):
            if stamps.parse_name(path):
                data = None
                with contextlib.suppress(OSError, HubError):
                    data = read(path, stamps.MEMBER_LIMIT)
                yield os.path.basename(path), data
    except OSError as error:
        raise stamps.StampError(f"{error.filename} cannot be read ({error.strerror})") from error
