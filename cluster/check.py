"""Whatever in a hub is not as it should be, a line each: PATH: what is wrong, and what mends it.

Only the owner can look everywhere. Nothing is changed, and nothing that is read is believed: what
cannot be read is a line, too. Standard library only.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import re
import stat
import sys
import time
from collections.abc import Container, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import labelfile
import stamps
from cluster import verified
from cluster.claims import Claim, is_live, read_claim
from cluster.collect import read_agreement
from cluster.hub import (
    CHUNK,
    HUB_MODE,
    MODES,
    PARTLY,
    REVIEW,
    TIME,
    Hub,
    HubError,
    Listed,
    account_name,
    number,
    printable,
    read,
    read_owned,
    user_name,
)
from cluster.init import open_to_change
from cluster.room import read_full
from cluster.terminal import counted

VERB = "check"
HELP = "look for whatever is not as it should be"

_SKEW = 60  # seconds; as much as the clocks of a cluster's machines may differ

Chunks = dict[str, set[str]]  # name -> its detections
Claims = dict[str, dict[int, Claim]]  # a chunk's name -> slot -> the claim
# USER, whether as the expert -> what they dealt with: Object ID and drop
Dealt = dict[tuple[str, bool], set[tuple[str, str]]]


def run(folder: str | os.PathLike[str]) -> int:
    """Print whatever is not as it should be, a line each; return 0 only if nothing is.

    What an interrupted command leaves and the next one mends is not counted: a chunk that is not
    listed, a claim's first file without the second, files that begin with a dot.
    """
    hub = Hub(folder)
    hub.owner_only("check it")
    found = 0
    for line in violations(hub):
        found += 1
        print(printable(line))
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


def violations(hub: Hub) -> Iterator[str]:
    """Go through everything in a hub; yield a line for each thing that is amiss.

    Parameters
    ----------
    hub : Hub
        Nobody should be writing to it meanwhile, or what they are about to do looks undone.
    """
    yield from _folders(hub)
    chunks: Chunks = {}
    gold: set[str] = set()
    yield from _chunks(hub, chunks, gold)
    yield from _reviews(hub, chunks)
    claims: Claims = {}
    yield from _claims(hub, chunks, gold, claims)
    dealt: Dealt = {}
    said: list[labelfile.Row] = []
    for folder in (hub.folder, hub.folder / "expert"):
        yield from _uploads(hub, folder, chunks, dealt, said)
    yield from _skipped(chunks, said)
    yield from _people(hub, chunks, claims, dealt)
    for path in _entries(hub.folder / "agreement"):
        if not labelfile.is_user(path.name) or read_agreement(hub, path.name) is None:
            yield f"{_short(hub, path)}: it is no agreement of a person; collect makes it anew"


def _short(hub: Hub, path: Path) -> str:
    return os.path.relpath(path, hub.folder)


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder in order, without what begins with a dot: that is unfinished."""
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return []


def _folders(hub: Hub) -> Iterator[str]:
    for name, mode in MODES.items():
        yield from _folder(hub, hub.folder / name, mode)
        if mode == MODES["claims"]:
            yield from _hidden(hub, hub.folder / name)
    mode = stat.S_IMODE(hub.folder.stat().st_mode)
    if mode & 0o777 & ~HUB_MODE:
        yield f".: its mode is {mode:o}, not {HUB_MODE:o}: too many may look or write; run init"
    yield from _program(hub)


def _folder(hub: Hub, path: Path, mode: int) -> Iterator[str]:
    try:
        info = path.lstat()
    except OSError as error:
        yield f"{_short(hub, path)}: {error.strerror}; run init"
        return
    found = stat.S_IMODE(info.st_mode)
    # init gives the hub itself setgid too; where it is gone, as on AFS, ACLs do what modes cannot
    high = 0o7000 if hub.folder.stat().st_mode & 0o2000 else 0
    if not stat.S_ISDIR(info.st_mode):
        yield f"{_short(hub, path)}: it is no folder"
    elif info.st_uid != hub.owner:
        yield f"{_short(hub, path)}: it belongs to {account_name(info.st_uid)}"
    elif (found ^ mode) & (0o777 | high):
        yield f"{_short(hub, path)}: its mode is {found:o}, not {mode:o}; run init"


def _hidden(hub: Hub, folder: Path) -> Iterator[str]:
    """Look for hidden files in a folder of everyone's, which only those who upload need."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(name for name in os.listdir(folder) if name.startswith("."))
    for name in names:
        info = (folder / name).lstat()
        writer = account_name(info.st_uid)
        own = info.st_uid == hub.owner or name[1:].partition("--")[0] == user_name(info.st_uid)
        if not own or not stat.S_ISREG(info.st_mode):
            where = _short(hub, folder / name)
            yield f"{where}: {writer} made it, and it may be in another's way; remove it"


def _program(hub: Hub) -> Iterator[str]:
    path = hub.folder / "hub"
    try:
        owner, text = read_owned(path)
        lines = dict(re.findall("^(python|clone)=(.*)", os.fsdecode(text), re.M))
        if owner != hub.owner or lines.keys() < {"python", "clone"} or not os.access(path, os.X_OK):
            yield "hub: it is not the program that init makes; delete it and run init"
        if place := open_to_change(path):
            yield f"hub: others can change {place}, which all run here; chmod go-w"
    except (OSError, HubError):
        yield "hub: it cannot be read; run init"


def _chunks(hub: Hub, chunks: Chunks, gold: set[str]) -> Iterator[str]:
    """Look at all chunks, and note the detections of each, and which are gold."""
    listed, last = hub.chunks(), 0
    home: dict[tuple[str, str], str] = {}
    for place in range(len(listed)):
        try:
            chunk = listed[place]
        except HubError:
            yield f"chunks.csv: line {place + 2} is no chunk; bring the file back from a backup"
            continue
        if number(chunk.name) <= last:
            yield f"chunks.csv: {chunk.name} is out of order, or there twice"
        last = max(last, number(chunk.name))
        if chunk.gold:
            gold.add(chunk.name)
        if chunk.gold not in ("", "yes"):
            yield f"chunks.csv: gold of {chunk.name} is neither yes nor empty"
        objids: list[str] = []
        yield from _tables(hub, chunk, objids)
        for key in _of_drop(chunk.name, objids):
            # what could only be skipped comes anew with a later drop
            if key in home:
                yield f"metadata/{chunk.name}.csv: {key[0]} is in {home[key]} as well"
            home[key] = chunk.name
        chunks[chunk.name] = set(objids)
        yield from _folder(hub, hub.folder / "claims" / chunk.name, MODES["claims"])
    for folder, suffix in (("chunks", ".tar.gz"), ("metadata", ".csv"), ("claims", "")):
        for path in _entries(hub.folder / folder):
            # what looks like a chunk was left by an add that did not end, and is swept by the next
            if not (path.name.endswith(suffix) and CHUNK.fullmatch(_stem(path, suffix))):
                yield f"{_short(hub, path)}: it does not belong there"


def _of_drop(name: str, objids: Iterable[str]) -> set[tuple[str, str]]:
    """Return detections of a chunk as rows of labels name them: Object ID and drop."""
    return {(objid, stamps.metadata_stamp(name)) for objid in objids}


def _tables(hub: Hub, chunk: Listed, objids: list[str]) -> Iterator[str]:
    """Look at the table and the archive of a chunk, and note its detections."""
    table, archive = f"metadata/{chunk.name}.csv", hub.archive(chunk.name)
    try:
        columns, rows = hub.metadata(chunk.name)
        objids += (row[0] for row in rows)
        if columns[:1] != ["OBJID"] or any(len(row) != len(columns) for row in rows):
            yield f"{table}: it is no table that begins with OBJID"
    except (OSError, HubError, csv.Error) as error:
        yield f"{table}: {_reason(error)}"
    where = _short(hub, archive)
    try:
        data = read(archive, stamps.CHUNK_LIMIT)
        if str(len(data)) != chunk.bytes or hashlib.sha256(data).hexdigest() != chunk.sha256:
            yield f"{where}: it is not what chunks.csv says; bring it back from a backup"
        del data
        yield from _archive(hub, archive, objids)
    except (OSError, HubError) as error:
        yield f"{where}: {_reason(error)}"
    if str(len(objids)) != chunk.detections:
        told = f"{counted(len(objids), 'detection')}, chunks.csv says {chunk.detections}"
        yield f"{table}: it has {told}"


def _stem(path: Path, suffix: str) -> str:
    return path.name[: len(path.name) - len(suffix)]


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) else None
    return told or str(error).rstrip(".")


def _archive(hub: Hub, path: Path, objids: list[str]) -> Iterator[str]:
    opened = stamps.Chunk(path)
    if opened.damage or opened.incomplete or opened.objids != objids:
        why = opened.damage or "its detections are not those of its table"
        yield f"{_short(hub, path)}: {why}"


def _reviews(hub: Hub, chunks: Chunks) -> Iterator[str]:
    """Look at the review chunks, and at what else lies beside them."""
    folder = hub.folder / "expert"
    for path in _entries(folder / "chunks"):
        name = _stem(path, ".tar.gz")
        if not (path.name.endswith(".tar.gz") and REVIEW.fullmatch(name)):
            yield f"{_short(hub, path)}: it does not belong there"
            continue
        try:
            rows = hub.metadata(name).rows
            yield from _archive(hub, path, [row[0] for row in rows])
            if any(len(row) != 2 or row[0] not in chunks.get(row[1], ()) for row in rows):
                yield f"expert/metadata/{name}.csv: a detection is not in the chunk it names"
            chunks[name] = {row[0] for row in rows}
        except (OSError, HubError, csv.Error) as error:
            yield f"expert/metadata/{name}.csv: {_reason(error)}"
    for path in _entries(folder / "votes"):
        if not path.name.endswith(".csv") or _stem(path, ".csv") not in chunks:
            yield f"{_short(hub, path)}: there is no such chunk"


def _claims(hub: Hub, chunks: Chunks, gold: set[str], claims: Claims) -> Iterator[str]:
    """Look at everyone's slots, and note them."""
    changed = (hub.folder / "hub.ini").stat().st_mtime
    expiry = hub.rules.claim_expiry_days * 86400
    for name in filter(CHUNK.fullmatch, chunks):
        found: dict[int, Claim] = {}
        claims[name] = found
        paths = _entries(hub.folder / "claims" / name)
        yield from _hidden(hub, hub.folder / "claims" / name)
        for path in paths:
            if not re.fullmatch("[1-9][0-9]{0,8}", path.name):
                yield f"{_short(hub, path)}: it does not belong there"
                continue
            claim = read_claim(path, hub.owner)
            text = _said(path)
            # one that was cut short while it was written is its writer's, and does no harm
            if text is None or (text.endswith("\n") and text.split(" ")[0] != claim.user):
                yield f"{_short(hub, path)}: {claim.user} wrote it, and it does not say so"
            if path.lstat().st_mtime > time.time() + _SKEW or _is_future(text or ""):
                yield f"{_short(hub, path)}: it is from the future, so it counts as of now"
            if claim.user in (other.user for other in found.values()):
                yield f"{_short(hub, path)}: {claim.user} has this chunk twice"
            found[int(path.name)] = claim
        if name in gold:
            continue
        for slot, claim in found.items():
            if not hub.votes(claim.user):  # who takes no place
                continue
            before = [
                other
                for before_it, other in found.items()
                if before_it < slot
                and other.user != claim.user
                and other.time <= claim.time + _SKEW  # a slot may be free again
                and hub.votes(other.user)
                and (
                    claim.time - other.time < expiry - _SKEW
                    or _finished(hub, other.user, name) < claim.time - _SKEW
                )
            ]
            # what was right under an earlier setting is so still; `import` counts nobody
            known = (
                claim.time > changed and not (hub.folder / "earlier" / claim.user / name).exists()
            )
            others = len({other.user for other in before})
            if known and others >= hub.rules.labelers:
                yield (
                    f"claims/{name}/{slot}: {claim.user} got it while "
                    f"{counted(others, 'other')} had it"
                )


def _said(path: Path) -> str | None:
    """Return what is in a small plain file, or None."""
    with contextlib.suppress(OSError, HubError):
        return read(path, 200).decode("utf-8", "replace")
    return None


def _is_future(text: str) -> bool:
    """Tell whether the time in a claim is later than now."""
    late = datetime.fromtimestamp(time.time() + _SKEW, timezone.utc).strftime(TIME)
    at = text.rpartition(" ")[2].strip()
    return len(at) == len(late) and at > late


def _finished(hub: Hub, user: str, name: str) -> float:
    """Return when a person answered a chunk, in seconds since 1970, or infinity."""
    with contextlib.suppress(OSError):
        if hub.has_skipped(user, name):
            return float("inf")
        return (hub.folder / "people" / user / f"{name}.done").stat().st_mtime
    return float("inf")


def _uploads(
    hub: Hub, folder: Path, chunks: Chunks, dealt: Dealt, said: list[labelfile.Row]
) -> Iterator[str]:
    """Look at uploads and what was made of them; note who dealt with what, and the rows."""
    expert = folder != hub.folder
    known: set[tuple[str, str]] = set()
    for name in filter(CHUNK.fullmatch, chunks):
        known |= _of_drop(name, chunks[name])
    names: dict[str, set[str]] = {}
    for kind in ("incoming", "verified", "rejected"):
        names[kind] = set()
        for path in _entries(folder / kind):
            user = verified.user_of(path.name)
            if user is None:
                yield f"{_short(hub, path)}: it does not belong there"
                continue
            info = path.lstat()
            if not stat.S_ISREG(info.st_mode):
                yield f"{_short(hub, path)}: it is not a plain file"
            elif info.st_uid != hub.owner and (expert or user_name(info.st_uid) != user):
                yield f"{_short(hub, path)}: it belongs to {account_name(info.st_uid)}"
            elif expert and user != hub.expert:
                yield f"{_short(hub, path)}: {user} is not the expert"
            else:
                names[kind].add(path.name)
    short = _short(hub, folder / "x")[:-1]
    for name in sorted(names["incoming"] - names["verified"]):
        yield f"{short}incoming/{name}: it was never verified; its sender should send it again"
    for kind in ("verified", "rejected"):
        for name in sorted(names[kind] - names["incoming"]):
            yield f"{short}{kind}/{name}: there is no such upload in {short}incoming"
    for name in sorted(names["verified"]):
        yield from _rows(hub, folder / "verified" / name, known, dealt, said)


def _rows(
    hub: Hub,
    path: Path,
    known: Container[tuple[str, str]],
    dealt: Dealt,
    said: list[labelfile.Row],
) -> Iterator[str]:
    """Look at the rows of a verified file; `known` has all detections with their drops."""
    user = verified.user_of(path.name) or ""
    done = dealt.setdefault((user, path.parent.parent != hub.folder), set())
    try:
        owner, rows = verified.read(path)
    except (OSError, HubError, csv.Error) as error:
        yield f"{_short(hub, path)}: {_reason(error)}"
        return
    bad = 0
    given = None if owner == hub.owner else verified.given_to(hub, user)
    for label in rows:
        if (
            label is None
            or not verified.is_label(label, user, given)
            or (label.row.objid, label.row.metadata_stamp) not in known
        ):
            bad += 1
        else:
            done.add((label.row.objid, label.row.metadata_stamp))
            said.append(label.row)
    if bad:
        told = counted(bad, "row is no label of", "rows are no labels of")
        yield f"{_short(hub, path)}: {told} {user} on a detection of its drop"


def _skipped(chunks: Chunks, said: Iterable[labelfile.Row]) -> Iterator[str]:
    """Name what everybody skipped and what has not come anew since."""
    skipped = verified.only_skipped(said)
    latest = {objid: name for name in filter(CHUNK.fullmatch, chunks) for objid in chunks[name]}
    lost: dict[str, list[str]] = {}
    for objid, drops in skipped.items():
        if stamps.metadata_stamp(latest[objid]) in drops:
            lost.setdefault(latest[objid], []).append(objid)
    for name, objids in sorted(lost.items()):
        told = counted(len(objids), "detection was", "detections were")
        yield (
            f"chunks/{name}.tar.gz: {told} skipped by everybody, such as "
            f"{' '.join(sorted(objids)[:3])}; mend the stamps and add them again"
        )


def _people(hub: Hub, chunks: Chunks, claims: Claims, dealt: Dealt) -> Iterator[str]:
    """Look at people's folders."""
    for person in _entries(hub.folder / "people"):
        user = person.name
        info = person.lstat()
        if not stat.S_ISDIR(info.st_mode) or not labelfile.is_user(user):
            yield f"people/{user}: it is no person's folder"
            continue
        if info.st_uid != hub.owner and user_name(info.st_uid) != user:
            yield f"people/{user}: it belongs to {account_name(info.st_uid)}"
        done = _dealt(hub, dealt, user)
        claimed, _ = hub.claimed(user)
        for path in _entries(person):
            name, _, rest = path.name.partition(".")
            where = f"people/{user}/{path.name}"
            if path.name == "full":
                yield from _full(hub, path, claims)
            elif name not in chunks or (rest and name not in claimed):
                yield f"{where}: there is no such chunk, or {user} does not have it"
            elif not rest:
                if user not in (claim.user for claim in claims[name].values()):
                    yield f"{where}: there is no claim of {user} in claims/{name}"
                if _of_drop(name, chunks[name]) <= done and not hub.has_finished(user, name):
                    yield f"{where}: all is dealt with, but it is open; {user} should send again"
            elif rest == "done" and (lacking := _of_drop(name, chunks[name]) - done):
                left = counted(len(lacking), "detection is", "detections are")
                yield f"{where}: {left} not dealt with in verified/"

    for path in _entries(hub.folder / "earlier"):
        for note in _entries(path):
            name, _, end = note.name.partition(".")
            held = chunks.get(name, {""})
            if end in PARTLY and name in chunks:
                held = {*read(note).decode("utf-8", "replace").split()}
            known = _of_drop(name, held)
            if not known <= _dealt(hub, dealt, path.name):
                yield f"{_short(hub, note)}: there is no such chunk, or labels of it are missing"


def _dealt(hub: Hub, dealt: Dealt, user: str) -> set[tuple[str, str]]:
    """Return the detections that a person dealt with, be it as the expert."""
    found = dealt.get((user, False), set())
    return found | dealt.get((user, True), set()) if user == hub.expert else found


def _full(hub: Hub, path: Path, claims: Claims) -> Iterator[str]:
    """Look whether chunks that a person noted as full are so."""
    known = read_full(hub, hub.chunks(), path)
    if known is None or len(claims) < known.looked:  # of another hub.ini, say: nobody heeds it
        return
    for place, (name, found) in enumerate(list(claims.items())[: known.looked]):
        live = [claim for claim in found.values() if is_live(hub, name, claim)]
        if place not in known.until and len(live) < hub.rules.labelers:
            yield f"{_short(hub, path)}: {name} has room, and is said to be full; delete this file"
