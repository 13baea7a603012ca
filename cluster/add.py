"""Stamps and their metadata table become chunks, in random order.

All stamps are first copied into one unnamed file on the hub's disk, as kinds may come in any
order, and are then written chunk by chunk: ``chunks/NAME.tar.gz``, ``metadata/NAME.csv`` and the
folder for claims. ``chunks.csv`` is replaced last: a chunk that is not listed does not exist, and
after an interruption its number is given again. The order of a drop follows from the seed
that chunks.csv records, and a chunk's bytes follow from its stamps. Standard library only.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import os
import random
import tarfile
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import disk
import stamps
from cluster.hub import REFUSED, STAMP, USAGE, Chunk, Hub, HubError, counted, now, read, table

_NAMED = 5  # of the incomplete detections, in the summary
# what a labeller's machine takes, less the ends of the archive and of its last read
_UNPACKED_LIMIT = stamps.CHUNK_LIMIT - (1 << 20)
_UNREADABLE = f"cannot be read, or is larger than {stamps.MEMBER_LIMIT} bytes"


def add(folder, sources, metadata=None, stamp=None, seed=None):
    """Cut stamps into chunks, print how many, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    sources : list of str
        Archives (tar.gz), and folders that hold stamps at any depth.
    metadata : str, optional
        A CSV with a column OBJID.
    stamp : str, optional
        The drop's name; the time if not given.
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
    with _alone(hub), tempfile.TemporaryFile(dir=hub.folder) as file:
        listed = list(hub.chunks())
        stamp = _unused_stamp(stamp, {stamps.metadata_stamp(chunk.name) for chunk in listed})
        _read_table(metadata, ())  # a table of no use should be known before hours of copying
        drop = _Drop(file, {objid for chunk in listed for objid in hub.objids(chunk.name)})
        problems = [problem for problem in map(drop.read, sources) if problem]
        told = "; ".join(problems)
        columns, rows, total, unused = _read_table(metadata, drop.parts.keys() | drop.known)
        found = drop.parts.keys() | drop.already
        if metadata is not None and found and not found & rows.keys():
            raise HubError(
                f"{told}{'. ' if told else ''}None of the {counted(total, 'row')} of {metadata} "
                "belongs to these stamps: nothing was added. Is it the right table?",
                REFUSED,
            )
        incomplete = drop.take_out_incomplete()
        order = sorted(drop.parts)
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        random.Random(seed).shuffle(order)
        number = max((int(chunk.name.split("--")[1]) for chunk in listed), default=0)
        new = []
        for objids in drop.groups(order, hub.settings.chunk_size):
            name = f"chunk--{number + len(new) + 1:05d}--{stamp}"
            data = drop.archive(name, objids)
            disk.write_whole(hub.folder / "chunks" / f"{name}.tar.gz", data)
            lines = [[objid, *rows.get(objid, [""] * len(columns))] for objid in objids]
            path = hub.folder / "metadata" / f"{name}.csv"
            disk.write_whole(path, table(("OBJID", *columns), lines))
            hub.open_claims(name)
            sha256 = hashlib.sha256(data).hexdigest()
            new.append(Chunk(name, sha256, str(len(data)), str(len(objids)), "", str(seed), ""))
        if new:
            disk.write_whole(hub.folder / "chunks.csv", table(Chunk._fields, listed + new))
    if told and not new:
        raise HubError(f"{told}. Nothing was added.")
    added = f"Added {counted(len(order), 'detection')} in {counted(len(new), 'chunk')} as drop"
    print(
        f"{added} {stamp}" if new else "Nothing was added",
        f"{len(incomplete)} incomplete, {len(drop.already)} there already.",
        sep="; ",
    )
    for objid in sorted(incomplete)[:_NAMED]:
        print(f"  {objid}: {incomplete[objid]}")
    if len(incomplete) > _NAMED:
        print(f"  and {len(incomplete) - _NAMED} more")
    if metadata is not None:
        lacking = len(drop.parts.keys() - rows.keys())
        if lacking or unused:
            print(
                f"  {counted(lacking, 'detection has', 'detections have')} no row in {metadata}; "
                f"{counted(unused, 'of its rows has', 'of its rows have')} no stamps."
            )
    if told:
        raise HubError(f"{told}. What could be read was added: mend the rest and add it again.")
    return 0


@contextlib.contextmanager
def _alone(hub):
    """Keep a second `add` away. Locks of the operating system do not reach across AFS and NFS."""
    lock = hub.folder / ".add.lock"
    try:
        disk.create(lock, f"process {os.getpid()} on {os.uname().nodename} since {now()}".encode())
    except FileExistsError:
        who = read(lock, 1000).decode("utf-8", "replace") or "one that says nothing"
        raise HubError(
            f"Another add is at work, {who}: nothing was added. Wait for it; if there is no such "
            f"process any more, remove {lock} and run this again."
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


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
    time = datetime.now(timezone.utc)
    while stamp is None or stamp in used:
        stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
        time += timedelta(seconds=1)
    return stamp


class _Drop:
    """The stamps of one drop, all their bytes in one file.

    `parts` has, by Object ID and kind, (suffix, place, size) or what is wrong with the stamp;
    `known` are the detections that the hub has, `already` those of them that came again.
    """

    def __init__(self, file, known):
        self.parts, self.known, self.already = {}, known, set()
        self._file = file

    def read(self, source):
        """Take in an archive or a folder; return what is wrong with it, or None."""
        path, found = Path(source), False
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
        if objid in self.known:
            self.already.add(objid)
            return
        parts = self.parts.setdefault(objid, {})
        if kind in parts:  # the first of several counts
            return
        if data is None:
            parts[kind] = _UNREADABLE
        else:
            parts[kind] = suffix, self._file.tell(), len(data)
            self._file.write(data)

    def take_out_incomplete(self):
        """Leave only whole triplets in `parts`; return why, by Object ID, for the others."""
        incomplete = {}
        for objid, parts in self.parts.items():
            found = {kind: parts.get(kind, "is missing") for kind in stamps.KINDS}
            reasons = [f"{kind} {why}" for kind, why in found.items() if isinstance(why, str)]
            if reasons:
                incomplete[objid] = ", ".join(reasons)
        for objid in incomplete:
            del self.parts[objid]
        return incomplete

    def groups(self, objids, most):
        """Cut a list of detections into those of one chunk each, by number and by size."""
        group, total = [], 0
        for objid in objids:
            # each stamp in an archive has a header of 512 bytes and is filled up to the next 512
            size = sum(part[2] + 1024 for part in self.parts[objid].values())
            if group and (len(group) == most or total + size > _UNPACKED_LIMIT):
                yield group
                group, total = [], 0
            group.append(objid)
            total += size
        if group:
            yield group

    def archive(self, name, objids):
        """Return the tar.gz of a chunk: the same bytes for the same stamps, whoever makes it."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile("", "wb", 6, packed, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for objid in objids:
                for kind in stamps.KINDS:
                    suffix, place, size = self.parts[objid][kind]
                    entry = tarfile.TarInfo(f"{name}/{kind}{objid}{suffix}")
                    entry.size = size
                    self._file.seek(place)
                    archive.addfile(entry, self._file)
        return packed.getvalue()


def _walk(top):
    """Go through the stamps in a folder as `stamps.members` goes through an archive."""

    def refuse(error):
        raise stamps.StampError(f"{error.filename} cannot be read ({error.strerror})")

    for folder, folders, names in os.walk(top, onerror=refuse):
        folders.sort()
        for name in sorted(filter(stamps.parse_name, names)):
            data = None
            with contextlib.suppress(OSError, HubError):
                data = read(Path(folder, name), stamps.MEMBER_LIMIT)
            yield name, data


def _read_table(path, wanted):
    """Read a metadata table, of which only the wanted Object IDs are kept.

    Returns its columns without OBJID, a dict of the other fields by Object ID (the first row of
    several counts), how many rows there are, and how many of them are not wanted.
    """
    columns, rows, total, unused = [], {}, 0, 0
    if path is None:
        return columns, rows, total, unused
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front of OBJID
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = [column.strip() for column in next(lines, ())]
            if "OBJID" not in columns:
                found = ", ".join(columns)[:500] or "none"
                raise ValueError(f"it has no column OBJID; its columns are {found}")
            place = columns.index("OBJID")
            for line in filter(None, lines):
                if len(line) != len(columns):
                    raise ValueError(
                        f"line {lines.line_num} has {len(line)} fields, the header {len(columns)}"
                    )
                total += 1
                objid = line.pop(place).strip()
                if objid in wanted:
                    rows.setdefault(objid, line)
                else:
                    unused += 1
            del columns[place]
    except (OSError, ValueError, csv.Error) as error:  # ValueError: also what is no UTF-8
        reason = error.strerror if isinstance(error, OSError) else error
        raise HubError(
            f"{path} cannot be used ({reason}): nothing was added. Mend it and run this again."
        ) from error
    return columns, rows, total, unused
