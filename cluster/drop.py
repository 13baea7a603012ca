"""The stamps of a drop on their way into chunks, however many there are.

All are first copied into one unnamed file on the hub's disk, as kinds may come in any order, beside
an index of them (a private SQLite file in TMPDIR), so that memory stays the same. There they are
put together to triplets and looked at. Standard library only.
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

import labels
import stamps
from cluster import chunks, looking, verified
from cluster.chunks import UNPACKED_LIMIT, Content, size_in_archive
from cluster.hub import Hub, HubError
from cluster.looking import Place
from cluster.sources import Came, Sources
from cluster.tables import SCORE, Span, Table, Unusable, identifier, rounded, score
from cluster.terminal import Progress, counted

_NAMED = 5  # reasons in the summary
_SUCH_AS = 3  # detections that stand for the others with the same one
_REASONS = 50  # that are told apart: hostile stamps have a new one each
_SPANS = 1000  # rows without stamps whose Object IDs are compared with those of stamps
_SKIPPED, _LABELLED = 1, 2  # what people said of a detection that the hub has; 0 is nothing
_INDEX = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -32768;
CREATE TABLE known (objid TEXT PRIMARY KEY, chunk TEXT, stamp TEXT, came INTEGER DEFAULT 0,
                    said INTEGER DEFAULT 0, fields TEXT);
CREATE TABLE stamp (objid TEXT, kind INTEGER, suffix TEXT, place INTEGER, size INTEGER,
                    source INTEGER, why TEXT);
CREATE TABLE found (objid TEXT PRIMARY KEY, source INTEGER, place INTEGER, parts TEXT, size INTEGER,
                    both INTEGER, score REAL, fields TEXT);
CREATE TABLE old (objid TEXT, suffix TEXT, place INTEGER PRIMARY KEY, size INTEGER);
CREATE TABLE unseen (objid TEXT PRIMARY KEY);
CREATE TABLE bad (objid TEXT PRIMARY KEY);
BEGIN;
"""


class _Stamp(NamedTuple):
    """A row of the index: a stamp as it came, where in the file it is; `why` it is of no use."""

    objid: str
    kind: int
    suffix: str
    place: int | None
    size: int | None
    source: int
    why: str | None


class Faults:
    """How many detections have which fault, each with the Object IDs of the first few."""

    def __init__(self) -> None:
        self.count = 0
        self._by_reason: dict[str, tuple[int, list[str]]] = {}

    def add(self, objid: str, reason: str) -> None:
        """Count a detection."""
        self.count += 1
        if len(self._by_reason) >= _REASONS and reason not in self._by_reason:
            reason = "other reasons"
        number, named = self._by_reason.get(reason, (0, []))
        self._by_reason[reason] = number + 1, [*named, objid][:_SUCH_AS]

    def lines(self) -> Iterator[str]:
        """Go through the lines that tell of them, the commonest fault first."""
        told = sorted(self._by_reason.items(), key=lambda item: -item[1][0])
        for reason, (number, named) in told[:_NAMED]:
            names = " ".join(named)
            yield f"  {names if number <= len(named) else f'{number}, such as {names}'}: {reason}"
        if len(told) > _NAMED:
            yield f"  and {sum(number for _, (number, _) in told[_NAMED:])} more"


class Matched(NamedTuple):
    """How many detections came, those that the hub has included, and which of them lack a stamp."""

    found: int
    incomplete: Faults


class Joined(NamedTuple):
    """What a table was worth.

    `unused` rows belong to no detection that came or that the hub has; `any_fits` tells whether
    there is a row of any detection that came.
    """

    unused: int
    any_fits: bool


class Drop:
    """The stamps' bytes in one file, an index of them in another; to be used as a context.

    In the index, `stamp` has every stamp as it came (but for what is labelled already), `known` the
    detections that the hub has with their latest chunk, and `found`, from `match` on, a row for
    each that may go into a chunk: `parts` is [suffix, place, size] for each kind, as JSON, or NULL
    if there is no triplet; `fields` its row of the table, as JSON.

    `sources` tells what was passed over.
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
        self._hub, self._progress, self._number, self._read = hub, progress, 0, 0
        self.sources = Sources()
        self._answers_known = False
        # without a name it is private, needs no locks, and is gone with us
        self._index = sqlite3.connect("", isolation_level=None)

    def __enter__(self) -> Drop:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._hub.folder)
        try:
            self._index.executescript(_INDEX)
            self._index.executemany(
                # of a detection that came anew the latest stamps count
                "INSERT OR REPLACE INTO known (objid, chunk, stamp) VALUES (?, ?, ?)",
                (
                    (objid, chunk.name, stamps.metadata_stamp(chunk.name))
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
        had, passed = self._read, self.sources.passed
        self._number += 1
        self._progress(f"reading {source}", at_once=True)
        try:
            for came in self.sources.read(Path(source)):
                self._take(came)
        except stamps.StampError as error:
            return f"{source}: {error}"
        if self._read > had:
            return None
        passed = self.sources.passed - passed
        return f"{source}: there are no stamps in it" + (
            f", but {counted(passed, 'other file')} such as {self.sources.example}"
            if passed
            else ""
        )

    def _take(self, came: Came) -> None:
        self._read += 1
        self._progress(f"{self._read} stamps read")
        objid = came.objid
        if self._index.execute("UPDATE known SET came = 1 WHERE objid = ?", (objid,)).rowcount:
            self._read_answers()
            if self._one("SELECT said FROM known WHERE objid = ?", (objid,)) == _LABELLED:
                return
        place = size = None
        if came.data is not None:
            place, size = self._file.tell(), self._file.write(came.data)
        kind = stamps.KINDS.index(came.kind)
        stamp = _Stamp(objid, kind, came.suffix, place, size, self._number, came.why)
        self._index.execute("INSERT INTO stamp VALUES (?, ?, ?, ?, ?, ?, ?)", stamp)

    def _read_answers(self) -> None:
        """Note what people said of the detections that the hub has, once."""
        if self._answers_known:
            return
        self._answers_known = True
        for row in verified.every(self._hub):
            said = _SKIPPED if row.action == labels.SKIPPED else _LABELLED
            self._index.execute(
                # that stamps could not be shown is said of no other stamps
                "UPDATE known SET said = max(said, ?) WHERE objid = ? AND (stamp = ? OR ? > 1)",
                (said, row.objid, row.metadata_stamp, said),
            )

    def already(self) -> int:
        """Return how many of the detections that came were known to the hub, and stay as they are.

        So do those of which all that came is of no use.
        """
        again = "objid IN (SELECT objid FROM found WHERE parts IS NOT NULL)"
        return self._one(f"SELECT count(*) FROM known WHERE came AND NOT {again}")

    def again(self) -> int:
        """Return how many detections that the hub has come anew."""
        known = "objid IN (SELECT objid FROM known)"
        return self._one(f"SELECT count(*) FROM found WHERE parts IS NOT NULL AND {known}")

    def _one(self, query: str, values: Sequence[object] = ()) -> Any:
        return self._index.execute(query, values).fetchone()[0]

    def match(self, wanted: str | None = None) -> Matched:
        """Put the stamps of new detections together to triplets, of one of `stamps.FORMATS`."""
        self._progress("putting triplets together", at_once=True)
        incomplete, found = Faults(), self.already()
        for objid, group in self._grouped("objid NOT IN (SELECT objid FROM known)"):
            found += 1
            if reason := self._put(objid, group, wanted):
                incomplete.add(objid, reason)
        return Matched(found, incomplete)

    def _grouped(self, condition: str) -> Iterator[tuple[str, list[_Stamp]]]:
        """Go through Object IDs and all stamps of each."""
        query = f"SELECT * FROM stamp WHERE {condition} ORDER BY objid, kind, rowid"
        rows = map(_Stamp._make, self._index.execute(query))
        for objid, group in groupby(rows, key=lambda stamp: stamp.objid):
            yield objid, list(group)

    def _put(self, objid: str, group: Sequence[_Stamp], wanted: str | None) -> str | None:
        """Write down which stamps make the triplet of a detection, or return why none do."""
        came = _usable(group)
        chosen = stamps.one_format(came, wanted)
        parts = total = None
        if chosen:
            triplet = [chosen[kind] for kind in stamps.KINDS]
            parts = json.dumps([(stamp.suffix, stamp.place, stamp.size) for stamp in triplet])
            total = size_in_archive(stamp.size or 0 for stamp in triplet)
        source, place = min((stamp.source, stamp.place or 0) for stamp in group)
        both = all(stamps.one_format(came, name) for name in stamps.FORMATS)
        self._index.execute(
            "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT (objid) DO UPDATE "
            "SET parts = excluded.parts, size = excluded.size, both = excluded.both",
            (objid, source, place, parts, total, both),
        )
        return None if chosen else _why_none(group, came, wanted)

    def replace(self, wanted: str | None = None) -> None:
        """Let detections of the hub come anew whose stamps there nobody has seen.

        Those are what people could only skip, and what nobody was asked about so far and could not
        be shown.
        """
        for objid, group in self._grouped("objid IN (SELECT objid FROM known)"):
            self._put(objid, group, wanted)
        rows = self._index.execute(
            "SELECT chunk, objid, parts FROM found JOIN known USING (objid) "
            "WHERE said = 0 AND parts IS NOT NULL ORDER BY chunk"
        )
        for chunk, some in groupby(rows, key=lambda row: row[0]):
            self._compare(chunk, {objid: json.loads(parts) for _, objid, parts in some})
        self._file.flush()
        places = self._index.execute("SELECT place, size, suffix FROM old ORDER BY place")
        for place, seen in looking.look(self._file.fileno(), map(Place._make, places)):
            if seen.why:
                self._index.execute(
                    "INSERT OR IGNORE INTO unseen SELECT objid FROM old WHERE place = ?",
                    (place.place,),
                )
        self._index.execute(
            "DELETE FROM found WHERE objid IN (SELECT objid FROM known WHERE NOT said) "
            "AND objid NOT IN (SELECT objid FROM unseen)"
        )

    def _compare(self, chunk: str, new: dict[str, list[tuple[str, int, int]]]) -> None:
        """Copy what a chunk has otherwise than it came now, so that it can be looked at."""
        seen = set()
        try:
            stream = stamps.Triplets(stamps.members(self._hub.archive(chunk)), new)
            for objid, triplet in stream:
                seen.add(objid)
                came = [self._bytes(place, size) for _, place, size in new[objid]]
                parts = [triplet[kind] for kind in stamps.KINDS]
                if came != [part.data for part in parts]:
                    for suffix, data in parts:
                        place = self._file.seek(0, os.SEEK_END)
                        row = (objid, suffix, place, self._file.write(data or b""))
                        self._index.execute("INSERT INTO old VALUES (?, ?, ?, ?)", row)
        except stamps.StampError:  # it is brought back from a backup, as `check` says
            return
        lacking = ((objid,) for objid in new if objid not in seen)
        self._index.executemany("INSERT INTO unseen VALUES (?)", lacking)

    def _bytes(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        return self._file.read(size)

    def look(self, wanted: str | None = None) -> tuple[Faults, str | None]:
        """Look at the stamps of all triplets as the window would; leave out what it cannot show.

        Returns
        -------
        unreadable : Faults
            What was left out.
        blind : str or None
            Why some could not be looked at; these stay.
        """
        unreadable, blind, those = Faults(), None, ""
        self._file.flush()
        self._index.execute("CREATE INDEX placed ON stamp (place)")
        while True:
            rows = self._index.execute(
                f"SELECT parts FROM found WHERE parts IS NOT NULL {those} ORDER BY place"
            )
            places = (
                Place(place, size, suffix)
                for (parts,) in rows
                for suffix, place, size in json.loads(parts)
            )
            self._index.execute("DELETE FROM bad")
            for place, seen in looking.look(self._file.fileno(), places, self._progress):
                blind = blind or seen.blind
                if seen.why:
                    where = (place.place,)
                    self._index.execute(
                        "INSERT OR IGNORE INTO bad SELECT objid FROM stamp WHERE place = ?", where
                    )
                    self._index.execute(
                        "UPDATE stamp SET why = ? WHERE place = ?", (seen.why, *where)
                    )
            if not self._one("SELECT count(*) FROM bad"):
                return unreadable, blind
            those = "AND objid IN (SELECT objid FROM bad)"
            for objid, group in self._grouped("objid IN (SELECT objid FROM bad)"):
                # another that came of its name, or another format, may do
                if reason := self._put(objid, group, wanted):
                    unreadable.add(objid, reason)

    def join(self, table: Table, path: str) -> Joined:
        """Give the detections their rows of a table, the first of several.

        Those that the hub has get theirs with `bring`.

        Raises
        ------
        HubError
            Object IDs in it have lost digits that those of stamps have.
        """
        objid_at = table.columns.index("OBJID")
        score_at = table.columns.index(SCORE) if SCORE in table.columns else None
        unused, any_fits = 0, False
        spans: dict[str, Span] = {}
        for row in table.rows:
            value = None if score_at is None else score(row[score_at])
            text = row.pop(objid_at)
            objid = identifier(text)
            fields = json.dumps(row)
            if self._index.execute(
                "UPDATE found SET score = ?, fields = ? WHERE objid = ? AND fields IS NULL",
                (value, fields, objid),
            ).rowcount:
                any_fits = True
                continue
            self._index.execute(
                "UPDATE known SET fields = ? WHERE objid = ? AND fields IS NULL", (fields, objid)
            )
            known = self._index.execute("SELECT came FROM known WHERE objid = ?", (objid,))
            came = known.fetchone()
            if came is not None:
                any_fits = any_fits or bool(came[0])
            elif not self._one("SELECT count(*) FROM found WHERE objid = ?", (objid,)):
                unused += 1
                if len(spans) < _SPANS and (span := rounded(text)):
                    spans[text.strip()] = span
        self._refuse_rounded(spans, path)
        return Joined(unused, any_fits)

    def _refuse_rounded(self, spans: dict[str, Span], path: str) -> None:
        """Raise an error if a stamp without a row may be what a row was before it was rounded."""
        where = "found" if self._read else "known"  # a table alone is for what the hub has
        for text, span in spans.items():
            low, high = str(max(0, span.low)), str(span.high)
            stamp = self._index.execute(
                f"SELECT objid FROM {where} WHERE fields IS NULL AND objid BETWEEN ? AND ? "
                "AND length(objid) = ?",
                (low, high, len(low)),
            ).fetchone()
            if stamp and len(low) == len(high):
                reason = f"its OBJID {text} has lost digits, as a spreadsheet does to long numbers"
                raise Unusable(path, f"{reason}: the stamps have {stamp[0]}; save it as text")

    def bring(self, columns: Sequence[str]) -> int:
        """Bring what the hub has its rows of the table; return how many detections gained by it.

        `columns` are the table's without OBJID.
        """
        query = "SELECT chunk, objid, fields FROM known WHERE fields IS NOT NULL ORDER BY chunk"
        gained = 0
        for name, rows in groupby(self._index.execute(query), key=lambda row: row[0]):
            self._progress(f"what the table says goes to {name}")
            told = {objid: json.loads(fields) for _, objid, fields in rows}
            gained += chunks.bring(self._hub, name, columns, told)
        return gained

    def lacking(self) -> int:
        """Return how many of the triplets have no row of the table."""
        return self._one("SELECT count(*) FROM found WHERE parts IS NOT NULL AND fields IS NULL")

    def cut(self, min_score: float | None) -> int:
        """Leave out whole triplets below a score; return how many."""
        return self._index.execute(
            "UPDATE found SET parts = NULL WHERE parts IS NOT NULL AND score < ?", (min_score,)
        ).rowcount

    def require(self, what: str) -> int:
        """Leave out whole triplets without a "score" or without "fields"; return how many."""
        return self._index.execute(
            f"UPDATE found SET parts = NULL WHERE parts IS NOT NULL AND {what} IS NULL"
        ).rowcount

    def both(self) -> int:
        """Return how many of the triplets are there in each of `stamps.FORMATS`."""
        return self._one("SELECT count(*) FROM found WHERE parts IS NOT NULL AND both")

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
                members.append((f"{kind}{objid}{suffix}", self._bytes(place, size)))
            fields = self._one("SELECT fields FROM found WHERE objid = ?", (objid,))
            rows.append([objid, *(json.loads(fields) if fields else [""] * len(columns))])
        return Content(stamp, members, rows)


def _usable(group: Iterable[_Stamp]) -> dict[tuple[str, str], _Stamp]:
    """Return the stamps of a detection that can be used by kind and suffix, the first of each."""
    came: dict[tuple[str, str], _Stamp] = {}
    for stamp in group:
        if stamp.why is None:
            came.setdefault((stamps.KINDS[stamp.kind], stamp.suffix), stamp)
    return came


def _why_none(group: Iterable[_Stamp], came: Iterable[tuple[str, str]], wanted: str | None) -> str:
    """Return why the stamps of a detection make no triplet."""
    bad: dict[str, dict[str, None]] = {}
    for stamp in group:
        if stamp.why and wanted in (None, stamps.format_of(stamp.suffix)):
            bad.setdefault(stamp.why, {})[stamps.KINDS[stamp.kind]] = None
    if bad:
        return "; ".join(f"{', '.join(kinds)}: {why}" for why, kinds in bad.items())
    kept = [key for key in came if wanted in (None, stamps.format_of(key[1]))]
    return stamps.lacking(kept) + (f" as {wanted.upper()}" if wanted else "")
