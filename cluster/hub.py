"""The hub's folder, where many accounts work and none can spoil or speak for another's work.

``hub.ini`` holds the rules, ``chunks.csv`` (``name,sha256,bytes,detections,gold,seed,cut``) lists
the chunks: one that is not listed does not exist. Labelers create files in five of the folders,
in which the sticky bit keeps everyone's hands off the others' files; the rest is the owner's
alone. The expert, who is the owner, has folders of the same names in ``expert/``. Names are
checked before they become paths, and files are opened without following links. Standard library
only, as in all that ``next`` and ``receive`` need.
"""

from __future__ import annotations

import configparser
import contextlib
import csv
import errno
import functools
import io
import os
import pwd
import re
import stat
import time
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import facts
import labelfile

USAGE, NOTHING_LEFT, NOT_ALLOWED, DAMAGED, REFUSED = 2, 3, 5, 6, 7  # exit statuses, with 0 and 1
TIME = "%Y-%m-%dT%H:%M:%SZ"  # as the hub writes it, UTC
ANSWER = "artifactspy-1"  # what the line begins with that the laptop looks for
NOTE = "artifactspy-note"  # and the one with a sentence that it passes on
FILE_LIMIT = 64 << 20  # bytes, of what the owner writes
UPLOAD_LIMIT = 8 << 20  # bytes; a label file of 90,000 rows, more than anyone gives in a sitting
_STALE = 86400  # seconds after which nobody is writing a .part any more

STAMP = re.compile(r"(?!-|.*--)[A-Za-z0-9_-]{1,64}")
CHUNK = re.compile(r"chunk--[0-9]{5,9}--" + STAMP.pattern)
REVIEW = re.compile(r"review--[0-9]{5,9}--[0-9]{4}(?:-[0-9]{2}){2}_[0-9]{2}(?:-[0-9]{2}){2}")
PARTLY = "some", "most"  # what `import` found of a chunk, in earlier/USER/NAME.some
HUB_MODE = 0o2750  # of the hub itself
MODES = {  # of the folders; 3: members keep the group, and nobody removes another's file
    "chunks": 0o2755,
    "metadata": 0o2755,
    "claims": 0o3775,
    "people": 0o3775,
    "incoming": 0o3775,
    "verified": 0o3775,
    "rejected": 0o3775,
    "agreement": 0o2755,
    "earlier": 0o2755,
    "expert": 0o700,
    "training": 0o700,  # its labels.csv tells what the expert said of gold chunks
    # the expert's uploads, what they label beside gold chunks, and what people said of that
    **{f"expert/{name}": 0o700 for name in ("incoming", "verified", "rejected")},
    **{f"expert/{name}": 0o700 for name in ("chunks", "metadata", "votes")},
}


class HubError(Exception):
    """The hub did not do what was asked: the sentence that the user reads, and the exit status."""

    def __init__(self, sentence: str, status: int = 1):
        super().__init__(sentence)
        self.status = status


class Listed(NamedTuple):
    """A chunk as chunks.csv lists it, all of it text.

    `gold` is "yes" or empty, `cut` says what was left out of its drop, such as ``PHOTPROB>=0.8``.
    """

    name: str
    sha256: str
    bytes: str
    detections: str
    gold: str = ""
    seed: str = ""
    cut: str = ""


class Rules(NamedTuple):
    """What hub.ini says, which explains each, and what holds where it does not."""

    labelers: int = 3
    chunk_size: int = 50
    claim_expiry_days: int = 14
    gold_share: float = 0.1
    group_column: str = "SNID"
    facts: str = facts.USUAL
    excluded: str = ""


class Metadata(NamedTuple):
    """The table of a chunk: its columns, of which OBJID is the first, and a row per detection."""

    columns: list[str]
    rows: list[list[str]]


class Hub:
    """A hub's folder (an absolute path), opened by one of its commands.

    `owner` is the uid it belongs to, `expert` that account's name, `rules` what its hub.ini
    says, `excluded` are the people whose labels do not vote. Raises HubError if it is no hub, or
    hub.ini cannot be understood.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder)
        if not (self.folder / "hub.ini").is_file():
            raise HubError(
                f"There is no hub in {folder} that you can read: nothing was changed. Correct the "
                "folder's name, or make a hub there with 'python3 -m cluster init'."
            )
        self.owner = self.folder.stat().st_uid
        self.expert = user_name(self.owner)
        self.rules = _read_rules(self.folder / "hub.ini")
        self.excluded = frozenset(self.rules.excluded.split())

    def speaker(self, as_user: str | None = None) -> str:
        """Return the USER on whose behalf this process runs: its account's name.

        Parameters
        ----------
        as_user : str, optional
            Another name, which is obeyed for the owner of the hub only.

        Raises
        ------
        HubError
            Someone tries to speak for another, or the name cannot be a USER.
        """
        account, known = account_name(os.getuid()), user_name(os.getuid())
        user = known if as_user in (None, account) else as_user
        if user != known and os.getuid() != self.owner:
            why = "" if known == account else f" (your account is {account})"
            raise HubError(
                f"This hub knows you as {known}{why}, not {user}: start with --user {known}. "
                "Your labels are safe where they are.",
                REFUSED,
            )
        if not labelfile.is_user(user):
            raise HubError(
                f"The hub cannot keep anyone under the name {user!r}: a name has 1 to 32 letters, "
                "digits and ._- without --, and begins with a letter, a digit or _. Your labels "
                "are safe where they are; ask the hub's owner for help.",
                USAGE if user != known else REFUSED,
            )
        return user

    def owner_only(self, what: str) -> None:
        """Refuse unless this process runs under the account that owns the hub."""
        if os.getuid() != self.owner:
            raise HubError(
                f"Only {self.expert}, who owns this hub, can {what}: nothing was changed. Ask "
                f"{self.expert}.",
                REFUSED,
            )

    def is_expert(self, user: str) -> bool:
        """Tell whether a speaker is the expert: the owner, as themself."""
        return os.getuid() == self.owner and user == self.expert

    def votes(self, user: str) -> bool:
        """Tell whether a person's labels are votes, so that they take one of a chunk's places."""
        return user != self.expert and user not in self.excluded

    def tray(self, user: str) -> Path:
        """Return where a speaker's uploads go: the hub's own folder, or for the expert expert/."""
        return self.folder / "expert" if self.is_expert(user) else self.folder

    def desk(self, user: str) -> Path:
        """Return the folder where a speaker's files are while they are unfinished.

        Only their own account can write there, so that nobody can put a link in the way.
        """
        return self.folder / "expert" if self.is_expert(user) else self.person(user)

    def archive(self, name: str) -> Path:
        """Return the path of a chunk's tar.gz."""
        return self._shelf(name) / "chunks" / f"{name}.tar.gz"

    def metadata_file(self, name: str) -> Path:
        """Return the path of a chunk's metadata table."""
        return self._shelf(name) / "metadata" / f"{name}.csv"

    def _shelf(self, name: str) -> Path:
        return self.folder / "expert" if REVIEW.fullmatch(name) else self.folder

    def chunks(self) -> Listing:
        """Return the rows of chunks.csv, oldest first."""
        return Listing(self.folder / "chunks.csv")

    def objids(self, name: str) -> list[str]:
        """Return the Object IDs of a chunk, as its metadata table has them in its first column."""
        text = read(self.metadata_file(name)).decode("utf-8", "replace")
        if '"' in text or "\r" in text:
            return [row[0] for row in self.metadata(name).rows]
        # five times as fast, and who sends a row of no chunk of theirs has all their tables read
        return [line.partition(",")[0] for line in text.split("\n")[1:] if line]

    def metadata(self, name: str) -> Metadata:
        """Return the table of a chunk; a review chunk's has OBJID and CHUNK."""
        lines = filter(None, parsed(read(self.metadata_file(name))))
        return Metadata(next(lines, []), list(lines))

    def person(self, user: str) -> Path:
        """Return the folder of a person, who is speaking; it is made if need be."""
        folder = self.folder / "people" / user
        with contextlib.suppress(FileExistsError):
            folder.mkdir(0o755)
        info = folder.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid():
            raise HubError(
                f"{folder} belongs to {account_name(info.st_uid)}, and only that account can speak "
                f"for {user}: your labels are safe where they are. Ask the hub's owner for help.",
                REFUSED,
            )
        if not os.access(folder, os.W_OK):  # on AFS it inherits the few rights of people/
            rights = account_name(os.getuid()), "rlidwk"
            os.spawnlp(os.P_WAIT, "fs", "fs", "setacl", "-dir", str(folder), "-acl", *rights)
        return folder

    def claimed(self, user: str) -> tuple[set[str], set[str]]:
        """Return two sets of chunks' names: what a person claimed, and what of it is finished.

        In earlier/USER are the names of what `import` found finished; nobody else writes there.
        """
        entries: set[str] = set()
        earlier: set[str] = set()
        with contextlib.suppress(FileNotFoundError):
            entries.update(os.listdir(self.folder / "people" / user))
        with contextlib.suppress(FileNotFoundError):
            earlier.update(filter(CHUNK.fullmatch, os.listdir(self.folder / "earlier" / user)))
        claimed = set(filter(CHUNK.fullmatch, entries))
        return claimed | earlier, {name for name in claimed if f"{name}.done" in entries} | earlier

    def mostly_labelled(self, user: str) -> set[str]:
        """Return the chunks most of which a person had labelled before `import` found it."""
        with contextlib.suppress(FileNotFoundError):
            names = os.listdir(self.folder / "earlier" / user)
            return {name[:-5] for name in names if name.endswith(f".{PARTLY[1]}")}
        return set()

    def has_finished(self, user: str, name: str) -> bool:
        """Tell whether a person dealt with all of a chunk."""
        paths = (f"people/{user}/{name}.done", f"earlier/{user}/{name}")
        return any(os.path.exists(os.path.join(self.folder, path)) for path in paths)

    def has_skipped(self, user: str, name: str) -> bool:
        """Tell whether a person dealt with all of a chunk and could see none of it."""
        return os.path.exists(os.path.join(self.folder, f"people/{user}/{name}.skipped"))

    def open_claims(self, name: str) -> None:
        """Make the folder that a chunk's claims go into."""
        make_folder(self.folder / "claims" / name, MODES["claims"])


class Listing:
    """The chunks in chunks.csv, each row of which is read when it is asked for.

    `next` needs a few of perhaps 20,000, and reading all would double what it takes. HubError is
    raised when a row that is asked for is none.
    """

    def __init__(self, path: Path):
        self._path = path
        header, *self._lines = read(path).decode("utf-8", "replace").split("\n")
        if header != ",".join(Listed._fields) or not self._lines:
            raise self._damage(1)
        if self._lines.pop():  # a line that does not end was torn, and is no row
            self._lines.append("")
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Listed]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, place: int) -> Listed:
        with contextlib.suppress(csv.Error, StopIteration):
            row = next(csv.reader([self._lines[place]]))
            if len(row) == len(Listed._fields) and CHUNK.fullmatch(row[0]):
                return Listed(*row)
        raise self._damage(place + 2)

    def find(self, name: str) -> int | None:
        """Return the place of a chunk, or None."""
        if not self._places:
            self._places = {line.partition(",")[0]: at for at, line in enumerate(self._lines)}
        return self._places.get(name)

    def gold(self) -> list[int]:
        """Return the places of the gold chunks."""
        return [
            index
            for index, line in enumerate(self._lines)
            # the fields before have neither commas nor quotes
            if ",yes," in line and line.split(",", 5)[4] == "yes"
        ]

    def _damage(self, line: int) -> HubError:
        return HubError(
            f"{self._path} is damaged in line {line}: nothing was changed. The hub's owner should "
            "bring it back from a backup."
        )


def number(name: str) -> int:
    """Return the number of a chunk or a review chunk."""
    return int(name.split("--", 2)[1])


def detections(chunks: Iterable[Listed]) -> int:
    """Return how many detections some chunks have."""
    return sum(int(chunk.detections) for chunk in chunks if chunk.detections.isdecimal())


def account_name(uid: int) -> str:
    """Return an account's name; without one, ``uid 1234``, which is no USER."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


@functools.cache
def user_name(uid: int) -> str:
    """Return the USER that an account is: its name, or what stands for that, one to one.

    Directory services name accounts ``alice@example.org`` or ``DOM/alice`` (with a backslash).
    Where this machine knows the very same account as ``alice`` too, it is that. Else each byte that
    a USER cannot have becomes ``_`` and two hexadecimal digits; where that is too long, the end
    becomes a sum.
    """
    account = account_name(uid)
    if labelfile.is_user(account) or _uid_of(account) is None:
        return account
    short = account.rpartition("\\")[2].partition("@")[0]
    if labelfile.is_user(short) and _uid_of(short) == uid:
        return short
    text = re.sub(
        r"[^A-Za-z0-9.-]|^[.-]|(?<=-)-",
        lambda match: "".join(f"_{byte:02x}" for byte in os.fsencode(match[0])),
        account,
    )
    if len(text) > 32 or _uid_of(text) is not None:
        text = f"{text[:23]}_{zlib.crc32(os.fsencode(account)):08x}"
    return text


def _uid_of(account: str) -> int | None:
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return None


def now() -> str:
    """Return the time as the hub writes it: UTC, ISO 8601."""
    return datetime.now(timezone.utc).strftime(TIME)


def has_ended(host: str, pid: int) -> bool | None:
    """Tell whether a process of the hub's owner is there no more; None if this cannot be told."""
    if host != os.uname().nodename:
        return None
    try:
        os.kill(pid, 0)
    except OSError:  # gone, or its number is another account's by now
        return True
    return False


def printable(text: str) -> str:
    """Return text without control characters: names of files may hold some, for a terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> bytes:
    """Return the bytes of a CSV: RFC 4180, UTF-8, LF."""
    text = io.StringIO()
    # with LF alone for an end, csv leaves a CR in a field unquoted, and reads a row's end there
    csv.writer(text, lineterminator="\r\n").writerows((header, *rows))
    return text.getvalue().replace("\r\n", "\n").encode()


def parsed(data: bytes) -> Iterator[list[str]]:
    """Go through the lines of a CSV as `table` writes it, its header first."""
    # decoded bit by bit: a text of its own would take four times the room of the bytes
    return csv.reader(io.TextIOWrapper(io.BytesIO(data), "utf-8", "replace", newline=""))


def read(path: str | os.PathLike[str], limit: int = FILE_LIMIT) -> bytes:
    """Read a plain file, following no link and taking no more than `limit` bytes into memory.

    Raises
    ------
    HubError
        It is a folder, a device and the like, or larger.
    OSError
        It cannot be opened, or is a link.
    """
    return read_owned(path, limit)[1]


def read_owned(path: str | os.PathLike[str], limit: int = FILE_LIMIT) -> tuple[int, bytes]:
    """Do as `read`, and return whose file it was, too: (uid, content)."""
    with open(path, "rb", opener=_plain) as file:
        owner, data = os.fstat(file.fileno()).st_uid, file.read(limit + 1)
    if len(data) > limit:
        raise HubError(f"{path} is larger than {limit} bytes, so it was left alone where it is.")
    return owner, data


def _plain(path: str, flags: int) -> int:
    # without O_NONBLOCK the opening of a pipe waits for someone to write into it
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise HubError(f"{path} is not a plain file, so it was left alone. Remove it and try again.")


def sweep(folder: Path) -> None:
    """Remove the ``.part`` files in a folder that were left a day ago, if this account may."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name.endswith(".part"):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - _STALE:
                        os.unlink(entry.path)


def files_below(top: str | os.PathLike[str]) -> Iterator[str]:
    """Go through the files below a folder, a folder's own before those of its folders.

    Not even the names of one folder are held at once: there may be millions. Their order is
    therefore the file system's.

    Raises
    ------
    OSError
        A folder cannot be read; `filename` says which.
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
            raise OSError(error.errno, error.strerror, folder) from error
        waiting += sorted(folders, reverse=True)


def make_folder(path: Path, mode: int) -> None:
    """Make a folder with this mode, or give it to one of this account's that is there.

    Raises
    ------
    HubError
        Something else has the name, such as a link by which others would be let in elsewhere.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(0o700)
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to another account", str(path))
        try:
            os.fchmod(descriptor, mode)  # mkdir's own mode loses the bits of the umask
        except PermissionError:  # AFS keeps setgid for its administrators, and heeds ACLs anyway
            os.fchmod(descriptor, mode & 0o777)
    except OSError as error:
        raise HubError(
            f"{path} is no folder of yours ({error.strerror}): it was left alone. Remove it and "
            "run this again.",
            REFUSED,
        ) from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _read_rules(path: Path) -> Rules:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict({"hub": Rules()._asdict()})
    try:
        parser.read_string(read(path).decode(), str(path))
        section = parser["hub"]
        values = {}
        for name, value in Rules()._asdict().items():
            try:
                values[name] = type(value)(section[name])
            except ValueError:
                kind = "whole number" if isinstance(value, int) else "number"
                raise ValueError(f"{name} = {section[name]} is no {kind}") from None
        rules = Rules(**values)
        counts = rules.labelers, rules.chunk_size, rules.claim_expiry_days
        if min(counts) < 1 or not 0 <= rules.gold_share <= 1:
            raise ValueError("counts and days begin at 1, a share is from 0 to 1")
        facts.columns(rules.facts)
        if wrong := [name for name in rules.excluded.split() if not labelfile.is_user(name)]:
            raise ValueError(f"excluded = {wrong[0]} is nobody's name")
    except (configparser.Error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise HubError(
            f"{path} cannot be understood ({reason}): nothing was changed. The hub's owner should "
            "correct it; deleted, 'init' makes it anew."
        ) from error
    return rules
