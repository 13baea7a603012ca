"""A file written through this module is there whole or not at all, whatever fails in between.

A whole file is written beside its target under a name that begins with a dot and ends in ``.part``,
synced, renamed over the target, and the folder is synced too: rename is atomic on local disks,
NFS and AFS alike, byte-range locks and atomic appends are not. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path


def write_whole(
    path: str | Path, data: bytes, mode: int = 0o666, desk: str | Path | None = None
) -> None:
    """Put `data` into the file `path`, replacing what was there.

    Parameters
    ----------
    path : str or Path
        The target. Its folder must exist.
    data : bytes
        The whole content.
    mode : int
        Permission bits of the new file, less the umask.
    desk : str or Path, optional
        Where it is written before it is moved, if not beside its target: a folder on the same file
        system in which nobody else can put something in its way.

    Raises
    ------
    OSError
        The disk is full, the folder read-only, and so on. The old content is then still there.
    """
    path = Path(path)
    part = Path(desk or path.parent) / f".{path.name}.{os.getpid()}.part"
    try:
        _write(part, os.O_TRUNC, data, mode)
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def create(path: str | Path, data: bytes, mode: int = 0o666) -> None:
    """Make the file `path` with `data` in it, only if nothing of that name exists.

    Of several processes on several machines that try, one succeeds. Someone who looks at the
    very moment may find the file still empty: its existence is the news, its content is a detail.

    Raises
    ------
    FileExistsError
        The name is taken, be it by a dangling link.
    OSError
        It could not be written; then it is not there either.
    """
    path = Path(path)
    try:
        _write(path, os.O_EXCL, data, mode)
    except FileExistsError:
        raise
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    sync_folder(path.parent)


def create_whole(
    path: str | Path, data: bytes, mode: int = 0o666, desk: str | Path | None = None
) -> None:
    """Do as `create`, but nobody ever finds the file half written; `desk` as in `write_whole`.

    Raises
    ------
    FileExistsError
        The name is taken.
    OSError
        It could not be written; then it is not there either.
    """
    path = Path(path)
    part = Path(desk or path.parent) / f".{path.name}.{os.uname().nodename}.{os.getpid()}.part"
    write_whole(part, data, mode)
    try:
        os.link(part, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, or with none from folder to folder
        create(path, data, mode)
    finally:
        part.unlink()


def _write(path: Path, flag: int, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | flag, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        sync(descriptor)


def private(path: str, flags: int) -> int:
    """Open a file, as an opener of `open`: made by this, it is its owner's alone."""
    return os.open(path, flags, 0o600)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that lack, for its owner alone, whatever the umask."""
    if not folder.is_dir():
        make_private(folder.parent)
        with contextlib.suppress(FileExistsError):  # another process was faster
            folder.mkdir(0o700)


def sync(descriptor: int) -> None:
    """Wait until what was written to a file is on the disk, through the disk's own cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at that cache
    if full is not None:
        with contextlib.suppress(OSError):  # not every file system of a Mac knows it
            fcntl.fcntl(descriptor, full)
            return
    os.fsync(descriptor)


def sync_folder(folder: str | Path) -> None:
    """Make the names in a folder survive a power cut, where its file system knows how."""
    with contextlib.suppress(OSError):  # AFS and some network mounts refuse to sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def time_names() -> Iterator[str]:
    """Go through names such as ``2026-11-22_13-08-00``: now (UTC), and second by second later.

    Whoever needs one that is free takes the first for which there is nothing yet.
    """
    at = datetime.now(timezone.utc)
    while True:
        yield at.strftime("%Y-%m-%d_%H-%M-%S")
        at += timedelta(seconds=1)
