"""The file in which no label is ever lost.

A label file is ``USER--YYYY-MM-DD_HH-MM-SS.csv`` (UTC), UTF-8, LF, RFC 4180, with the header
``OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS``. Every press appends one row and syncs it, so
that a row is on the disk before the next picture is on the screen; the last row of an OBJID
counts. A row is one line, always. To settle a file is to rewrite it with one row per OBJID; what
cannot be read is never deleted, but kept beside it as ``NAME.torn``. No file ever replaces another
of other content: the second of a name is called ``USER--TIME-SUM8.csv``, SUM8 the beginning of its
SHA-256.

Columns are found by the names in the header, in whatever order, and those that a file lacks have a
default: files of earlier and later versions count, and so do those that a spreadsheet saved (byte
order mark, CRLF, semicolons or tabs). Standard library only.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import disk
from labels import ACTIONS

COMMENT_LIMIT = 2000  # characters; a terminal hands over at most 4095 bytes of one line
_OBJID = re.compile(r"[0-9]{1,32}")
# neither a hidden file, nor a path, nor what a command takes for an option
_USER = re.compile(r"(?!.*--)[A-Za-z0-9_][A-Za-z0-9._-]{0,31}")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_NAME = r"(?P<user>.+)--(?P<time>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)"
_FILE = re.compile(_NAME + r"(-[0-9a-f]{8})?\.csv", re.ASCII)
_COPY = re.compile(_NAME + r".*\.csv", re.ASCII | re.DOTALL)
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,6})Z")
_DELIMITERS = ",;\t"


class LabelError(Exception):
    """A label could not be kept as asked; the message is the sentence that the user reads."""


class Row(NamedTuple):
    """One line of a label file, all of it text; what a file has no column for is the default."""

    objid: str = ""
    action: str = ""
    comment: str = ""
    time: str = ""
    metadata_stamp: str = ""
    seconds: str = "0"


COLUMNS = tuple(name.upper() for name in Row._fields)


class Parsed(NamedTuple):
    """What a label file holds: its rows in the order of the presses, and the lines that are none.

    The last of these may be one that a crash cut short.
    """

    rows: list[Row]
    torn: list[bytes]


class Settled(NamedTuple):
    """What became of a label file: the rewritten one, and what of it could not be read.

    Either is None if there is no such thing.
    """

    target: Path | None
    torn: Path | None


def row(
    objid: str,
    action: str,
    comment: str = "",
    metadata_stamp: str = "",
    seconds: float = 0.0,
    after: str = "",
) -> Row:
    """Make the row of a label given now.

    Parameters
    ----------
    seconds : float
        How long the triplet was on screen.
    after : str
        A TIME that this one is later than, if the clock was put back meanwhile by less than a
        day: of two rows the later one counts, and one that is days ahead is no time at all.
    """
    now = datetime.now(timezone.utc)
    with contextlib.suppress(ValueError, OverflowError):
        earlier = datetime.fromtimestamp(given_at(Row(time=after)), timezone.utc)
        if now <= earlier + timedelta(milliseconds=1) < now + timedelta(days=1):
            now = earlier + timedelta(milliseconds=1)
    time = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Row(objid, action, comment, time, metadata_stamp, f"{seconds:.2f}")


def is_user(name: str) -> bool:
    """Tell whether `name` can be part of a label file's name."""
    return _USER.fullmatch(name) is not None


def user_of(file_name: str) -> str | None:
    """Return the USER in a label file's name, or None if it is no such name."""
    match = _FILE.fullmatch(file_name)
    return match["user"] if match and is_user(match["user"]) else None


def true_name(file_name: str) -> str | None:
    """Return the label file that a name is a copy of, such as ``… (conflicted copy).csv``."""
    match = _COPY.fullmatch(file_name)
    return f"{match['user']}--{match['time']}.csv" if match and is_user(match["user"]) else None


def second_name(file_name: str, sha256: str) -> str:
    """Return the name under which other content is kept where a label file's name is taken."""
    return f"{(true_name(file_name) or file_name)[: -len('.csv')]}-{sha256[:8]}.csv"


def clean_comment(text: str) -> str:
    """Return a comment as one line: control characters and runs of blanks become one blank.

    Raises
    ------
    LabelError
        It is longer than `COMMENT_LIMIT` characters: cutting it would lose what was meant.
    """
    # Python's own reading of "unprintable" keeps emoji and accents, and catches lone surrogates.
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(line) > COMMENT_LIMIT:
        raise LabelError(
            f"A comment holds at most {COMMENT_LIMIT} characters and this one has {len(line)}: "
            "nothing was labelled, please say it shorter."
        )
    return line


def shorten(text: str) -> str:
    """Return any text as a comment, cut where it is too long: for what the program itself says."""
    return clean_comment(text[:200])


def given_at(entry: Row) -> float:
    """Return when a label was given, in seconds since 1970; raises ValueError on a bad TIME."""
    match = _TIME.fullmatch(entry.time)
    if match is None:
        raise ValueError(f"{entry.time!r} is no TIME")
    # ten times as fast as strptime, which a million labels feel
    return datetime.fromisoformat(f"{match[1]}+00:00").timestamp() + float(match[2])


def check(entry: Row) -> str | None:
    """Return why a row cannot be a label, as a phrase, or None if nothing is wrong with it."""
    if not _OBJID.fullmatch(entry.objid):
        return "OBJID is not 1 to 32 digits"
    if entry.action not in ACTIONS:
        return "ACTION is no label"
    if len(entry.comment) > COMMENT_LIMIT or not entry.comment.isprintable():
        return "COMMENT is not one line of text"
    try:
        given_at(entry)
    except ValueError:
        return "TIME is not like 2026-11-22T13:08:00.123Z"
    if not _SECONDS.fullmatch(entry.seconds):
        return "SECONDS is not a duration"
    return None


class LabelFile:
    """The file that one session appends its labels to.

    Parameters
    ----------
    folder : Path
        Where it is made, at once and exclusively: ``USER--now.csv``.
    user : str
        Who labels; see `is_user`.
    others : sequence of Path
        Folders in which there is no file of that name either: this one will go there.

    Raises
    ------
    LabelError
        It cannot be made (disk full, read-only folder).
    """

    def __init__(self, folder: str | Path, user: str, others: Sequence[Path] = ()):
        self._folder, self._user, self._others = Path(folder), user, others
        self._rows: list[Row] = []
        self._descriptor = -1
        try:
            self._make()
        except OSError as error:
            raise _not_saved(self.path, error) from error

    def _make(self) -> None:
        header = _line(COLUMNS)
        for time in disk.time_names():  # the next, if a session began and ended in this very second
            self.path = self._folder / f"{self._user}--{time}.csv"
            if any((folder / self.path.name).exists() for folder in self._others):
                continue
            with contextlib.suppress(FileExistsError):
                disk.create(self.path, header, 0o600)
                break
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._size = len(header)
        self._torn = False  # part of a row that did not fit could not be taken back

    def append(self, *entries: Row) -> None:
        """Write rows and wait until they are on the disk.

        Raises
        ------
        LabelError
            It is not there; what was there before is unharmed.
        """
        try:
            if not self._is_there():  # somebody tidied up: what was written is nowhere now
                self._begin_anew(())
            self._write(entries)
            if not self._is_there():
                self._begin_anew(entries)
        except OSError as error:
            raise _not_saved(self.path, error) from error
        self._rows += entries

    def _is_there(self) -> bool:
        """Tell whether the file that is written is the one that has the name."""
        if self._descriptor < 0:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _begin_anew(self, entries: Iterable[Row]) -> None:
        """Write the rows of this session, and these, to another file, unless they are elsewhere."""
        paths = [folder / self.path.name for folder in (self._folder, *self._others)]
        held = {entry for path in paths if path.exists() for entry in read(path).rows}
        last = {entry.objid: entry for entry in (*self._rows, *entries)}
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make()
        try:
            self._write([entry for entry in last.values() if entry not in held])
        except OSError:
            self.close()  # so that the next press begins anew, with all of them
            raise

    def _write(self, entries: Iterable[Row]) -> None:
        lines = (b"\n" if self._torn else b"") + b"".join(map(_line, entries))
        try:
            rest = memoryview(lines)
            while rest:  # a disk that fills up takes a part first, and then fails
                rest = rest[os.write(self._descriptor, rest) :]
            disk.sync(self._descriptor)
        except OSError:
            self._torn = True
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                self._torn = False
            raise
        self._size = os.fstat(self._descriptor).st_size
        self._torn = False

    def close(self) -> None:
        """Let go of the file. What was appended stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _not_saved(path: Path, error: OSError) -> LabelError:
    return LabelError(
        f"This label is not saved, the earlier ones are: {path.parent} says "
        f"{error.strerror!r}. Make room there and press again."
    )


def _line(fields: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()


def _fields(line: bytes, delimiter: str) -> list[str] | None:
    """Return the fields of one line, or None if it is no CSV."""
    try:
        parsed = list(csv.reader([line.decode().rstrip("\r")], delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    return parsed[0] if len(parsed) == 1 else None


class _Header:
    """The columns of a file, by the names in its header, and how they are parted."""

    def __init__(self, columns: Iterable[str] = COLUMNS, delimiter: str = ","):
        self._columns, self._delimiter = list(columns), delimiter
        self.unknown = not set(filter(None, self._columns)) <= set(COLUMNS)

    @classmethod
    def of(cls, line: bytes) -> _Header | None:
        """Return the header that stands in a line, or None if it is none."""
        for delimiter in _DELIMITERS if b"OBJID" in line else "":
            columns = [name.strip() for name in _fields(line, delimiter) or ()]
            if {"OBJID", "ACTION"} <= set(columns):
                return cls(columns, delimiter)
        return None

    def row(self, line: bytes) -> Row | None:
        """Return the row in a line, or None if it is none."""
        fields = _fields(line, self._delimiter)
        count = len(self._columns)
        if fields is None or len(fields) < count or any(fields[count:]):
            return None
        known = {name.lower(): text for name, text in zip(self._columns, fields) if name in COLUMNS}
        entry = Row(**known)
        if self._delimiter == ";":  # where that parts columns, a comma parts decimals
            entry = entry._replace(seconds=entry.seconds.replace(",", "."))
        return entry


def _parse(data: bytes, edited: bool = False) -> tuple[Parsed, bool]:
    """Do as `parse`, and tell whether there are columns that nobody here knows.

    If it may have been `edited`, what misses the line's end alone (or with it the last digits of
    SECONDS) is a row.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode()
    header, parsed, unknown = _Header(), Parsed([], []), False
    *lines, last = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for line in lines:
        entry = header.row(line)
        valid = entry is not None and check(entry) is None
        if not valid and (found := _Header.of(line)):
            header, unknown = found, unknown or found.unknown
            continue
        if not valid:  # a session goes on in its own way in a file that a spreadsheet saved
            usual = _Header().row(line)
            entry = usual if usual is not None and check(usual) is None else entry
        if entry is not None:
            parsed.rows.append(entry)
        elif line.strip():
            parsed.torn.append(line)
    if last and not _Header.of(last):
        entry = header.row(last) if edited else None
        if entry and check(entry) is None:
            parsed.rows.append(entry)
        else:
            parsed.torn.append(last)
    return parsed, unknown


def parse(data: bytes) -> Parsed:
    """Take the content of a label file apart."""
    return _parse(data)[0]


def read(path: str | Path) -> Parsed:
    """Read a label file back."""
    return parse(Path(path).read_bytes())


def latest(paths: Iterable[Path], wanted: set[str]) -> dict[str, Row]:
    """Find what was answered last for each of some detections.

    Parameters
    ----------
    paths : iterable of Path
        Label files.
    wanted : set of str
        The Object IDs asked about. Only their lines are taken apart, which keeps a history of
        100,000 labels cheap.

    Returns
    -------
    dict
        Object ID -> `Row`, in the order of the answers.
    """
    answers: dict[str, Row] = {}
    objids = {objid.encode() for objid in wanted}
    for path in sorted(paths, key=_began):
        data = Path(path).read_bytes()
        header = re.match(rb"OBJID,[^\n]*\n|(?=[0-9]+,)", data)  # as we write it, or none
        if header is not None:
            lines = io.BytesIO(data[header.end() :])
            kept = (line for line in lines if line.partition(b",")[0] in objids)
            data = header.group() + b"".join(kept)
        for entry in parse(data).rows:
            old = answers.get(entry.objid)
            if entry.objid in wanted and (old is None or not _is_earlier(entry, old)):
                answers.pop(entry.objid, None)
                answers[entry.objid] = entry
    return answers


def _is_earlier(entry: Row, other: Row) -> bool:
    """Tell whether a row was given before another: the clock may have been put back in between."""
    with contextlib.suppress(ValueError):
        return given_at(entry) < given_at(other)
    return False


def _began(path: str | Path) -> str:
    return Path(path).name.rpartition("--")[2]


def settle(path: str | Path, folder: str | Path) -> Settled:
    """Rewrite a label file into another folder, the latest row of each detection only.

    The new file is whole before the old one goes, and so is ``NAME.torn`` beside it, which holds
    the lines that cannot be read; or all of them, if there are columns that a later version made.
    A crash in between leaves both, and settling once more gives the same.
    """
    path = Path(path)
    data = path.read_bytes()
    parsed, unknown = _parse(data, edited=True)
    last: dict[str, Row] = {}
    for entry in parsed.rows:
        last.pop(entry.objid, None)
        last[entry.objid] = entry
    target = torn = None
    if unknown or parsed.torn:
        torn = _set_aside(Path(folder) / path.stem, data if unknown else b"\n".join(parsed.torn))
    if last:
        target = keep(
            Path(folder) / (true_name(path.name) or path.name),
            b"".join(map(_line, (COLUMNS, *last.values()))),
        )
    if target != path:
        path.unlink()
    disk.sync_folder(path.parent)
    return Settled(target, torn)


def keep(path: Path, data: bytes) -> Path:
    """Put a label file where it belongs, replacing none of other content; return where it is."""
    for place in itertools.chain([path], _second_places(path, data)):
        with contextlib.suppress(FileExistsError):
            disk.create_whole(place, data, 0o600)
            return place
        if place.read_bytes() == data:
            return place
    raise AssertionError("unreachable")


def _second_places(path: Path, data: bytes) -> Iterator[Path]:
    import hashlib  # brings a library of 4 MB, and is rarely needed

    for number in itertools.count():
        sha256 = hashlib.sha256(data + b"\n" * number).hexdigest()
        yield path.with_name(second_name(path.name, sha256))


def _set_aside(stem: Path, data: bytes) -> Path:
    """Keep what could not be read, for its owner's eyes, beside whatever is kept already."""
    for number in itertools.count(1):
        torn = stem.with_name(f"{stem.name}{f'-{number}' if number > 1 else ''}.torn")
        with contextlib.suppress(FileExistsError):
            disk.create(torn, data, 0o600)
            return torn
        if torn.read_bytes() == data:  # a crash came before the label file went
            return torn
    raise AssertionError("unreachable")
