"""Chunks are made, and listed when they are whole.

Each is ``chunks/NAME.tar.gz``, ``metadata/NAME.csv`` and the folder for its claims. ``chunks.csv``
is replaced last: a chunk that is not listed does not exist, and what an interrupted command left is
removed by the next. Gold marks follow from the seed that chunks.csv records and from the marks
before, a chunk's bytes from its stamps and what is told of them. Standard library only.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import math
import os
import re
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple

import disk
import facts
import stamps
from cluster.hub import (
    CHUNK,
    Hub,
    HubError,
    Listed,
    has_ended,
    now,
    number,
    read,
    table,
)

# what a labeller's machine takes, less the facts, and the ends of the archive and its last read
UNPACKED_LIMIT = stamps.CHUNK_LIMIT - (1 << 20) - facts.LIMIT
_WRITERS = 3  # one of which waits for the disk
_AT_ONCE = 64 << 20  # bytes of stamps that are on their way into chunks
_LOCK = re.compile(r"process ([0-9]{1,9}) on (\S+) since ")


class Content(NamedTuple):
    """What goes into a chunk: its drop, its stamps (name and bytes), and its table without header.

    The first field of each of `rows`, one for each detection, is its Object ID.
    """

    stamp: str
    members: Sequence[tuple[str, bytes]]
    rows: Sequence[Sequence[str]]


@contextlib.contextmanager
def alone(hub: Hub) -> Iterator[None]:
    """Keep others who make chunks away, and remove what an interrupted one left.

    Locks of the operating system do not reach across AFS and NFS, so this one is a file. That of
    a process that has died on this machine is taken away.
    """
    lock = hub.folder / ".add.lock"
    mine = f"process {os.getpid()} on {os.uname().nodename} since {now()}".encode()
    for last in (False, True):
        try:
            disk.create_whole(lock, mine)  # who finds it must be able to tell whose it is
            break
        except FileExistsError:
            who = ""
            with contextlib.suppress(FileNotFoundError):
                who = read(lock, 1000).decode("utf-8", "replace")
            match = _LOCK.match(who)
            if last or match is None or not has_ended(match[2], int(match[1])):
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


def _sweep(hub: Hub) -> None:
    """Remove chunks that are not listed and that nobody claimed, and half-written files."""
    folder = hub.folder
    parts = "*/.chunk--*.part", ".chunks.csv.*.part", "..add.lock.*.part"
    for path in (path for part in parts for path in folder.glob(part)):
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
        for path in (hub.metadata_file(name), hub.archive(name)):
            path.unlink(missing_ok=True)


def _names(hub: Hub) -> set[str]:
    """Return the names of all chunks whose archives are there, listed or not."""
    files = os.listdir(hub.folder / "chunks")
    names = {stamps.stem(file) for file in files if file.endswith(".tar.gz")}
    return set(filter(CHUNK.fullmatch, names))


def write(
    hub: Hub,
    contents: Iterable[Content],
    seed: int,
    cut: str = "",
    columns: Sequence[str] = (),
    progress: Callable[[str], None] = lambda text: None,
) -> list[Listed]:
    """Write chunks, and then list them.

    Parameters
    ----------
    hub : Hub
        Held by `alone`.
    contents : iterable of Content
        Of each chunk; asked for when the one before is under way.
    seed : int
        Decides which of them are gold.
    cut : str
        For chunks.csv.
    columns : sequence of str
        Of the tables, without OBJID.
    progress : callable
        Is told what is going on.
    """
    listed = list(hub.chunks())
    # also past those that `_sweep` left alone
    highest = max(map(number, {*_names(hub), *(chunk.name for chunk in listed)}), default=0)
    place = len(listed)
    last = max((index for index, chunk in enumerate(listed) if chunk.gold), default=-1)
    begun: deque[tuple[int, Future[Listed]]] = deque()
    waiting, new = 0, []

    def finish() -> int:
        size, chunk = begun.popleft()
        new.append(chunk.result())
        return size

    # compressing and waiting for the disk leave Python's lock to the others
    with ThreadPoolExecutor(_WRITERS) as writers:
        for content in contents:
            highest += 1
            name = f"chunk--{highest:05d}--{content.stamp}"
            progress(f"{name} is written")
            size = sum(len(data) for _, data in content.members)
            while begun and (len(begun) > _WRITERS or waiting + size > _AT_ONCE):
                waiting -= finish()
            gold = is_gold(seed, place, last, hub.rules.gold_share)
            last, place = place if gold else last, place + 1
            count = str(len(content.rows))
            known = Listed(name, "", "", count, "yes" * gold, str(seed), cut)
            rows = table(("OBJID", *columns), content.rows)
            told = facts.table(facts.columns(hub.rules.facts), columns, content.rows)
            members = [*([(facts.FILE, told)] if told else []), *content.members]
            begun.append((size, writers.submit(_write_one, hub, known, members, rows)))
            waiting += size
        while begun:
            finish()
    if new:
        disk.write_whole(hub.folder / "chunks.csv", table(Listed._fields, listed + new))
    return new


def _write_one(
    hub: Hub, chunk: Listed, members: Iterable[tuple[str, bytes]], rows: bytes
) -> Listed:
    """Write all files of a chunk, the archive first; return it with the archive's sum and size."""
    data = packed(chunk.name, members)
    disk.write_whole(hub.archive(chunk.name), data)
    disk.write_whole(hub.metadata_file(chunk.name), rows)
    hub.open_claims(chunk.name)
    return chunk._replace(sha256=hashlib.sha256(data).hexdigest(), bytes=str(len(data)))


def bring(hub: Hub, name: str, columns: Sequence[str], told: Mapping[str, Sequence[str]]) -> int:
    """Bring detections of a chunk what a table says of them; return how many gained by it.

    What the chunk's own table says stays, what it lacks is filled in. The archive stays as it is,
    and with it what labelers are told.

    Parameters
    ----------
    columns : sequence of str
        Of the table, without OBJID.
    told : mapping
        Object ID -> its fields in that table.
    """
    known, rows = hub.metadata(name)
    header = list(dict.fromkeys((*known, *columns)))
    places, gained = [header.index(column) for column in columns], 0
    for row in rows:
        before = [*row, *[""] * (len(header) - len(row))]
        row[:] = before
        for place, text in zip(places, told.get(row[0], ())):
            row[place] = row[place] or text
        gained += row != before
    if gained:
        disk.write_whole(hub.metadata_file(name), table(header, rows))
    return gained


def size_in_archive(sizes: Iterable[int]) -> int:
    """Return how much room stamps of so many bytes take in a chunk, unpacked, at the most."""
    # each has a header of 512 bytes and is filled up to the next 512
    return sum(size + 1024 for size in sizes)


def packed(name: str, members: Iterable[tuple[str, bytes]]) -> bytes:
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
    return file.getvalue()


def is_gold(seed: int, place: int, last: int, gold_share: float) -> bool:
    """Tell whether the chunk at a place in the list, from 0, is gold; `last` is the last gold one.

    Of each 1 / share chunks in the list, whichever drops they are of, one drawn at random is: a
    small hub cannot be left without any, and nobody can tell which from where the others are.
    """
    share = Fraction(str(gold_share))  # 0.1 is a tenth
    stratum = math.floor(place * share)
    if not share or math.floor(last * share) == stratum:
        return False
    left = math.ceil((stratum + 1) / share) - place
    drawn = hashlib.sha256(f"gold {seed} {place}".encode()).digest()[:8]
    return int.from_bytes(drawn, "big") * left < 2**64
