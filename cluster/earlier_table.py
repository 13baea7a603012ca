"""A table of earlier ArtifactSpy versions, read: its labels by Object ID, and its bad rows.

It is ``USER--….csv`` with the columns (unnamed index), ``OBJID,ACTION,COMMENT,TIME,
METADATA_STAMP``; TIME is ``mm/dd/yy HH:MM:SS`` (or as a spreadsheet leaves that), local time of a
zone that the caller names, and METADATA_STAMP may be several, joined by commas. The expert's have
other columns. Whether the hub has a detection is not known here. Standard library only.
"""

from __future__ import annotations

import csv
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import NamedTuple

import labelfile
import stamps
from cluster import tables
from cluster.hub import UPLOAD_LIMIT, USAGE, HubError
from cluster.verified import BLANK, Rejected

UTC = timezone.utc
_COLUMNS = ["OBJID", "ACTION", "COMMENT", "TIME", "METADATA_STAMP"]
_TABLE = re.compile(r"(.+?)--.+\.csv")
_INDEX = "Unnamed: 0"  # as pandas calls it
_HEADER = 1 << 12  # characters in which the header ends
_TIME = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{2}|[0-9]{4}) ([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?"
)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before that no survey of this kind took pictures
_COMMENT_LINES = 20  # at most, of which one row is made


class Label(NamedTuple):
    """A good row of a table: the line it begins in, what it is in the hub, and TIME as it stood."""

    line: int
    row: labelfile.Row
    time: str


class Bad(NamedTuple):
    """A row for rejected/, and the line of the table it begins in."""

    line: int
    rejected: Rejected


class Table(NamedTuple):
    """A table: where it came from, whose it is, its bytes, and its rows with what was made of them.

    `good` has the labels by Object ID; `stamps` are all in METADATA_STAMP, `local` is the latest
    TIME in the table, and `odd` counts those that clocks show twice or never.
    """

    path: Path
    user: str
    data: bytes
    good: dict[str, Label]
    bad: list[Bad]
    stamps: set[str]
    local: datetime
    odd: Counter[str | None]


class _Moment(NamedTuple):
    """A TIME as it stands and in UTC; `oddity` is "twice" or "never" if clocks show it so."""

    wall: datetime
    at: datetime
    oddity: str | None


def zone_of(name: str) -> tzinfo:
    """Return a zone by a name such as America/Chicago; HubError is raised if there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; a path; a folder of zones
        raise HubError(
            f"This machine knows no time zone {name!r}: nothing was taken over. Use a name such as "
            "America/Chicago, or UTC.",
            USAGE,
        ) from None


class NoTable(stamps.StampError):
    """A file is none by its name, or holds nothing: there is nothing in it to be taken over."""


def read(path: Path, zone: tzinfo) -> Table:
    """Read a table, and part its good rows from the bad ones, but for whether the hub has them.

    Raises
    ------
    stamps.StampError
        It cannot be used; `NoTable` if it is none.
    """
    match = _TABLE.fullmatch(path.name)
    if match is None or not labelfile.is_user(match[1]):
        raise NoTable("it is neither USER--….csv nor batch--NNNNN--STAMP.tar.gz")
    data = _data(path)
    records = _records(data)
    header = _header(records)
    # an index has no name, or one that pandas made up
    if header not in (_COLUMNS, [header[0] if header else "", *_COLUMNS]):
        raise stamps.StampError(f"its columns are not those of a table, {', '.join(_COLUMNS)}")
    return _parted(path, match[1], data, header, records, zone, None)


def read_expert(path: Path, expert: str, zone: tzinfo, at: datetime) -> Table | list[str]:
    """Read a table of the expert's, which may be called anything, or a list of Object IDs.

    Its columns are OBJID, LABEL or ACTION, perhaps one that ends in COMMENT, and perhaps TIME;
    without that the labels were given at a moment that is named. Lines that begin with # say
    nothing. A file with no column but OBJID is a list, and so is one of numbers alone.

    Raises
    ------
    stamps.StampError
        It cannot be used; `NoTable` if there is nothing in it.
    """
    data = _data(path)
    records = (record for record in _records(data) if not record.text.startswith("#"))
    header = _header(records)
    if {*header} - {"", _INDEX} == {"OBJID"} or (len(header) == 1 and header[0].isdecimal()):
        place = header.index("OBJID") if "OBJID" in header else 0
        rows = [header, *(record.fields or () for record in records)]
        found = [tables.identifier(row[place]) for row in rows if len(row) > place]
        return [objid for objid in dict.fromkeys(found) if objid not in ("OBJID", "")]
    if "OBJID" not in header or not {"ACTION", "LABEL"}.intersection(header):
        raise stamps.StampError("it has no columns OBJID and LABEL (or ACTION), nor OBJID alone")
    return _parted(path, expert, data, header, records, zone, at)


def _data(path: Path) -> bytes:
    try:
        if path.stat().st_size > UPLOAD_LIMIT or not path.is_file():
            raise stamps.StampError(f"it is no table of at most {UPLOAD_LIMIT} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise stamps.StampError(f"it cannot be read ({error.strerror})") from error
    if not data.strip():
        raise NoTable("it is empty")
    return data


def _header(records: Iterator[_Record]) -> list[str]:
    first = next(records, None)
    return [name.strip() for name in (first and first.fields) or ()]


def _parted(
    path: Path,
    user: str,
    data: bytes,
    header: list[str],
    records: Iterable[_Record],
    zone: tzinfo,
    at: datetime | None,
) -> Table:
    """Part the good rows from the bad ones; without a column TIME they were given `at` a moment."""
    good: dict[str, Label] = {}
    bad: list[Bad] = []
    odd: Counter[str | None] = Counter()
    local, latest = _EARLIEST.replace(tzinfo=None), datetime.now(UTC) + timedelta(days=1)
    last = _EARLIEST
    text = next((name for name in header if name.endswith("COMMENT")), "")
    for record in records:
        if record.fields is None or len(record.fields) != len(header):
            row = BLANK._replace(comment=record.text)
            bad.append(Bad(record.line, Rejected(row, "the line is no row")))
            continue
        told = dict(zip(header, map(str.strip, record.fields)))
        comment = "".join(c if c.isprintable() else " " for c in told.get(text, ""))
        row = labelfile.Row(
            objid=tables.identifier(told["OBJID"]),
            action=told["ACTION"] if "ACTION" in told else told["LABEL"],
            comment=" ".join(comment.split()),
            time=told.get("TIME", ""),
            metadata_stamp=told.get("METADATA_STAMP", ""),
            seconds="0",
        )
        if at is None or "TIME" in told:
            moment = _moment(row.time, zone, last)
        else:
            moment = _Moment(at.replace(tzinfo=None), at, None)
        if moment is None:
            bad.append(Bad(record.line, Rejected(row, "TIME is not like 11/22/26 13:08:00")))
            continue
        last, local = moment.at, max(local, moment.wall)
        label = row._replace(time=moment.at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        reason = labelfile.check(label)
        if reason is None and not _EARLIEST <= moment.at <= latest:
            reason = "TIME is before 2000 or in the future"
        if reason is not None:
            bad.append(Bad(record.line, Rejected(row, reason)))
            continue
        odd[moment.oddity] += 1
        good.pop(label.objid, None)  # the last row counts, and stands where it came
        good[label.objid] = Label(record.line, label, row.time)
    if not good and not bad:
        raise NoTable("it has no rows")
    named = {s for label in good.values() for s in label.row.metadata_stamp.split(",")}
    return Table(path, user, data, good, bad, named, local, odd)


class _Record(NamedTuple):
    """A row of a CSV: the number of its first line, its fields, and that line.

    Fields are None for a line that is no row.
    """

    line: int
    fields: list[str] | None
    text: str


def _records(data: bytes) -> Iterator[_Record]:
    """Go through the rows of a CSV, as spreadsheets save it, too.

    A quote that is not closed within a few lines costs its own line, and not the rest of the table.
    """
    text = data.decode(tables.encoding_of(data[:4]), "replace")
    delimiter = tables.delimiter_of(text[:_HEADER].partition("\n")[0])
    lines = text.replace("\r\n", "\n").split("\n")
    place = 0
    while place < len(lines):
        first, end, fields = place, place, None
        while fields is None and end < min(first + _COMMENT_LINES, len(lines)):
            end += 1
            try:
                told = (line + "\n" for line in lines[first:end])
                (fields,) = csv.reader(told, delimiter=delimiter, strict=True)
            except csv.Error as error:
                if "unexpected end" not in str(error):
                    break
        place = first + 1 if fields is None else end
        if lines[first].strip():
            yield _Record(first + 1, fields, lines[first][: labelfile.COMMENT_LIMIT])


def _moment(text: str, zone: tzinfo, last: datetime) -> _Moment | None:
    """Return what a TIME means in a zone, or None if it is none; the row before was given `last`.

    A spreadsheet may have left out the zeros in front, and the seconds. Of a time that clocks show
    twice the first is meant, unless that is before the last one and the second is not.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    month, day, year, hour, minute, second = (int(part or 0) for part in match.groups())
    year += 0 if year > 99 else 2000 if year < 69 else 1900
    try:
        wall = datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    # PEP 495: with fold 0, what is shown twice is the first, and what is never shown is counted
    # on from before the clocks were put forward
    at, other = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if at == other:
        return _Moment(wall, at, None)
    if at.astimezone(zone).replace(tzinfo=None) != wall:
        return _Moment(wall, at, "never")
    return _Moment(wall, other if at < last <= other else at, "twice")
