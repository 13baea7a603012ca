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
from cluster.hub import REFUSED, STAMP, USAGE, Chunk, Hub, HubError, now, read, table

_NAMED = 5  # of the incomplete detections, in the summary
# what a labeller's machine takes, less the ends of the archive and of its last read
_UNPACKED_LIMIT = stamps.CHUNK_LIMIT - (1 << 20)
_TOO_LARGE = f"is larger than {stamps.MEMBER_LIMIT} bytes"


def add(folder, sources, metadata=None, stamp=None, seed=None):
    """Cut stamps into chunks; return 1 if a source could not be read to its end, else 0.

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
        Nothing was added: another process is adding, the table cannot be used, and so on.
    """
    hub = Hub(folder)
    hub.owner_only("add stamps")
    if stamp is not None and not STAMP.fullmatch(stamp):
        raise HubError(
            f"{stamp!r} cannot name a drop: nothing was added. Use 1 to 64 letters, digits, _ and "
            "-, no - in front and no --.",
            USAGE,
        )
    with _alone(hub), tempfile.TemporaryFile(dir=hub.folder) as file:
        listed = list(hub.chunks())
        stamp = _unused_stamp(stamp, {stamps.metadata_stamp(chunk.name) for chunk in listed})
        _read_table(metadata, ())  # a table of no use should be known before hours of copying
        drop = _Drop(file, {objid for chunk in listed for objid in hub.objids(chunk.name)})
        problems = [problem for problem in map(drop.read, sources) if problem]
        complete, incomplete = drop.sort_out()
        columns, rows, unused = _read_table(metadata, drop.parts.keys() | drop.known)
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        random.Random(seed).shuffle(complete)
        number = max((int(chunk.name.split("--")[1]) for chunk in listed), default=0)
        new = []
        for objids in drop.groups(complete, hub.settings.chunk_size):
            name = f"chunk--{number + len(new) + 1:05d}--{stamp}"
            data = drop.archive(name, objids)
            disk.write_whole(hub.folder / "chunks" / f"{name}.tar.gz", data)
            lines = [[objid, *rows.get(objid, [""] * len(columns))] for objid in objids]
            path = hub.folder / "metadata" / f"{name}.csv"
            disk.write_whole(path, table(("OBJID", *columns), lines))
            hub.open_claims(name)
            sha256 = hashlib.sha256(data).hexdigest()
            new.append(Chunk(name, sha256, str(len(data)), str(len(objids)), "", str(seed)))
        if new:
            disk.write_whole(hub.folder / "chunks.csv", table(Chunk._fields, listed + new))
    print(
        f"Added {len(complete)} triplets in {len(new)} chunks as drop {stamp}; "
        f"{len(incomplete)} were incomplete, {len(drop.already)} there already."
    )
    for objid in sorted(incomplete)[:_NAMED]:
        print(f"  {objid}: {incomplete[objid]}")
    if len(incomplete) > _NAMED:
        print(f"  and {len(incomplete) - _NAMED} more")
    if metadata is not None:
        lacking = len(set(complete) - rows.keys())
        print(f"  {lacking} triplets have no row in {metadata}, {unused} of its rows no stamps.")
    if problems:
        told = "; ".join(problems)
        raise HubError(f"{told}. What could be read was added: mend the rest and add it again.")
    return 0


@contextlib.contextmanager
def _alone(hub):
    """Keep a second `add` away. Locks of the operating system do not reach across AFS and NFS."""
    lock = hub.folder / ".add.lock"
    try:
        disk.create(lock, f"{os.uname().nodename} {os.getpid()} {now()}\n".encode())
    except FileExistsError:
        host, pid, time = (read(lock, 1000).decode("utf-8", "replace").split() + ["?"] * 3)[:3]
        raise HubError(
            f"Another add runs on {host} as process {pid} since {time}: nothing was added. Wait "
            f"for it; if there is no such process any more, remove {lock} and run this again."
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _unused_stamp(stamp, used):
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
    """The stamps of one drop.

    Parameters
    ----------
    file : binary file
        Takes all their bytes.
    known : set of str
        The detections that the hub has already.

    Attributes
    ----------
    parts : dict
        Object ID -> kind -> (suffix, place, size, None), or (suffix, 0, 0, what is wrong with it).
    already : set of str
        Those of `known` that came again.
    """

    def __init__(self, file, known):
        self.parts, self.known, self.already = {}, known, set()
        self._file, self._end = file, 0

    def read(self, source):
        """Take in an archive or a folder; return what is wrong with it, or None."""
        path, found = Path(source), False
        try:
            if path.is_dir():
                stream = _walk(path)
            elif path.exists() and not path.is_file():
                raise stamps.StampError("it is neither an archive nor a folder")
            else:
                stream = (
                    (name, data, _TOO_LARGE)
                    for name, data in stamps.members(path, limit=float("inf"))
                )
            for name, data, trouble in stream:
                found = True
                self._take(*stamps.parse_name(name), data, trouble)
        except stamps.StampError as error:
            return f"{source}: {error}"
        return None if found else f"{source}: there are no stamps in it"

    def _take(self, kind, objid, suffix, data, trouble):
        if objid in self.known:
            self.already.add(objid)
            return
        parts = self.parts.setdefault(objid, {})
        if kind in parts:  # the first of several counts
            return
        if data is None:
            parts[kind] = suffix, 0, 0, trouble
            return
        self._file.write(data)
        parts[kind] = suffix, self._end, len(data), None
        self._end += len(data)

    def sort_out(self):
        """Return the complete Object IDs, sorted, and a dict of the others with the reason."""
        complete, incomplete = [], {}
        for objid, parts in sorted(self.parts.items()):
            reasons = [
                f"{kind} {parts[kind][3] if kind in parts else 'is missing'}"
                for kind in stamps.KINDS
                if kind not in parts or parts[kind][3]
            ]
            if reasons:
                incomplete[objid] = ", ".join(reasons)
            else:
                complete.append(objid)
        return complete, incomplete

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
                    suffix, place, size, _ = self.parts[objid][kind]
                    entry = tarfile.TarInfo(f"{name}/{kind}{objid}{suffix}")
                    entry.size = size
                    self._file.seek(place)
                    archive.addfile(entry, self._file)
        return packed.getvalue()


def _walk(top):
    """Go through the stamps in a folder: name, content or None, and then why not."""

    def refuse(error):
        raise stamps.StampError(f"{error.filename} cannot be read ({error.strerror})")

    for folder, folders, names in os.walk(top, onerror=refuse):
        folders.sort()
        for name in sorted(filter(stamps.parse_name, names)):
            path = Path(folder, name)
            try:
                large = path.lstat().st_size > stamps.MEMBER_LIMIT
                data = None if large else read(path, stamps.MEMBER_LIMIT)
            except (OSError, HubError):
                yield name, None, "cannot be read"
            else:
                yield name, data, _TOO_LARGE


def _read_table(path, wanted):
    """Read a metadata table.

    Returns
    -------
    columns : list of str
        Without OBJID.
    rows : dict
        Object ID -> its other fields; the first row of several, and of the wanted ones only.
    unused : int
        How many rows are not wanted.
    """
    columns, rows, unused = [], {}, 0
    if path is None:
        return columns, rows, unused
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front of OBJID
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file)
            columns = [column.strip() for column in next(lines, ())]
            if "OBJID" not in columns:
                found = ", ".join(columns)[:500] or "none"
                raise HubError(
                    f"{path} has no column OBJID: nothing was added. Its columns are: {found}."
                )
            place = columns.index("OBJID")
            for line in filter(None, lines):
                if len(line) != len(columns):
                    raise ValueError(
                        f"line {lines.line_num} has {len(line)} fields, the header {len(columns)}"
                    )
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
    return columns, rows, unused
