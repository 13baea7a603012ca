"""The data folder: the label files by their place, what a crash left, what was done today.

It holds ``chunks/`` and ``labels/``, and a label file's place in that tells its state: ``open/`` a
session writes it, ``waiting/`` it is settled and to be sent, ``sent/`` the hub has acknowledged it
(``NAME.rejected`` beside it: but not all of it). ``NAME.torn`` holds what of a file could not be
read. A `Folder` may be used from any thread, a `Record` by one at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, TypeVar

import disk
import labelfile
import labels
from session.clock import midnight
from session.settings import SessionError

PLACES = ("open", "waiting", "sent")
T = TypeVar("T")
log = logging.getLogger("artifactspy")


def take_lock(home: Path) -> IO[str]:
    """Make sure that no other session uses this data folder; the lock goes with the process.

    Returns
    -------
    file
        To be kept open.

    Raises
    ------
    SessionError
        Another session does, or nothing can be written there.
    """
    path = Path(home) / "lock"
    try:
        disk.make_private(Path(home))
        lock = open(path, "a+", opener=disk.private)  # noqa: SIM115
    except OSError as error:
        raise SessionError(
            f"Nothing can be written to {home} ({error.strerror}): no label could be kept. "
            "Name another folder with --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SessionError(
            f"A window is open on {home} already: close it first, or give this one a folder of "
            "its own with --data."
        ) from None
    except OSError as error:  # a network home without locks: one person rarely starts two
        log.warning("%s cannot be locked: %s", path, error)
    return lock


class Folder:
    """One person's chunks and label files.

    Parameters
    ----------
    data : Path
        The folder that holds ``chunks/`` and ``labels/``.
    user : str
        Whose label files count; others' are left alone.
    """

    def __init__(self, data: Path, user: str):
        self._data, self._user = data, user

    def _made(self, *names: str) -> Path:
        folder = self._data.joinpath(*names)
        disk.make_private(folder)
        return folder

    def place(self, place: str) -> Path:
        """Return the folder of one of `PLACES`; it is made if need be."""
        return self._made("labels", place)

    def archives(self) -> list[Path]:
        """List the chunks that are here, in the order of their names."""
        return sorted(self._made("chunks").glob("*.tar.gz"))

    def arriving(self) -> list[Path]:
        """List what is being fetched at the moment."""
        return list(self._made("chunks").glob(".*.part"))

    def _label_files(self, places: Iterable[str]) -> list[Path]:
        files = [path for place in places for path in self.place(place).glob("*--*.csv")]
        return [
            path for path in files if labelfile.user_of(path.name) == self._user and path.is_file()
        ]

    def of_label_files(self, function: Callable[[list[Path]], T], *places: str) -> T:
        """Return what a function makes of the list of label files in some places.

        sync.sh moves files from waiting to sent; where one moves meanwhile, look again.
        """
        while True:
            with contextlib.suppress(FileNotFoundError):
                return function(self._label_files(places))

    def make(self) -> None:
        """Make the folders; raises `SessionError` if they cannot be written to."""
        try:
            for place in PLACES:
                self.place(place)
        except OSError as error:
            raise self._closed(error) from error

    def settle_crashed(self) -> list[str]:
        """Settle what a session left that crashed, and copies that a syncing folder made.

        Returns
        -------
        list of str
            Sentences for the user.

        Raises
        ------
        SessionError
            The folder cannot be written to.
        """
        left, waiting = (
            [path for path in self.place(place).glob("*--*.csv") if labelfile.true_name(path.name)]
            for place in ("open", "waiting")
        )
        copies = [path for path in waiting if not labelfile.user_of(path.name)]
        said = []
        try:
            for path in left + copies:
                _, torn = labelfile.settle(path, self.place("waiting"))
                log.warning("%s was left behind, and is settled", path)
                if torn:
                    said.append(f"A part of {path.name} cannot be read: it is kept as {torn}.")
        except OSError as error:
            raise self._closed(error) from error
        if left:
            told = "The labels of a session that was interrupted are safe, and are sent now."
            said.insert(0, told)
        return said

    def _closed(self, error: OSError) -> SessionError:
        return SessionError(
            f"{error.filename or self._data} cannot be written to ({error.strerror}): "
            "the labels there are safe. Make room or make it writable, then start again."
        )

    def latest(self, objids: set[str], stamp: str) -> dict[str, labelfile.Row]:
        """Find what was answered last for each of some detections of a drop: Object ID -> row."""
        found = self.of_label_files(lambda files: labelfile.latest(files, objids), *PLACES)
        return _about(found, stamp)

    def all_acknowledged(self, objids: set[str], stamp: str) -> bool:
        """Tell whether the hub has taken in all rows of some detections of a drop."""

        def answered(files: list[Path]) -> dict[str, labelfile.Row]:
            whole = [path for path in files if not path.with_suffix(".rejected").exists()]
            return labelfile.latest(whole, objids)

        return objids <= _about(self.of_label_files(answered, "sent"), stamp).keys()

    def labelled_today(self) -> set[str]:
        """Return the detections that were labelled since midnight, local time."""
        since = midnight()

        def count(files: list[Path]) -> set[str]:
            recent = [path for path in files if path.stat().st_mtime >= since]
            rows = [entry for path in recent for entry in labelfile.read(path).rows]
            return {
                entry.objid
                for entry in rows
                if labelfile.check(entry) is None
                and entry.action != labels.SKIPPED
                and labelfile.given_at(entry) >= since
            }

        return self.of_label_files(count, *PLACES)

    def to_send(self) -> int:
        """Count the detections whose labels the hub does not have yet."""

        def count(files: list[Path]) -> int:
            rows = [entry for path in files for entry in labelfile.read(path).rows]
            return len({entry.objid for entry in rows if entry.action != labels.SKIPPED})

        return self.of_label_files(count, "open", "waiting")

    def has_waiting(self) -> bool:
        """Tell whether there are label files to be sent, anyone's."""
        return any(self.place("waiting").glob("*--*.csv"))

    def find(self, name: str) -> Path | None:
        """Return where a label file is now."""
        paths = (self._data / "labels" / place / name for place in reversed(PLACES))
        return next((path for path in paths if path.exists()), None)

    def new_file(self) -> labelfile.LabelFile:
        """Make the file that a session writes; raises `labelfile.LabelError` if it cannot."""
        others = [self.place(place) for place in PLACES[1:]]
        return labelfile.LabelFile(self.place("open"), self._user, others)


def _about(answers: dict[str, labelfile.Row], stamp: str) -> dict[str, labelfile.Row]:
    """Leave out what was skipped in another drop: it has come anew, with other stamps."""
    return {
        objid: row
        for objid, row in answers.items()
        if row.action != labels.SKIPPED or row.metadata_stamp == stamp
    }


class Record:
    """What this sitting writes: its label file, made with the first row."""

    def __init__(self, folder: Folder):
        self._folder = folder
        self._file: labelfile.LabelFile | None = None
        self._owed: list[labelfile.Row] = []

    def owe(self, *rows: labelfile.Row) -> None:
        """Keep rows that the next `append` writes: the disk may have no room for them now."""
        self._owed += rows

    def append(self, *rows: labelfile.Row) -> None:
        """Write what is owed and these rows, and wait until they are on the disk.

        Raises
        ------
        labelfile.LabelError
            They are not there; what is owed stays owed.
        """
        if self._file is None:
            self._file = self._folder.new_file()
        self._file.append(*self._owed, *rows)
        self._owed.clear()

    def settle(self) -> None:
        """Close the file, and settle it to be sent."""
        if self._owed:
            with contextlib.suppress(labelfile.LabelError):  # the next session skips them again
                self.append()
        if self._file is not None:
            self._file.append()  # if it went away meanwhile, it is written anew
            self._file.close()
            labelfile.settle(self._file.path, self._folder.place("waiting"))

    @property
    def path(self) -> Path | None:
        """Where the file is now, or None if there is none."""
        return self._folder.find(self._file.path.name) if self._file else None
