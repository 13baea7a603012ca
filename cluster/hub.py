"""A folder becomes a hub, where many accounts work and none can spoil or speak for another's work.

``init`` makes ``hub`` (runs the commands), ``hub.ini`` (the settings), ``chunks.csv`` with the
header ``name,sha256,bytes,detections,gold,seed,cut`` (a chunk that is not listed does not exist),
and the folders. Labelers create files in five of them, in which the sticky bit keeps everyone's
hands off the others' files; the rest is the owner's alone. ``check`` finds what is not so.
Names are checked before they become paths, and files are opened without following links. Standard
library only.
"""

import configparser
import contextlib
import csv
import importlib.util
import io
import os
import pwd
import re
import shlex
import stat
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import disk
import labels

USAGE, NOTHING_LEFT, NOT_ALLOWED, DAMAGED, REFUSED = 2, 3, 5, 6, 7  # exit statuses, with 0 and 1
TIME = "%Y-%m-%dT%H:%M:%SZ"  # as the hub writes it, UTC
ANSWER = "artifactspy-1"  # what the line begins with that the laptop looks for
FILE_LIMIT = 64 << 20  # bytes; a label file of a million rows has some 60 MB

STAMP = re.compile(r"(?!-|.*--)[A-Za-z0-9_-]{1,64}")
CHUNK = re.compile(r"chunk--[0-9]{5,9}--" + STAMP.pattern)
REVIEW = re.compile(r"review--[0-9]{5,9}--[0-9]{4}(?:-[0-9]{2}){2}_[0-9]{2}(?:-[0-9]{2}){2}")
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
_LAYOUT = {*MODES, "hub", "labels.csv", ".add.lock"}  # and the two that make a folder a hub
_INI = """\
[hub]
# How many people label each chunk.
labelers = {labelers}
# Detections in a chunk: some ten minutes' work.
chunk_size = {chunk_size}
# After so many days a chunk goes to someone else too.
claim_expiry_days = {claim_expiry_days}
# Share of the chunks that the expert labels too.
gold_share = {gold_share}
# The metadata column that tells what is one object.
group_column = {group_column}
"""
_SCRIPT = """\
#!/bin/sh
# Runs the hub's commands on the folder this file lies in; ./hub --help lists them.
# If the clone or its Python moves, correct the two lines below; or delete this file and run
# 'python3 -m cluster init' on this folder from the new clone.
python={python}
clone={clone}

case $0 in */*) hub=${{0%/*}}/ ;; *) hub=. ;; esac
hub=$(CDPATH='' cd -- "$hub" && pwd) || exit 1
if ! [ -x "$python" ] || ! [ -r "$clone/cluster/__main__.py" ]; then
    echo "You cannot run the hub's program ($python, $clone): your labels are safe. Tell the" \\
        "hub's owner to correct $hub/hub." >&2
    exit 1
fi
ARTIFACTSPY_CALLED_FROM=$PWD PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1
export ARTIFACTSPY_CALLED_FROM PYTHONDONTWRITEBYTECODE PYTHONUTF8
unset PYTHONPATH PYTHONHOME PYTHONSAFEPATH # a survey's setup script may have set another Python's
CDPATH='' cd -- "$clone" || exit 1
case ${{1-}} in
'' | -*) exec "$python" -s -m cluster "$@" ;;
esac
verb=$1
shift
exec "$python" -s -m cluster "$verb" "$hub" "$@"
"""


class HubError(Exception):
    """The hub did not do what was asked: the sentence that the user reads, and the exit status."""

    def __init__(self, sentence, status=1):
        super().__init__(sentence)
        self.status = status


class Chunk(NamedTuple):
    """A row of chunks.csv, all of it text.

    `gold` is "yes" or empty, `cut` says what was left out of its drop, such as ``PHOTPROB>=0.8``.
    """

    name: str
    sha256: str
    bytes: str
    detections: str
    gold: str
    seed: str
    cut: str


class Settings(NamedTuple):
    """What hub.ini says, which explains each, and what holds where it does not."""

    labelers: int = 3
    chunk_size: int = 50
    claim_expiry_days: int = 14
    gold_share: float = 0.1
    group_column: str = "SNID"


class Hub:
    """A hub's folder (an absolute path), opened by one of its commands.

    `owner` is the uid it belongs to, `expert` that account's name, `settings` what its hub.ini
    says. Raises HubError if it is no hub, or hub.ini cannot be understood.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        if not (self.folder / "hub.ini").is_file():
            raise HubError(
                f"There is no hub in {folder} that you can read: nothing was changed. Correct the "
                "folder's name, or make a hub there with 'python3 -m cluster init'."
            )
        self.owner = self.folder.stat().st_uid
        self.expert = account_name(self.owner)
        self.settings = _read_settings(self.folder / "hub.ini")

    def speaker(self, as_user=None):
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
        account = account_name(os.getuid())
        user = account if as_user is None else as_user
        if user != account and os.getuid() != self.owner:
            raise HubError(
                f"This hub knows you as {account}, not {user}: start with --user {account}. "
                "Your labels are safe where they are.",
                REFUSED,
            )
        if not labels.is_user(user):
            raise HubError(
                f"The hub cannot keep anyone under the name {user!r}: a name has 1 to 32 letters, "
                "digits and ._- without --, and begins with a letter, a digit or _. Your labels "
                "are safe where they are; ask the hub's owner for help.",
                USAGE if user != account else REFUSED,
            )
        return user

    def owner_only(self, what):
        """Refuse unless this process runs under the account that owns the hub."""
        if os.getuid() != self.owner:
            raise HubError(
                f"Only {self.expert}, who owns this hub, can {what}: nothing was changed. Ask "
                f"{self.expert}.",
                REFUSED,
            )

    def is_expert(self, user):
        """Tell whether a speaker is the expert: the owner, as themself."""
        return os.getuid() == self.owner and user == self.expert

    def chunks(self):
        """Return the rows of chunks.csv, oldest first, as a `Listing`."""
        return Listing(self.folder / "chunks.csv")

    def objids(self, name):
        """Return the Object IDs of a chunk, as its metadata table has them in its first column."""
        text = self._table(name)
        if '"' in text or "\r" in text:
            return [row[0] for row in self.metadata(name)[1:]]
        # five times as fast, and who sends a row of no chunk of theirs has all their tables read
        return [line.partition(",")[0] for line in text.split("\n")[1:] if line]

    def metadata(self, name):
        """Return the table of a chunk, with its header; a review chunk's has OBJID and CHUNK."""
        return [row for row in csv.reader(io.StringIO(self._table(name), newline="")) if row]

    def _table(self, name):
        folder = self.folder / "expert" if REVIEW.fullmatch(name) else self.folder
        return read(folder / "metadata" / f"{name}.csv").decode("utf-8", "replace")

    def person(self, user):
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
        return folder

    def claimed(self, user):
        """Return two sets of chunks' names: what a person claimed, and what of it is finished.

        In earlier/USER are the names of what `import` found finished; nobody else writes there.
        """
        entries, earlier = set(), set()
        with contextlib.suppress(FileNotFoundError):
            entries.update(os.listdir(self.folder / "people" / user))
        with contextlib.suppress(FileNotFoundError):
            earlier.update(filter(CHUNK.fullmatch, os.listdir(self.folder / "earlier" / user)))
        claimed = {entry for entry in entries if CHUNK.fullmatch(entry)}
        return claimed | earlier, {name for name in claimed if f"{name}.done" in entries} | earlier

    def has_finished(self, user, name):
        """Tell whether a person dealt with all of a chunk."""
        paths = (f"people/{user}/{name}.done", f"earlier/{user}/{name}")
        return any(os.path.exists(os.path.join(self.folder, path)) for path in paths)

    def open_claims(self, name):
        """Make the folder that a chunk's claims go into."""
        _make_folder(self.folder / "claims" / name, MODES["claims"])


class Listing(Sequence):
    """The chunks in chunks.csv: a sequence of `Chunk`, each row of which is read when asked for.

    `next` needs a few of perhaps 20,000. HubError is raised when a row that is asked for is none.
    """

    def __init__(self, path):
        self._path = path
        header, *self._lines = read(path).decode("utf-8", "replace").split("\n")
        if header != ",".join(Chunk._fields) or not self._lines:
            raise self._damage(1)
        if self._lines.pop():  # a line that does not end was torn, and is no row
            self._lines.append("")

    def __len__(self):
        return len(self._lines)

    def __getitem__(self, index):
        with contextlib.suppress(csv.Error, StopIteration):
            row = next(csv.reader([self._lines[index]]))
            if len(row) == len(Chunk._fields) and CHUNK.fullmatch(row[0]):
                return Chunk(*row)
        raise self._damage(index + 2)

    def find(self, name):
        """Return the place of a chunk, or None. As numbers ascend, not all are looked at."""
        begin, number = f"{name},", int(name.split("--")[1])
        with contextlib.suppress(IndexError, ValueError):  # a damaged row is no reason to miss it
            low, high = 0, len(self._lines)
            while low < high:
                middle = (low + high) // 2
                if int(self._lines[middle].split("--", 2)[1]) < number:
                    low = middle + 1
                else:
                    high = middle
            if self._lines[low].startswith(begin):
                return low
        places = (place for place, line in enumerate(self._lines) if line.startswith(begin))
        return next(places, None)

    def gold(self):
        """Return the places of the gold chunks."""
        return [
            index
            for index, line in enumerate(self._lines)
            # the fields before have neither commas nor quotes
            if ",yes," in line and line.split(",", 5)[4] == "yes"
        ]

    def _damage(self, line):
        return HubError(
            f"{self._path} is damaged in line {line}: nothing was changed. The hub's owner should "
            "bring it back from a backup."
        )


def account_name(uid):
    """Return an account's name; without one, ``uid 1234``, which is no USER."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def counted(number, noun, plural=None):
    """Return a number and its noun: ``1 chunk``, ``2 chunks``, ``2 people``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def now():
    """Return the time as the hub writes it: UTC, ISO 8601."""
    return datetime.now(timezone.utc).strftime(TIME)


def table(header, rows):
    """Return the bytes of a CSV: RFC 4180, UTF-8, LF."""
    text = io.StringIO()
    # with LF alone for an end, csv leaves a CR in a field unquoted, and reads a row's end there
    csv.writer(text, lineterminator="\r\n").writerows((header, *rows))
    return text.getvalue().replace("\r\n", "\n").encode()


def read(path, limit=FILE_LIMIT):
    """Read a plain file, following no link and taking no more than `limit` bytes into memory.

    Raises
    ------
    HubError
        It is a folder, a device and the like, or larger.
    OSError
        It cannot be opened, or is a link.
    """
    return read_owned(path, limit)[1]


def read_owned(path, limit=FILE_LIMIT):
    """Do as `read`, and return whose file it was, too: (uid, content)."""
    with open(path, "rb", opener=_plain) as file:
        owner, data = os.fstat(file.fileno()).st_uid, file.read(limit + 1)
    if len(data) > limit:
        raise HubError(f"{path} is larger than {limit} bytes, so it was left alone where it is.")
    return owner, data


def _plain(path, flags):
    # without O_NONBLOCK the opening of a pipe waits for someone to write into it
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise HubError(f"{path} is not a plain file, so it was left alone. Remove it and try again.")


def _read_settings(path):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict({"hub": Settings()._asdict()})
    try:
        parser.read_string(read(path).decode(), str(path))
        section = parser["hub"]
        values = {}
        for name, value in Settings()._asdict().items():
            try:
                values[name] = type(value)(section[name])
            except ValueError:
                kind = "whole number" if isinstance(value, int) else "number"
                raise ValueError(f"{name} = {section[name]} is no {kind}") from None
        settings = Settings(**values)
        if min(settings[:3]) < 1 or not 0 <= settings.gold_share <= 1:
            raise ValueError("counts and days begin at 1, a share is from 0 to 1")
    except (configparser.Error, ValueError) as error:
        reason = " ".join(str(error).split())
        raise HubError(
            f"{path} cannot be understood ({reason}): nothing was changed. The hub's owner should "
            "correct it; deleted, 'init' makes it anew."
        ) from error
    return settings


def init(folder):
    """Make a folder a hub, or bring back what one lacks; nothing that exists is overwritten.

    Raises
    ------
    HubError
        The folder is another's, or no hub but full of other things; or chunks.csv is gone from a
        hub that has chunks.
    """
    hub = Path(folder)
    hub.mkdir(parents=True, exist_ok=True)
    info = hub.stat()
    if info.st_uid != os.getuid():
        raise HubError(
            f"{hub} belongs to {account_name(info.st_uid)}: nothing was changed. Take a folder of "
            "your own, or ask its owner.",
            REFUSED,
        )
    # either is enough: a spoilt hub.ini may be deleted, and is then made anew
    known = (hub / "hub.ini").exists() or (hub / "chunks.csv").exists()
    if not known and set(os.listdir(hub)) - _LAYOUT:
        raise HubError(
            f"{hub} is not empty and no hub: nothing was changed. Name a new folder.", REFUSED
        )
    # whoever can write into the hub itself could put another list of chunks in the place of ours
    _set_mode(hub, (stat.S_IMODE(info.st_mode) | 0o2000) & ~0o022)
    for name, mode in MODES.items():
        _make_folder(hub / name, mode)
    if not (hub / "chunks.csv").exists():
        if any(CHUNK.fullmatch(path.name[:-7]) for path in (hub / "chunks").iterdir()):
            raise HubError(
                f"{hub}/chunks.csv is gone while there are chunks: they are safe, but without it "
                "they do not exist. Bring it back from a backup, or empty chunks/ to begin anew."
            )
        disk.create(hub / "chunks.csv", table(Chunk._fields, ()))
    clone = Path(__file__).resolve().parent.parent
    script = _SCRIPT.format(python=shlex.quote(sys.executable), clone=shlex.quote(str(clone)))
    with contextlib.suppress(FileExistsError):
        disk.create(hub / "hub.ini", _INI.format(**Settings()._asdict()).encode())
    with contextlib.suppress(FileExistsError):
        disk.create(hub / "hub", os.fsencode(script), 0o777)
    opened = Hub(hub)
    chunks = list(opened.chunks())
    for chunk in chunks:
        opened.open_claims(chunk.name)
    place = shlex.quote(str(hub))
    shared, readable = (
        " ".join(f"{place}/{name}" for name, mode in MODES.items() if mode & 0o070 == bits)
        for bits in (0o070, 0o050)
    )
    if known:
        print(f"{hub} was a hub already; its rights are mended.\n")
        print("How to let labelers in, with ordinary groups:")
    else:
        print(f"{hub} is a hub: {opened.settings.labelers} people label each chunk (hub.ini).\n")
        print("Let your labelers in, once, before the first add. With ordinary groups:")
    print(
        f"  chgrp -R GROUP {place} && {place}/hub init\n"
        "On AFS, which ignores group modes:\n"
        f"  fs setacl -dir {place} {readable} -acl GROUP rl\n"
        f"  fs setacl -dir {shared} -acl GROUP rlidw\n"
        f"  fs setacl -dir {place}/training {place}/expert {place}/expert/* -acl "
        f"{shlex.quote(opened.expert)} all -clear"
    )
    if closed := _closed(hub / "hub"):
        print(
            f"\nOnly you can {closed}: run init again with a Python and a clone that your group "
            f"can read, for instance /usr/bin/python3 -m cluster init {place}, after deleting "
            f"{place}/hub."
        )
    wanted = "numpy", "PIL", "astropy"
    if lacking := [name for name in wanted if importlib.util.find_spec(name) is None]:
        print(
            f"\n{sys.executable} lacks {', '.join(lacking)}: add, next and receive need none of "
            "that, but the expert's chunks, report, consensus and export do."
        )
    if not chunks:
        print(f"\nNext: {place}/hub add STAMPS.tar.gz --metadata TABLE.csv")
    return 0


def _closed(script):
    """Return what of HUB/hub's Python and clone only their owner can run or read, by mode bits."""
    closed = {}
    # what its owner wrote there by hand may be anything
    with contextlib.suppress(OSError, HubError, KeyError, ValueError):
        lines = dict(re.findall("^(python|clone)=(.*)", os.fsdecode(read(script)), re.M))
        python, clone = (Path(*shlex.split(lines[name])) for name in ("python", "clone"))
        wanted = (("run", python, 1), ("read", clone, 5), ("read", clone / "cluster", 5))
        for verb, path, bits in wanted:
            for place in (path, path.resolve()):  # each link's own folders count too
                if not _open_to_others(place, bits):
                    closed.setdefault(verb, place)
    return " or ".join(f"{verb} {place}" for verb, place in closed.items())


def _open_to_others(path, bits):
    """Tell whether the group or others have these bits, and may enter the folders above."""
    wanted = ((path, bits), *((folder, 1) for folder in path.parents))
    return all(
        any(place.stat().st_mode >> shift & need == need for shift in (0, 3))
        for place, need in wanted
    )


def _make_folder(path, mode):
    path.mkdir(exist_ok=True)
    _set_mode(path, mode)  # mkdir's own mode loses the bits of the umask


def _set_mode(path, mode):
    try:
        path.chmod(mode)
    except PermissionError:  # AFS keeps setgid for its administrators, and heeds ACLs anyway
        path.chmod(mode & 0o777)


def check(folder):
    """Print whatever is not as it should be, a line each; return 0 only if nothing is.

    What an interrupted command leaves and the next one mends is not counted: a chunk that is not
    listed, a claim's first file without the second, files that begin with a dot.
    """
    from cluster.check import violations

    hub = Hub(folder)
    hub.owner_only("check it")
    found = 0
    for line in violations(hub):
        found += 1
        print(line)
    if not found:
        people = sum(1 for path in (hub.folder / "people").iterdir() if path.is_dir())
        print(
            f"All is as it should be in {hub.folder}: {counted(len(hub.chunks()), 'chunk')}, "
            f"{counted(people, 'person', 'people')}."
        )
        return 0
    sys.stderr.write(
        f"{counted(found, 'thing is', 'things are')} not as it should be: nothing was changed.\n"
    )
    return 1
