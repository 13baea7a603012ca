"""An upload becomes verified rows, and all verified rows become labels.csv and agreement/USER.

``incoming/FILE`` is an upload as it came. Each of its rows goes to ``verified/FILE`` (the label
file's columns and USER) or to ``rejected/FILE`` (the same columns and REASON; a line that is no row
stands under COMMENT, what cannot be shown is U+FFFD). They are written in the order incoming,
rejected, verified, and then the person's own folder is brought up to date. A power cut between
any two steps heals when the file is received again: until ``verified/FILE`` is there, which each
upload gets, all is done anew from ``incoming/FILE``; from then on the answer is read off the two,
and so remains the same.

In ``people/USER/``, ``NAME.TIME`` lists the Object IDs of a chunk that the upload of that TIME
dealt with, and ``NAME.done`` closes the claim when nothing is left.

The expert's uploads go the same way through the folders of the same names in ``expert/``, which
nobody else can read. ``agreement/USER`` is ``41 50``: of 50 labels that the person and the expert
gave to the same detections of gold chunks, 41 are equal. Standard library only.
"""

import contextlib
import csv
import hashlib
import io
import os
import re
import sys
import time
from collections import Counter
from datetime import datetime, timezone

import disk
import labels
import stamps
from cluster.hub import (
    ANSWER,
    CHUNK,
    DAMAGED,
    FILE_LIMIT,
    REFUSED,
    REVIEW,
    USAGE,
    Hub,
    HubError,
    account_name,
    counted,
    now,
    read,
    read_owned,
    table,
)

_SHA256 = re.compile(r"[0-9a-f]{64}")
UPLOAD = re.compile(r"(.+)--([0-9]{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:-[0-9a-f]{8})?)\.csv", re.ASCII)
_EARLIEST = datetime(2020, 1, 1, tzinfo=timezone.utc).timestamp()  # lost clocks begin in 1970
VERIFIED = (*labels.COLUMNS, "USER")
_REJECTED = (*labels.COLUMNS, "REASON")
_NO_VOTE = ("Unsure", labels.SKIPPED)
_AGREEMENT = re.compile(rb"([0-9]{1,9}) ([0-9]{1,9})\n")


def receive(folder, file, sha256, as_user=None):
    """Take in the upload ``incoming/.FILE.part``, and print the answer to ``receive``.

    Receiving the same content again changes nothing and gives the same answer. Other content
    under the same name (two laptops in one second) is kept beside it, as ``USER--TIME-SUM8.csv``.

    Parameters
    ----------
    folder : str
        The hub's.
    file : str
        Name of the label file; its USER must be who speaks.
    sha256 : str
        Of its content, in hexadecimal.
    as_user : str, optional
        See `Hub.speaker`.
    """
    hub = Hub(folder)
    user, sha256 = labels.user_of(file), sha256.lower()
    if user is None or not _SHA256.fullmatch(sha256):
        raise HubError(
            f"{file!r} with the sum {sha256!r} is no label file and its SHA-256: nothing was taken "
            "in, your labels are safe on your side.",
            USAGE,
        )
    if user != (speaker := hub.speaker(as_user)):
        raise HubError(
            f"This hub knows you as {speaker}, not {user}: start with --user {speaker}. {file} was "
            "not taken in and is safe on your side.",
            REFUSED,
        )
    person = hub.person(user)
    part = hub.folder / "incoming" / f".{file}.part"
    folder = hub.folder / "expert" if hub.is_expert(user) else hub.folder
    name, data = _keep(part, folder / "incoming", file, sha256)
    with contextlib.suppress(OSError):
        part.unlink()
    chunk_of = _chunk_finder(hub, user)
    good, bad = _settled(hub, folder, name) or _verify(hub, folder, user, name, data, chunk_of)
    _close_claims(hub, user, name, good, chunk_of)
    os.utime(person)  # when they were last seen, as `status` tells
    where = folder.relative_to(hub.folder) / "rejected" / name
    told = f", {len(bad)} rejected ({where} says why)" if bad else ""
    print(f"{user}: {counted(len(good), 'row')} of {file} verified{told}.")
    print(ANSWER, "received", file, len(good), len(bad), *_agreement(hub, user))
    return 0


def _agreement(hub, user):
    """Return how often the expert agreed, and of how many, as `collect` found; () if unknown."""
    with contextlib.suppress(OSError, HubError):  # it is news, and no reason to refuse labels
        owner, text = read_owned(hub.folder / "agreement" / user, 100)
        if owner == hub.owner and (match := _AGREEMENT.fullmatch(text)):
            return tuple(map(int, match.groups()))
    return ()


def _keep(part, folder, file, sha256):
    """Put an upload into a folder to stay, unless it is there; return its name and content."""
    data = None
    with contextlib.suppress(FileNotFoundError):
        owner, data = read_owned(part)
    # Only now: another process that receives the same upload keeps it first, then removes the part.
    paths = [folder / file, folder / f"{file[:-4]}-{sha256[:8]}.csv"]
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            if hashlib.sha256(kept := read(path)).hexdigest() == sha256:
                return path.name, kept
    if data is None:
        raise HubError(
            f"No upload of {file} has arrived: it is safe on your side. Send it again.", DAMAGED
        )
    if owner != os.getuid():
        raise HubError(
            f"{part} belongs to {account_name(owner)}, not to you: it was not taken in and is safe "
            "on your side. Ask the hub's owner to remove it.",
            REFUSED,
        )
    if hashlib.sha256(data).hexdigest() != sha256:
        part.unlink(missing_ok=True)
        raise HubError(
            f"{file} arrived damaged and was thrown away: it is safe on your side. Send it again.",
            DAMAGED,
        )
    for path in paths:
        with contextlib.suppress(FileExistsError):
            create_whole(path, data)
            return path.name, data
        if read(path) == data:  # another process was faster, with this very upload
            return path.name, data
    raise HubError(f"{file} could not be kept: it is safe on your side. Ask the hub's owner.")


def create_whole(path, data):
    """Make a file at once whole and only if there is none of its name."""
    # A copy: through the upload's own name a second scp could still write into what is kept.
    part = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.part")
    disk.write_whole(part, data)
    try:
        os.link(part, path)
        disk.sync_folder(path.parent)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        disk.create(path, data)
    finally:
        part.unlink()


def _settled(hub, folder, name):
    """Return the rows of verified/ and rejected/, if the upload has been through, else None."""
    path = folder / "verified" / name
    bad = []
    try:
        owner, good = read_rows(path)
    except FileNotFoundError:
        return None
    if owner not in (os.getuid(), hub.owner):
        raise HubError(
            f"{path} is not your account's: nothing was changed, your labels are safe on your "
            "side. Ask the hub's owner to remove it.",
            REFUSED,
        )
    with contextlib.suppress(FileNotFoundError):
        _, bad = read_rows(folder / "rejected" / name)
    return good, bad


def read_rows(path):
    """Return the owner's uid of a table of ours, and its rows without the header."""
    owner, data = read_owned(path, 4 * FILE_LIMIT)
    text = data.decode("utf-8", "replace")
    return owner, list(csv.reader(io.StringIO(text, newline="")))[1:]


def _verify(hub, folder, user, name, data, chunk_of):
    """Part the good rows from the bad ones, and write both down."""
    latest = time.time() + 86400  # as wrong as clocks and time zones go
    good, bad = {}, []
    rows, torn = labels.parse(data)
    for entry in rows:
        reason, chunk = labels.check(entry), None
        if reason is None and not _EARLIEST <= labels.given_at(entry) <= latest:
            reason = "TIME is before 2020 or in the future"
        if reason is None:
            _, chunk = chunk_of(entry.objid, entry.metadata_stamp)
        if chunk is None:
            bad.append(shown(*entry, reason or f"OBJID is in no chunk that {user} was given"))
            continue
        # the laptop's file may have been renamed; the chunk knows which drop it is from
        entry = entry._replace(metadata_stamp=stamps.metadata_stamp(chunk))
        good.pop(entry.objid, None)  # the last row counts, and stands where it came
        good[entry.objid] = [*entry, user]
    for line in torn:
        text = line[: labels.COMMENT_LIMIT].decode("utf-8", "replace")
        bad.append(shown("", "", text, "", "", "", "the line is no row, or has no end"))
    good = list(good.values())
    write_rows(folder, name, good, bad)
    return good, bad


def write_rows(folder, name, good, bad):
    """Write what became of an upload: rows for verified/NAME, and for rejected/NAME if any."""
    rejected = folder / "rejected" / name
    if bad:
        disk.write_whole(rejected, table(_REJECTED, bad))
    else:
        rejected.unlink(missing_ok=True)  # left by a crash, and of another opinion
    disk.write_whole(folder / "verified" / name, table(VERIFIED, good))


def shown(*fields):
    """Return the fields of a rejected row as a table can hold them."""
    # a NUL or a bare CR, and csv of some Pythons does not read back what it wrote
    return ["".join(c if c.isprintable() else "\ufffd" for c in field) for field in fields]


def _chunk_finder(hub, user):
    """Return a function that finds a detection among what a person was given.

    It returns the chunk they were given, and the one that is the detection's own: two when the
    first is a review chunk; (None, None) if they were not given it. Only as many of the chunks'
    tables are read as it takes: those of the row's drop come first, the unfinished ones before the
    others, the newest before older ones.
    """
    claimed, finished = hub.claimed(user)
    if hub.is_expert(user):
        given = {path.name[:-4] for path in (hub.folder / "expert" / "votes").iterdir()}
        claimed |= {name for name in given if CHUNK.fullmatch(name) or REVIEW.fullmatch(name)}
    unread = sorted(claimed, key=lambda name: (name not in finished, name))
    found = {}

    def chunk_of(objid, stamp):
        if objid not in found:
            unread.sort(key=lambda name: stamps.metadata_stamp(name) == stamp)
        while objid not in found and unread:
            name = unread.pop()
            if REVIEW.fullmatch(name):
                found.update((line[0], (name, line[1])) for line in hub.metadata(name)[1:])
            else:
                found.update(dict.fromkeys(hub.objids(name), (name, name)))
        return found.get(objid, (None, None))

    return chunk_of


def _close_claims(hub, user, name, good, chunk_of):
    """Note what these rows dealt with, and close the claims on chunks of which nothing is left."""
    person = hub.person(user)
    claimed, finished = hub.claimed(user)
    dealt = {}
    for objid, _, _, _, stamp, *_ in good:
        dealt.setdefault(chunk_of(objid, stamp)[0], set()).add(objid)
    for chunk in dealt.keys() & (claimed - finished):
        left = set(hub.objids(chunk)) - dealt[chunk]
        if left:
            note = person / f"{chunk}.{UPLOAD.fullmatch(name)[2]}"
            if not note.exists():
                disk.write_whole(note, "\n".join(sorted(dealt[chunk])).encode())
            for path in person.glob(f"{chunk}.[0-9]*"):
                left -= set(read(path).decode("utf-8", "replace").split())
        if not left:
            with contextlib.suppress(FileExistsError):
                disk.create(person / f"{chunk}.done", f"{user} {now()}\n".encode())


def collect(folder):
    """Write labels.csv: each person's latest row of each detection, from all verified files.

    And agreement/USER for each who labelled what the expert labelled in gold chunks. All are the
    same, byte for byte, as long as the verified files are.
    """
    hub = Hub(folder)
    hub.owner_only("write labels.csv")
    rows, truth, expert = gather(hub), gold_truth(hub), len(expert_rows(hub))
    keys = sorted(rows, key=lambda key: (int(key[1]), key[1], key[0]))
    lines = ((user, *rows[user, objid]) for user, objid in keys)
    disk.write_whole(hub.folder / "labels.csv", table(("USER", *labels.COLUMNS), lines))
    agreed, compared = Counter(), Counter()
    for (user, objid), row in rows.items():
        if objid in truth and row.action not in _NO_VOTE:
            compared[user] += 1
            agreed[user] += row.action == truth[objid]
    notes = {user: f"{agreed[user]} {compared[user]}\n".encode() for user in compared}
    for path in (hub.folder / "agreement").iterdir():
        if path.name not in notes:  # what the expert takes back is no longer compared
            path.unlink()
    for user, note in notes.items():
        disk.write_whole(hub.folder / "agreement" / user, note)
    given = [key for key, row in rows.items() if row.action != labels.SKIPPED]
    people, detections = {user for user, _ in given}, {objid for _, objid in given}
    print(
        f"{counted(len(given), 'label')} by {counted(len(people), 'person', 'people')} on "
        f"{counted(len(detections), 'detection')} {'is' if len(given) == 1 else 'are'} in "
        f"{hub.folder}/labels.csv; {len(rows) - len(given)} skipped."
        + f" The expert's {counted(expert, 'row')} stand above them."
        * bool(expert)
    )
    return 0


def gather(hub):
    """Read all that labelers had verified.

    A file that its person's account did not write (nor the hub's owner), and a row that cannot be
    one, are left out and named on stderr.

    Returns
    -------
    dict
        (USER, OBJID) -> `labels.Row`, the latest by TIME; of equal ones that of the last file.
    """
    return _gather(hub, hub.folder / "verified")


def expert_rows(hub):
    """Read what the expert had verified: Object ID -> the latest `labels.Row`, of any ACTION."""
    rows = _gather(hub, hub.folder / "expert" / "verified")
    return {objid: row for (user, objid), row in rows.items() if user == hub.expert}


def gold_truth(hub):
    """Return the expert's labels in gold chunks: Object ID -> ACTION, none of them Unsure."""
    rows, chunks = expert_rows(hub), hub.chunks()
    return {
        objid: rows[objid].action
        for place in (chunks.gold() if rows else ())
        for objid in hub.objids(chunks[place].name)
        if objid in rows and rows[objid].action not in _NO_VOTE
    }


def _gather(hub, folder):
    rows = {}
    for path in sorted(folder.iterdir()):
        match = UPLOAD.fullmatch(path.name)
        if match is None:
            continue
        user = match[1]
        try:
            owner, lines = read_rows(path)
        except (OSError, HubError, csv.Error) as error:
            _set_aside(path, f"cannot be read ({error})")
            continue
        if owner != hub.owner and account_name(owner) != user:
            _set_aside(path, f"was written by {account_name(owner)}")
            continue
        for line in lines:
            entry = labels.Row(*line[:-1]) if len(line) == len(VERIFIED) else None
            if entry is None or line[-1] != user or labels.check(entry):
                _set_aside(path, "has a row that is no verified label, and without that row")
                continue
            old = rows.get((user, entry.objid))
            if old is None or labels.given_at(entry) >= labels.given_at(old):
                rows[user, entry.objid] = entry
    return rows


def _set_aside(path, why):
    sys.stderr.write(f"{path} {why}: it does not count. Its upload in incoming/ is unharmed.\n")
