"""Stamps and their metadata table become chunks, in random order or the most uncertain first.

All stamps are first copied into one unnamed file on the hub's disk, as kinds may come in any
order, beside an index of them (a private SQLite file in TMPDIR), so that memory stays the same
however many there are. Then they are written chunk by chunk: ``chunks/NAME.tar.gz``,
``metadata/NAME.csv`` and the folder for claims. ``chunks.csv`` is replaced last: a chunk that is
not listed does not exist, and what an interrupted add left is removed by the next. Order and gold
marks follow from the seed that chunks.csv records (the marks also from those before), and a
chunk's bytes from its stamps.

The table is any CSV with a column OBJID, or a folder of SNANA light curves: text files in which
``VARLIST:`` names the columns of the ``OBS:`` lines, and ``SNID:`` the object. Standard library
only.
"""

import contextlib
import csv
import functools
import gzip
import hashlib
import io
import json
import math
import os
import random
import re
import sys
import tarfile
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import disk
import stamps
from cluster.hub import (
    CHUNK,
    REFUSED,
    STAMP,
    USAGE,
    Chunk,
    Hub,
    HubError,
    counted,
    now,
    read,
    table,
)

SCORE = "PHOTPROB"
_NAMED = 5  # of the incomplete detections, in the summary
# what a labeller's machine takes, less the ends of the archive and of its last read
UNPACKED_LIMIT = stamps.CHUNK_LIMIT - (1 << 20)
_UNREADABLE = f"cannot be read, or is larger than {stamps.MEMBER_LIMIT} bytes"
_WRITERS = 3  # one of which waits for the disk
_AT_ONCE = 64 << 20  # bytes of stamps that are on their way into chunks
_LINE_LIMIT = 1 << 16  # characters, in a light curve
_LOCK = re.compile(r"process ([0-9]{1,9}) on (\S+) since ")
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


def add(
    folder,
    sources,
    metadata=None,
    lightcurves=None,
    stamp=None,
    min_score=None,
    order="random",
    seed=None,
):
    """Cut stamps into chunks, print how many, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    sources : list of str
        Archives (tar.gz), and folders that hold stamps at any depth.
    metadata : str, optional
        A CSV with a column OBJID.
    lightcurves : str, optional
        A folder of SNANA light curves, at any depth, to be used as if they were such a CSV.
    stamp : str, optional
        The drop's name; the time if not given.
    min_score : float, optional
        Leave out detections whose PHOTPROB is below it. Those without one (none in the table, no
        number, or negative as SNANA's -9) pass.
    order : str
        "random", or "uncertain": PHOTPROB nearest 0.5 first, those without one last.
    seed : int, optional
        Of the random order; drawn if not given.

    Raises
    ------
    HubError
        Nothing was added: another process is adding, the table cannot be used or is another's,
        and so on. Or a source could not be read to its end; what could be read was then added.
    """
    hub = Hub(folder)
    hub.owner_only("add stamps")
    if min_score is not None and not math.isfinite(min_score):
        raise HubError(f"{min_score} is no score: nothing was added. Use one like 0.8.", USAGE)
    path = metadata if lightcurves is None else lightcurves
    rows = _read_table if lightcurves is None else _read_light_curves
    by_score = min_score is not None or order == "uncertain"
    with alone(hub), Progress() as progress, Drop(hub, progress) as drop:
        listed = list(hub.chunks())
        stamp = _unused_stamp(stamp, {stamps.metadata_stamp(chunk.name) for chunk in listed})
        # a table of no use should be known before hours of copying
        columns, total = _check_table(rows, path, by_score, progress)
        problems = [problem for problem in map(drop.read, sources) if problem]
        told = "; ".join(problems)
        found, incomplete, why = drop.match()
        unused = lacking = 0
        if path is not None:
            progress(f"looking for them in {path}", at_once=True)
            unused, lacking, any_fits = drop.join(rows(path))
            if found and not any_fits:
                raise HubError(
                    f"{told}{'. ' if told else ''}None of the {counted(total, 'row')} of {path} "
                    "belongs to these stamps: nothing was added. Is it the right table?",
                    REFUSED,
                )
        below, unscored = drop.cut(min_score)
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        cut = "" if min_score is None else f"{SCORE}>={min_score}"
        groups = (
            (stamp, group)
            for group in drop.groups(drop.ordered(seed, order), hub.settings.chunk_size)
        )
        new = write_chunks(hub, drop, listed, groups, seed, cut, columns, progress)
        already = drop.already()
    if told and not new:
        raise HubError(f"{told}. Nothing was added.")
    count = sum(int(chunk.detections) for chunk in new)
    added = f"Added {counted(count, 'detection')} in {counted(len(new), 'chunk')} as drop"
    left_out = "" if min_score is None else f", {below} below {SCORE} {min_score}"
    print(
        f"{added} {stamp}" if new else "Nothing was added",
        f"{incomplete} incomplete, {already} there already{left_out}.",
        sep="; ",
    )
    for objid, reasons in why:
        print(f"  {objid}: {reasons}")
    if incomplete > len(why):
        print(f"  and {incomplete - len(why)} more")
    if by_score and unscored:
        verb = "is last" if min_score is None else "passed"
        verb = verb if unscored == 1 else verb.replace("is", "are")
        print(f"  {counted(unscored, 'detection')} without {SCORE} {verb}.")
    if lacking or unused:
        print(
            f"  {counted(lacking, 'detection has', 'detections have')} no row in {path}; "
            f"{counted(unused, 'of its rows has', 'of its rows have')} no stamps."
        )
    if told:
        raise HubError(f"{told}. What could be read was added: mend the rest and add it again.")
    return 0


@contextlib.contextmanager
def alone(hub):
    """Keep others who make chunks away, and remove what an interrupted one left.

    Locks of the operating system do not reach across AFS and NFS, so this one is a file. That of
    a process that has died on this machine is taken away.
    """
    lock = hub.folder / ".add.lock"
    mine = f"process {os.getpid()} on {os.uname().nodename} since {now()}".encode()
    for last in (False, True):
        try:
            disk.create(lock, mine)
            break
        except FileExistsError:
            who = ""
            with contextlib.suppress(FileNotFoundError):
                who = read(lock, 1000).decode("utf-8", "replace")
            if last or not _has_died(who):
                raise HubError(
                    f"Another add is at work, {who or 'one that says nothing'}: nothing was added. "
                    f"Wait for it; if there is no such process any more, remove {lock} and run "
                    "this again."
                ) from None
            lock.unlink(missing_ok=True)
    try:
        _sweep(hub)
        try:
            yield
        except BaseException:
            _sweep(hub)
            raise
    finally:
        lock.unlink(missing_ok=True)


def _has_died(who):
    """Tell whether the process that a lock names was of this machine and is there no more."""
    match = _LOCK.match(who)
    if match is None or match[2] != os.uname().nodename:
        return False
    try:
        os.kill(int(match[1]), 0)
    except OSError:  # gone, or its number is another account's by now: only the owner adds
        return True
    return False


def _sweep(hub):
    """Remove chunks that are not listed and that nobody claimed, and half-written files."""
    folder = hub.folder
    for path in (*folder.glob("*/.chunk--*.part"), *folder.glob(".chunks.csv.*.part")):
        path.unlink(missing_ok=True)
    listed = {chunk.name for chunk in hub.chunks()}
    # A chunk's archive is written first and removed last, so it leads to all the rest.
    for name in _names(hub) - listed:
        try:
            (folder / "claims" / name).rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # someone has it: chunks.csv was brought back from an older copy
            continue
        for path in (f"metadata/{name}.csv", f"chunks/{name}.tar.gz"):
            (folder / path).unlink(missing_ok=True)


def _names(hub):
    """Return the names of all chunks whose archives are there, listed or not."""
    files = os.listdir(hub.folder / "chunks")
    names = {stamps.stem(file) for file in files if file.endswith(".tar.gz")}
    return set(filter(CHUNK.fullmatch, names))


class Progress:
    """One line on the terminal, if there is one, that tells what is going on; gone at the end."""

    def __init__(self):
        self._on, self._next, self._width = sys.stderr.isatty(), 0.0, 0

    def __call__(self, text, at_once=False):
        """Tell it, unless something was told just before."""
        if self._on and (at_once or time.monotonic() >= self._next):
            self._next = time.monotonic() + 0.2  # an eye follows no faster
            text = text[:78]  # a line that wraps could not be taken back
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()


def _unused_stamp(stamp, used):
    if stamp is not None and not STAMP.fullmatch(stamp):
        raise HubError(
            f"{stamp!r} cannot name a drop: nothing was added. Use 1 to 64 letters, digits, _ and "
            "-, no - in front and no --.",
            USAGE,
        )
    if stamp in used:
        raise HubError(
            f"The hub has a drop {stamp} already: nothing was added. Leave out --stamp, or choose "
            "another one.",
            REFUSED,
        )
    at = datetime.now(timezone.utc)
    while stamp is None or stamp in used:
        stamp = at.strftime("%Y-%m-%d_%H-%M-%S")
        at += timedelta(seconds=1)
    return stamp


class Drop:
    """The stamps on their way into chunks: their bytes in one file, an index of them in another.

    In the index, `stamp` has every stamp as it came, `known` the detections that the hub has, and
    `found`, from `match` on, a row for each other detection: `parts` is [suffix, place, size] for
    each kind, as JSON, or NULL if the triplet is not whole; `fields` its row of the table, as JSON.
    """

    def __init__(self, hub, progress):
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

    def __enter__(self):
        self._file = tempfile.TemporaryFile(dir=self._hub.folder)
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

    def __exit__(self, kind, error, _):
        self._index.close()
        with contextlib.suppress(OSError):  # of a disk that is full
            self._file.close()
        if isinstance(error, self._failure):
            raise HubError(
                f"The index of the stamps could not be kept ({error}): nothing was added. Make "
                "room for temporary files, or set TMPDIR to a folder that has some, and try again."
            ) from error

    def read(self, source):
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
                found = True
                self._take(*stamps.parse_name(name), data)
        except stamps.StampError as error:
            return f"{source}: {error}"
        return None if found else f"{source}: there are no stamps in it"

    def _take(self, kind, objid, suffix, data):
        self._read += 1
        self._progress(f"{self._read} stamps read")
        if self._index.execute("UPDATE known SET came = 1 WHERE objid = ?", (objid,)).rowcount:
            return
        place = size = None
        if data is not None:
            place, size = self._file.tell(), self._file.write(data)
        self._index.execute(
            "INSERT INTO stamp VALUES (?, ?, ?, ?, ?, ?)",
            (objid, stamps.KINDS.index(kind), suffix, place, size, self._sources),
        )

    def already(self):
        """Return how many of the detections that came were known to the hub."""
        return self._one("SELECT count(*) FROM known WHERE came")

    def _one(self, query, values=()):
        return self._index.execute(query, values).fetchone()[0]

    def match(self):
        """Put the stamps together to triplets.

        Returns
        -------
        found : int
            How many detections came, the incomplete and those that the hub has included.
        incomplete : int
            How many of them lack a stamp.
        why : list of (str, str)
            Of the first few of these, the Object ID and what they lack.
        """
        self._progress("putting triplets together", at_once=True)
        found, incomplete, why = self.already(), 0, []
        # the first of several stamps of a kind counts
        rows = self._index.execute("SELECT * FROM stamp ORDER BY objid, kind, rowid")
        for objid, group in groupby(rows, key=lambda row: row[0]):
            first = {}
            for _, kind, suffix, place, size, source in group:
                first.setdefault(kind, (suffix, place, size, source))
            reasons = [
                f"{name} {'is missing' if kind not in first else _UNREADABLE}"
                for kind, name in enumerate(stamps.KINDS)
                if first.get(kind, (None, None))[1] is None
            ]
            found += 1
            parts = total = None
            if reasons:
                incomplete += 1
                if len(why) < _NAMED:
                    why.append((objid, ", ".join(reasons)))
            else:
                parts = json.dumps([first[kind][:3] for kind in range(len(stamps.KINDS))])
                total = size_in_archive(size for _, _, size, _ in first.values())
            source, place = min((part[3], part[1] or 0) for part in first.values())
            self._index.execute(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?, NULL, NULL)",
                (objid, source, place, parts, total),
            )
        return found, incomplete, why

    def join(self, rows):
        """Give the detections their rows of a table, the first of several.

        Parameters
        ----------
        rows : iterator
            The columns, and then the rows; see `_read_table`.

        Returns
        -------
        unused : int
            How many rows belong to no detection that came or that the hub has.
        lacking : int
            How many whole triplets have no row.
        any_fits : bool
            Whether there is a row of any detection that came.
        """
        columns = next(rows)
        objid_at = columns.index("OBJID")
        score_at = columns.index(SCORE) if SCORE in columns else None
        unused, any_fits = 0, False
        for row in rows:
            score = None if score_at is None else _score(row[score_at])
            objid = row.pop(objid_at).strip()
            values = (score, json.dumps(row), objid)
            if self._index.execute(
                "UPDATE found SET score = ?, fields = ? WHERE objid = ? AND fields IS NULL", values
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
        return unused, self._one(query), any_fits

    def cut(self, min_score):
        """Leave out whole triplets below a score; return how many, and how many have none."""
        query = "SELECT count(*) FROM found WHERE parts IS NOT NULL AND score IS NULL"
        below = self._index.execute(
            "UPDATE found SET parts = NULL WHERE parts IS NOT NULL AND score < ?", (min_score,)
        ).rowcount
        return below, self._one(query)

    def ordered(self, seed, order="random"):
        """Go through the Object IDs of the whole triplets that are left."""

        def shuffled(objid):
            # each gets its place whatever else is there, in every version of Python
            return hashlib.sha256(f"{seed} {objid}".encode()).digest()

        self._index.create_function("shuffled", 1, shuffled)
        first = "score IS NULL, abs(score - 0.5)," if order == "uncertain" else ""
        return self._objids(f"parts IS NOT NULL ORDER BY {first} shuffled(objid)")

    def from_source(self, number):
        """Go through those that the so-manieth source (from 1) brought, in their order."""
        return self._objids("parts IS NOT NULL AND source = ? ORDER BY place", number)

    def _objids(self, condition, *values):
        query = f"SELECT objid FROM found WHERE {condition}"
        return (objid for (objid,) in self._index.execute(query, values))

    def groups(self, objids, most):
        """Cut detections into those of one chunk each, by number and by size."""
        group, total = [], 0
        for objid in objids:
            size = self._one("SELECT size FROM found WHERE objid = ?", (objid,))
            if group and (len(group) == most or total + size > UNPACKED_LIMIT):
                yield group
                group, total = [], 0
            group.append(objid)
            total += size
        if group:
            yield group

    def fields(self, objid):
        """Return a detection's row of the table without OBJID, or None."""
        text = self._one("SELECT fields FROM found WHERE objid = ?", (objid,))
        return None if text is None else json.loads(text)

    def stamps(self, objids):
        """Return the stamps of some detections: file names, and their bytes."""
        found = []
        self._file.flush()
        for objid in objids:
            parts = self._one("SELECT parts FROM found WHERE objid = ?", (objid,))
            for kind, (suffix, place, size) in zip(stamps.KINDS, json.loads(parts)):
                self._file.seek(place)
                found.append((f"{kind}{objid}{suffix}", self._file.read(size)))
        return found


def write_chunks(hub, drop, listed, groups, seed, cut="", columns=(), progress=lambda text: None):
    """Write chunks, and then list them.

    Parameters
    ----------
    hub : Hub
        Held by `alone`.
    drop : Drop
        What they are made of.
    listed : list of Chunk
        What chunks.csv has.
    groups : iterable of (str, list of str)
        For each, the STAMP and its Object IDs.
    seed : int
        Decides which of them are gold, too.
    cut : str
        For chunks.csv.
    columns : sequence of str
        Of the table, without OBJID.

    Returns
    -------
    list of Chunk
    """
    # also past those that `_sweep` left alone
    names = {*_names(hub), *(chunk.name for chunk in listed)}
    number = max((int(name.split("--")[1]) for name in names), default=0)
    place = len(listed)
    last = max((index for index, chunk in enumerate(listed) if chunk.gold), default=-1)
    begun, waiting, new = deque(), 0, []

    def finish():
        size, chunk = begun.popleft()
        new.append(chunk.result())
        return size

    # compressing and waiting for the disk leave Python's lock to the others
    with ThreadPoolExecutor(_WRITERS) as writers:
        for stamp, objids in groups:
            number += 1
            name = f"chunk--{number:05d}--{stamp}"
            progress(f"{name} is written")
            members = drop.stamps(objids)
            size = sum(len(data) for _, data in members)
            while begun and (len(begun) > _WRITERS or waiting + size > _AT_ONCE):
                waiting -= finish()
            lines = [[objid, *(drop.fields(objid) or [""] * len(columns))] for objid in objids]
            gold = is_gold(seed, place, last, hub.settings.gold_share)
            last, place = place if gold else last, place + 1
            known = Chunk(name, "", "", str(len(objids)), "yes" * gold, str(seed), cut)
            rows = table(("OBJID", *columns), lines)
            begun.append((size, writers.submit(_write_chunk, hub, known, members, rows)))
            waiting += size
        while begun:
            finish()
    if new:
        disk.write_whole(hub.folder / "chunks.csv", table(Chunk._fields, listed + new))
    return new


def _write_chunk(hub, chunk, members, rows):
    """Write all files of a chunk, the archive first; return it with the archive's sum and size."""
    data = packed(chunk.name, members)
    disk.write_whole(hub.folder / "chunks" / f"{chunk.name}.tar.gz", data)
    disk.write_whole(hub.folder / "metadata" / f"{chunk.name}.csv", rows)
    hub.open_claims(chunk.name)
    return chunk._replace(sha256=hashlib.sha256(data).hexdigest(), bytes=str(len(data)))


def size_in_archive(sizes):
    """Return how much room stamps of so many bytes take in a chunk, unpacked, at the most."""
    # each has a header of 512 bytes and is filled up to the next 512
    return sum(size + 1024 for size in sizes)


def packed(name, members):
    """Return the tar.gz of a chunk: the same bytes for the same stamps, whoever makes it."""
    file = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 6, file, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for member, data in members:
            entry = tarfile.TarInfo(f"{name}/{member}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return file.getbuffer()


def is_gold(seed, place, last, share):
    """Tell whether the chunk at a place in the list, from 0, is gold; `last` is the last gold one.

    Of each 1 / share chunks in the list, whichever drops they are of, one drawn at random is: a
    small hub cannot be left without any, and nobody can tell which from where the others are.
    """
    share = Fraction(str(share))  # 0.1 is a tenth
    stratum = math.floor(place * share)
    if not share or math.floor(last * share) == stratum:
        return False
    left = math.ceil((stratum + 1) / share) - place
    drawn = hashlib.sha256(f"gold {seed} {place}".encode()).digest()[:8]
    return int.from_bytes(drawn, "big") * left < 2**64


def _walk(top):
    """Go through the stamps in a folder as `stamps.members` goes through an archive."""
    for path in _files(top, stamps.StampError):
        if stamps.parse_name(path):
            data = None
            with contextlib.suppress(OSError, HubError):
                data = read(path, stamps.MEMBER_LIMIT)
            yield os.path.basename(path), data


def _files(top, failure):
    """Go through the files below a folder, a folder's own before those of its folders.

    Not even the names of one folder are held at once: there may be millions. Their order is
    therefore the file system's.
    """
    waiting = [os.fspath(top)]
    while waiting:
        folder, folders = waiting.pop(), []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.path
        except OSError as error:
            raise failure(f"{folder} cannot be read ({error.strerror})") from error
        waiting += sorted(folders, reverse=True)


def _score(text):
    """Return a PHOTPROB, or None if the text is none; SNANA writes -9 and the like for that."""
    try:
        score = float(text)
    except ValueError:
        return None
    return score if 0 <= score < math.inf else None


def _check_table(rows, path, by_score, progress):
    """Go through a table once; return its columns without OBJID, and how many rows it has."""
    columns, total = [], 0
    if path is not None:
        progress(f"reading {path}", at_once=True)
        lines = rows(path)
        columns = next(lines)
        if "OBJID" not in columns:
            found = ", ".join(columns)[:500] or "none"
            raise _unusable(path, f"it has no column OBJID; its columns are {found}")
        total = sum(1 for _ in lines)
    if by_score and SCORE not in columns:
        raise HubError(
            f"--min-score and --order uncertain need a table with a column {SCORE}: nothing was "
            "added. Name one with --metadata or --lightcurves, or leave them out.",
            USAGE,
        )
    if path is not None:
        columns.remove("OBJID")
    return columns, total


def _unusable(path, reason):
    return HubError(
        f"{path} cannot be used ({reason}): nothing was added. Mend it and run this again."
    )


def _read_table(path):
    """Go through a CSV: first its columns, then its rows, which are as long; both are lists."""
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front of OBJID
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = [column.strip() for column in next(lines, ())]
            yield columns[:]
            for line in filter(None, lines):
                if len(line) != len(columns):
                    raise ValueError(
                        f"line {lines.line_num} has {len(line)} fields, the header {len(columns)}"
                    )
                yield line
    except (OSError, ValueError, csv.Error) as error:  # ValueError: also what is no UTF-8
        reason = error.strerror if isinstance(error, OSError) else error
        raise _unusable(path, reason) from error


def _read_light_curves(folder):
    """Go through the light curves below a folder as `_read_table` goes through a CSV.

    The columns are those of all their VARLIST lines, and SNID where a VARLIST lacks it.
    """
    failure = functools.partial(_unusable, folder)
    columns = {}
    for path in _files(folder, failure):
        columns.update(dict.fromkeys(next(_light_curve(path, failure), ())))
    if not columns:
        raise failure("there is no light curve in it, a text file with a VARLIST")
    yield list(columns)
    place = {column: number for number, column in enumerate(columns)}
    for path in _files(folder, failure):
        lines = _light_curve(path, failure)
        places = [place[column] for column in next(lines, ())]
        for line in lines:
            row = [""] * len(columns)
            for number, value in zip(places, line):
                row[number] = value
            yield row


def _light_curve(path, failure):
    """Go through a light curve: its columns, then its rows; nothing if the file is none."""
    names, snid, last = None, "", ()
    try:
        if not os.path.isfile(path):  # a pipe would keep us waiting
            return
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LINE_LIMIT), ""), 1):
                if "\0" in line:
                    return
                key, *values = line.split() or ("",)
                if key == "SNID:":
                    snid = values[0] if values else ""
                elif key == "VARLIST:" and names is None:
                    names, last = values, () if "SNID" in values else ("SNID",)
                    if "OBJID" not in names:
                        raise failure(f"the VARLIST of {path} has no OBJID")
                    yield [*names, *last]
                elif key == "OBS:" and names is not None:
                    if len(values) != len(names):
                        raise failure(
                            f"line {number} of {path} has {len(values)} fields, its VARLIST "
                            f"{len(names)}"
                        )
                    yield [*values, *(snid for _ in last)]
    except OSError as error:
        raise failure(f"{path}: {error.strerror}") from error
