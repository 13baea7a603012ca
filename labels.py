"""The eight labels a person can give, and the file in which no label is ever lost.

A label file is ``USER--YYYY-MM-DD_HH-MM-SS.csv`` (UTC), UTF-8, LF, RFC 4180, with the header
``OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS``. Every press appends one row and syncs it, so
that a row is on the disk before the next picture is on the screen; the last row of an OBJID
counts. A row is one line, always: a line that does not end, or is no row, was torn by a crash and
is set aside. To settle a file is to rewrite it with one row per OBJID. Standard library only.
"""

import contextlib
import csv
import io
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

import disk


class Label(NamedTuple):
    """One answer: its name in the file, and how the window offers it.

    `kind` is "artifact", "real" or "neutral" and decides the colour, `place` is "below" (the row
    under the stamps) or "side" (beside them), `meaning` is what to look for, as Help tells it.
    """

    name: str
    text: str
    kind: str
    key: str
    place: str
    meaning: str

    @property
    def title(self):
        """The text without what it says in brackets."""
        return self.text.partition(" (")[0]


LABELS = (
    Label(
        "BadSubtraction",
        "Bad Subtraction",
        "artifact",
        "1",
        "below",
        "Difference shows bright right beside dark: the two images were not aligned.",
    ),
    Label(
        "PsfInTemplate",
        "Point Source in Template",
        "artifact",
        "2",
        "below",
        "A point source sits exactly in the centre of Template, even if a galaxy is beside it: "
        "most likely a star of our own galaxy that varies.",
    ),
    Label(
        "NoisyTemplate",
        "Noisy Template",
        "artifact",
        "3",
        "below",
        "Template is too noisy to make out anything by eye, and none of the three stamps shows "
        "anything one could call a star or a galaxy.",
    ),
    Label(
        "DarkSpotInTemplateCenter",
        "Dark Spot in Template Center",
        "artifact",
        "4",
        "below",
        "Several dark pixels touch each other exactly in the centre of Template: a defect there "
        "leaves a false source in Difference.",
    ),
    Label(
        "Marginal",
        "Marginal",
        "real",
        "5",
        "below",
        "It could well be Good, but noise, or a transient too near the core of the galaxy, stands "
        "in the way of being sure.",
    ),
    Label(
        "Good",
        "Good",
        "real",
        "6",
        "below",
        "Search shows the transient and its host galaxy, Template the host alone, Difference the "
        "transient alone.",
    ),
    Label(
        "Unsure",
        "Unsure",
        "neutral",
        "7",
        "side",
        "You cannot tell. That is an answer too: an expert will look at it.",
    ),
    Label(
        "Other",
        "Other (comment in terminal)",
        "neutral",
        "8",
        "side",
        "None of these, and there is something to say: a clean point source without any host, for "
        "instance. You write a comment.",
    ),
)
SKIPPED = "Skipped"  # the program's own: the stamps could not be shown
BY_NAME = {label.name: label for label in LABELS}
ACTIONS = frozenset(BY_NAME) | {SKIPPED}

COLUMNS = ("OBJID", "ACTION", "COMMENT", "TIME", "METADATA_STAMP", "SECONDS")
COMMENT_LIMIT = 2000  # characters; a terminal hands over at most 4095 bytes of one line
_OBJID = re.compile(r"[0-9]{1,32}")
# neither a hidden file, nor a path, nor what a command takes for an option
_USER = re.compile(r"(?!.*--)[A-Za-z0-9_][A-Za-z0-9._-]{0,31}")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_FILE = re.compile(r"(?P<user>.+)--(?P<time>\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)\.csv", re.ASCII)
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,6})Z")


class LabelError(Exception):
    """A label could not be kept as asked; the message is the sentence that the user reads."""


class Row(NamedTuple):
    """One line of a label file, all of it text."""

    objid: str
    action: str
    comment: str
    time: str
    metadata_stamp: str
    seconds: str


def row(objid, action, comment="", metadata_stamp="", seconds=0.0):
    """Make the row of a label given now; `seconds` is how long the triplet was on screen."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    time = now.replace("+00:00", "Z")
    return Row(objid, action, comment, time, metadata_stamp, f"{seconds:.2f}")


def is_user(name):
    """Tell whether `name` can be part of a label file's name."""
    return _USER.fullmatch(name) is not None


def user_of(file_name):
    """Return the USER in a label file's name, or None if it is no such name."""
    match = _FILE.fullmatch(file_name)
    return match["user"] if match and is_user(match["user"]) else None


def clean_comment(text):
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


def shorten(text):
    """Return any text as a comment, cut where it is too long: for what the program itself says."""
    return clean_comment(text[:200])


def given_at(entry):
    """Return when a label was given, in seconds since 1970; raises ValueError on a bad TIME."""
    match = _TIME.fullmatch(entry.time)
    if match is None:
        raise ValueError(f"{entry.time!r} is no TIME")
    # ten times as fast as strptime, which a million labels feel
    return datetime.fromisoformat(f"{match[1]}+00:00").timestamp() + float(match[2])


def check(entry):
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

    Raises
    ------
    LabelError
        It cannot be made (disk full, read-only folder).
    """

    def __init__(self, folder, user):
        header = _line(COLUMNS)
        now = datetime.now(timezone.utc)
        while True:
            self.path = Path(folder) / f"{user}--{now:%Y-%m-%d_%H-%M-%S}.csv"
            try:
                disk.create(self.path, header)
                break
            except FileExistsError:  # a session that began and ended within this very second
                now += timedelta(seconds=1)
            except OSError as error:
                raise _not_saved(self.path, error) from error
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        self._size = len(header)
        self._torn = False  # part of a row that did not fit could not be taken back

    def append(self, *entries):
        """Write rows and wait until they are on the disk.

        Raises
        ------
        LabelError
            It is not there; what was there before is unharmed.
        """
        lines = (b"\n" if self._torn else b"") + b"".join(map(_line, entries))
        try:
            rest = memoryview(lines)
            while rest:  # a disk that fills up takes a part first, and then fails
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError as error:
            self._torn = True
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                self._torn = False
            raise _not_saved(self.path, error) from error
        self._size = os.fstat(self._descriptor).st_size
        self._torn = False

    def close(self):
        """Let go of the file. What was appended stays."""
        os.close(self._descriptor)


def _not_saved(path, error):
    return LabelError(
        f"This label is not saved, the earlier ones are: {path.parent} says "
        f"{error.strerror!r}. Make room there and press again."
    )


def _line(fields):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue().encode()


def read(path):
    """Read a label file back.

    Returns
    -------
    rows : list of Row
        All rows, in the order of the presses.
    torn : list of bytes
        The lines that are no rows, the unfinished last one among them.
    """
    *lines, last = Path(path).read_bytes().split(b"\n")
    rows, torn = [], []
    for line in lines:
        entry = parse(line)
        if entry is None:
            torn.append(line)
        elif entry != COLUMNS:
            rows.append(entry)
    if last:
        torn.append(last)
    return rows, torn


def parse(line):
    """Return the `Row` in one line (bytes, without its end), or None if it is no row at all."""
    try:
        fields = list(csv.reader([line.decode().rstrip("\r")], strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    if len(fields) != 1 or len(fields[0]) != len(COLUMNS):
        return None
    return Row(*fields[0])


def latest(paths, wanted):
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
    answers = {}
    for path in sorted(paths, key=_began):
        for line in Path(path).read_bytes().split(b"\n")[:-1]:
            if line.partition(b",")[0].decode("ascii", "replace") in wanted:
                entry = parse(line)
                if entry is not None:
                    answers.pop(entry.objid, None)
                    answers[entry.objid] = entry
    return answers


def _began(path):
    return Path(path).name.rpartition("--")[2]


def settle(path, folder):
    """Rewrite a label file into another folder, the latest row of each detection only.

    The new file is whole before the old one goes. A crash between the two leaves both, and
    settling once more gives the same.

    Returns
    -------
    target : Path or None
        The settled file, or None if there was no label in it.
    torn : int
        How many torn lines were set aside. Their pictures had not left the screen.
    """
    path = Path(path)
    rows, torn = read(path)
    last = {}
    for entry in rows:
        last.pop(entry.objid, None)
        last[entry.objid] = entry
    target = None
    if last:
        target = Path(folder) / path.name
        disk.write_whole(target, b"".join(map(_line, (COLUMNS, *last.values()))))
    path.unlink()
    disk.sync_folder(path.parent)
    return target, len(torn)
