"""Whatever in a hub is not as it should be, a line each: PATH: what is wrong, and what mends it.

Only the owner can look everywhere. Nothing is changed, and nothing that is read is believed: what
cannot be read is a line, too. Standard library only.
"""

import contextlib
import csv
import hashlib
import os
import re
import stat

import labels
import stamps
from cluster.handout import is_live, read_claim, read_full
from cluster.hub import (
    CHUNK,
    MODES,
    REVIEW,
    HubError,
    account_name,
    counted,
    read,
    read_owned,
)
from cluster.receive import UPLOAD, VERIFIED, read_rows

_SKEW = 60  # seconds; as much as the clocks of a cluster's machines may differ


def violations(hub):
    """Go through everything in a hub; yield a line for each thing that is amiss.

    Parameters
    ----------
    hub : Hub
        Nobody should be writing to it meanwhile, or what they are about to do looks undone.
    """
    yield from _folders(hub)
    chunks, gold = {}, set()  # name -> the set of its detections; the names of gold ones
    yield from _chunks(hub, chunks, gold)
    yield from _reviews(hub, chunks)
    claims = {}  # name -> {slot: Claim}
    yield from _claims(hub, chunks, gold, claims)
    dealt = {}  # (USER, whether the expert) -> the detections they dealt with
    for folder in (hub.folder, hub.folder / "expert"):
        yield from _uploads(hub, folder, chunks, dealt)
    yield from _people(hub, chunks, claims, dealt)
    for path in _entries(hub.folder / "agreement"):
        with contextlib.suppress(OSError, HubError, ValueError):
            agreed, compared = map(int, read(path, 100).split())
            if labels.is_user(path.name) and 0 <= agreed <= compared:
                continue
        yield f"{_short(hub, path)}: it is no agreement of a person; collect makes it anew"


def _short(hub, path):
    return os.path.relpath(path, hub.folder)


def _entries(folder):
    """Return what is in a folder in order, without what begins with a dot: that is unfinished."""
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return []


def _folders(hub):
    for name, mode in MODES.items():
        yield from _folder(hub, hub.folder / name, mode)
    if hub.folder.stat().st_mode & 0o022:
        yield ".: others than its owner may write into the hub itself; run init"
    yield from _program(hub)


def _folder(hub, path, mode):
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


def _program(hub):
    path = hub.folder / "hub"
    try:
        owner, text = read_owned(path)
        lines = dict(re.findall("^(python|clone)=(.*)", os.fsdecode(text), re.M))
        if owner != hub.owner or lines.keys() < {"python", "clone"} or not os.access(path, os.X_OK):
            yield "hub: it is not the program that init makes; delete it and run init"
    except (OSError, HubError):
        yield "hub: it cannot be read; run init"


def _chunks(hub, chunks, gold):
    """Look at all chunks, and note the detections of each, and which are gold."""
    listed, home, number = hub.chunks(), {}, 0
    for place in range(len(listed)):
        try:
            chunk = listed[place]
        except HubError:
            yield f"chunks.csv: line {place + 2} is no chunk; bring the file back from a backup"
            continue
        where = f"chunks/{chunk.name}.tar.gz"
        if int(chunk.name.split("--")[1]) <= number:
            yield f"chunks.csv: {chunk.name} is out of order, or there twice"
        number = max(number, int(chunk.name.split("--")[1]))
        if chunk.gold:
            gold.add(chunk.name)
        if chunk.gold not in ("", "yes"):
            yield f"chunks.csv: gold of {chunk.name} is neither yes nor empty"
        objids = []
        try:
            header, *lines = hub.metadata(chunk.name) or [[]]
            objids = [line[0] for line in lines]
            if header[:1] != ["OBJID"] or any(len(line) != len(header) for line in lines):
                yield f"metadata/{chunk.name}.csv: it is no table that begins with OBJID"
        except (OSError, HubError, csv.Error) as error:
            yield f"metadata/{chunk.name}.csv: {_reason(error)}"
        try:
            data = read(hub.folder / where, stamps.CHUNK_LIMIT)
            if str(len(data)) != chunk.bytes or hashlib.sha256(data).hexdigest() != chunk.sha256:
                yield f"{where}: it is not what chunks.csv says; bring it back from a backup"
            del data
            yield from _archive(hub, hub.folder / where, objids)
        except (OSError, HubError) as error:
            yield f"{where}: {_reason(error)}"
        if str(len(objids)) != chunk.detections:
            told = f"{counted(len(objids), 'detection')}, chunks.csv says {chunk.detections}"
            yield f"metadata/{chunk.name}.csv: it has {told}"
        for objid in objids:
            if objid in home:
                yield f"metadata/{chunk.name}.csv: {objid} is in {home[objid]} as well"
            home[objid] = chunk.name
        chunks[chunk.name] = set(objids)
        yield from _folder(hub, hub.folder / "claims" / chunk.name, MODES["claims"])
    for folder, suffix in (("chunks", ".tar.gz"), ("metadata", ".csv"), ("claims", "")):
        for path in _entries(hub.folder / folder):
            # what looks like a chunk was left by an add that did not end, and is swept by the next
            if not (path.name.endswith(suffix) and CHUNK.fullmatch(_stem(path, suffix))):
                yield f"{_short(hub, path)}: it does not belong there"


def _stem(path, suffix):
    return path.name[: len(path.name) - len(suffix)]


def _reason(error):
    return error.strerror if isinstance(error, OSError) else str(error).rstrip(".")


def _archive(hub, path, objids):
    opened = stamps.Chunk(path)
    if opened.damage or opened.incomplete or opened.objids != objids:
        why = opened.damage or "its detections are not those of its table"
        yield f"{_short(hub, path)}: {why}"


def _reviews(hub, chunks):
    """Look at the review chunks, and at what else lies beside them."""
    home = {objid: name for name, objids in chunks.items() for objid in objids}
    folder = hub.folder / "expert"
    for path in _entries(folder / "chunks"):
        name = _stem(path, ".tar.gz")
        if not (path.name.endswith(".tar.gz") and REVIEW.fullmatch(name)):
            yield f"{_short(hub, path)}: it does not belong there"
            continue
        try:
            lines = hub.metadata(name)[1:]
            yield from _archive(hub, path, [line[0] for line in lines])
            if any(len(line) != 2 or home.get(line[0]) != line[1] for line in lines):
                yield f"expert/metadata/{name}.csv: a detection is not in the chunk it names"
            chunks[name] = {line[0] for line in lines}
        except (OSError, HubError, csv.Error) as error:
            yield f"expert/metadata/{name}.csv: {_reason(error)}"
    for path in _entries(folder / "votes"):
        if not path.name.endswith(".csv") or _stem(path, ".csv") not in chunks:
            yield f"{_short(hub, path)}: there is no such chunk"


def _claims(hub, chunks, gold, claims):
    """Look at everyone's slots, and note them."""
    changed = (hub.folder / "hub.ini").stat().st_mtime
    expiry = hub.settings.claim_expiry_days * 86400
    for name in filter(CHUNK.fullmatch, chunks):
        found = claims[name] = {}
        paths = _entries(hub.folder / "claims" / name)
        for path in paths:
            if not re.fullmatch("[1-9][0-9]{0,8}", path.name):
                yield f"{_short(hub, path)}: it does not belong there"
                continue
            claim = read_claim(path, hub.owner)
            if _said(path) not in (claim.user, ""):
                yield f"{_short(hub, path)}: {claim.user} wrote it, and it does not say so"
            if claim.user in (other.user for other in found.values()):
                yield f"{_short(hub, path)}: {claim.user} has this chunk twice"
            found[int(path.name)] = claim
        if name in gold:
            continue
        for slot, claim in found.items():
            before = [
                other
                for number, other in found.items()
                if number < slot
                and other.user != hub.expert  # who takes no place
                and (
                    claim.time - other.time < expiry - _SKEW
                    or _finished(hub, other.user, name) < claim.time - _SKEW
                )
            ]
            # what was right under an earlier setting is so still; `import` counts nobody
            known = (
                claim.time > changed and not (hub.folder / "earlier" / claim.user / name).exists()
            )
            if known and len(before) >= hub.settings.labelers:
                yield (
                    f"claims/{name}/{slot}: {claim.user} got it while "
                    f"{counted(len(before), 'other')} had it"
                )


def _said(path):
    """Return the first word of a small file; it is empty while it is being written."""
    with contextlib.suppress(OSError, HubError):
        return read(path, 200).decode("utf-8", "replace").partition(" ")[0]
    return None


def _finished(hub, user, name):
    """Return when a person finished a chunk, in seconds since 1970, or infinity."""
    with contextlib.suppress(OSError):
        return (hub.folder / "people" / user / f"{name}.done").stat().st_mtime
    return float("inf")


def _uploads(hub, folder, chunks, dealt):
    """Look at uploads and what was made of them; note who dealt with what."""
    expert = folder != hub.folder
    home = {}
    for name in filter(CHUNK.fullmatch, chunks):
        home.update(dict.fromkeys(chunks[name], stamps.metadata_stamp(name)))
    names = {}
    for kind in ("incoming", "verified", "rejected"):
        names[kind] = set()
        for path in _entries(folder / kind):
            match = UPLOAD.fullmatch(path.name)
            if match is None or not labels.is_user(match[1]):
                yield f"{_short(hub, path)}: it does not belong there"
                continue
            info = path.lstat()
            if not stat.S_ISREG(info.st_mode):
                yield f"{_short(hub, path)}: it is not a plain file"
            elif info.st_uid != hub.owner and (expert or account_name(info.st_uid) != match[1]):
                yield f"{_short(hub, path)}: it belongs to {account_name(info.st_uid)}"
            elif expert and match[1] != hub.expert:
                yield f"{_short(hub, path)}: {match[1]} is not the expert"
            else:
                names[kind].add(path.name)
    short = _short(hub, folder / "x")[:-1]
    for name in sorted(names["incoming"] - names["verified"]):
        yield f"{short}incoming/{name}: it was never verified; its sender should send it again"
    for kind in ("verified", "rejected"):
        for name in sorted(names[kind] - names["incoming"]):
            yield f"{short}{kind}/{name}: there is no such upload in {short}incoming"
    for name in sorted(names["verified"]):
        user = UPLOAD.fullmatch(name)[1]
        done = dealt.setdefault((user, expert), set())
        try:
            _, lines = read_rows(folder / "verified" / name)
        except (OSError, HubError, csv.Error) as error:
            yield f"{short}verified/{name}: {_reason(error)}"
            continue
        bad = 0
        for line in lines:
            entry = labels.Row(*line[:-1]) if len(line) == len(VERIFIED) else None
            if (
                entry is None
                or line[-1] != user
                or labels.check(entry)
                or home.get(entry.objid) != entry.metadata_stamp
            ):
                bad += 1
            else:
                done.add(entry.objid)
        if bad:
            told = counted(bad, "row is no label of", "rows are no labels of")
            yield f"{short}verified/{name}: {told} {user} on a detection of its drop"


def _people(hub, chunks, claims, dealt):
    """Look at people's folders."""
    for person in _entries(hub.folder / "people"):
        user = person.name
        info = person.lstat()
        if not stat.S_ISDIR(info.st_mode) or not labels.is_user(user):
            yield f"people/{user}: it is no person's folder"
            continue
        if info.st_uid != hub.owner and account_name(info.st_uid) != user:
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
                if chunks[name] <= done and not hub.has_finished(user, name):
                    yield f"{where}: all is dealt with, but it is open; {user} should send again"
            elif rest == "done" and not chunks[name] <= done:
                left = counted(len(chunks[name] - done), "detection is", "detections are")
                yield f"{where}: {left} not dealt with in verified/"

    for path in _entries(hub.folder / "earlier"):
        for note in _entries(path):
            if not chunks.get(note.name, {None}) <= _dealt(hub, dealt, path.name):
                yield f"{_short(hub, note)}: there is no such chunk, or labels of it are missing"


def _dealt(hub, dealt, user):
    """Return the detections that a person dealt with, be it as the expert."""
    found = dealt.get((user, False), set())
    return found | dealt.get((user, True), set()) if user == hub.expert else found


def _full(hub, path, claims):
    """Look whether chunks that a person noted as full are so."""
    known = read_full(hub, hub.chunks(), path)
    if known is None or len(claims) < known[0]:  # of another hub.ini, say: nobody heeds it
        return
    count, until = known
    for place, (name, found) in enumerate(list(claims.items())[:count]):
        live = [claim for claim in found.values() if is_live(hub, name, claim)]
        if place not in until and len(live) < hub.settings.labelers:
            yield f"{_short(hub, path)}: {name} has room, and is said to be full; delete this file"
