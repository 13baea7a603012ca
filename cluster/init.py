"""A folder becomes a hub, or a hub gets back what it lacks; nothing that exists is overwritten.

Made are ``hub``, the script that runs the commands with this clone and this Python, ``hub.ini``,
an empty ``chunks.csv`` and the folders with their modes; printed are the ACLs that say the same on
AFS. Standard library only.
"""

from __future__ import annotations

import contextlib
import grp
import importlib.util
import os
import re
import shlex
import stat
import sys
from pathlib import Path

import disk
from cluster.hub import (
    CHUNK,
    HUB_MODE,
    MODES,
    REFUSED,
    Hub,
    HubError,
    Listed,
    Rules,
    account_name,
    make_folder,
    read,
    table,
)

VERB = "init"
HELP = "make a folder a hub, or repair one"

_EARLIER = {"ImageBank", "Results"}  # folders of earlier versions, beside which a hub may be
_LAYOUT = {
    *MODES,
    "hub",
    "labels.csv",
    "arrivals.csv",
    ".add.lock",
}  # and the two that make a folder a hub
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
# Metadata columns that a labeler is told, where a drop has them. Never a score.
facts = {facts}
# People whose labels stay but do not vote, parted by blanks; 'exclude' writes this.
excluded = {excluded}
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


def run(folder: str | os.PathLike[str]) -> int:
    """Make a folder a hub, or bring back what one lacks; nothing that exists is overwritten.

    A hub may be where the folders of an earlier version are: its names are none of theirs.

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
    others = set(os.listdir(hub)) - _LAYOUT - {"hub.ini", "chunks.csv"}
    beside = others >= _EARLIER
    if not known and others and not beside:
        raise HubError(
            f"{hub} is not empty and no hub: nothing was changed. Name a new folder.", REFUSED
        )
    # whoever can write into the hub itself could put another list of chunks in the place of ours,
    # and who is no labeler of it has nothing to look for there
    make_folder(hub.resolve(), HUB_MODE)
    for name, mode in MODES.items():
        make_folder(hub / name, mode)
    if not (hub / "chunks.csv").exists():
        if any(CHUNK.fullmatch(path.name[:-7]) for path in (hub / "chunks").iterdir()):
            raise HubError(
                f"{hub}/chunks.csv is gone while there are chunks: they are safe, but without it "
                "they do not exist. Bring it back from a backup, or empty chunks/ to begin anew."
            )
        disk.create(hub / "chunks.csv", table(Listed._fields, ()))
    clone = Path(__file__).resolve().parent.parent
    script = _SCRIPT.format(python=shlex.quote(sys.executable), clone=shlex.quote(str(clone)))
    with contextlib.suppress(FileExistsError):
        disk.create(hub / "hub.ini", _INI.format(**Rules()._asdict()).encode())
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
    if beside:
        print(
            "The folders of the earlier version stay as they are; only your group can look into "
            f"{place} from now on.\n"
        )
    if known:
        print(f"{hub} was a hub already; its rights are mended.\n")
        print("How to let labelers in, with ordinary groups:")
    else:
        print(f"{hub} is a hub: {opened.rules.labelers} people label each chunk (hub.ini).\n")
        print("Let your labelers in, once, before the first add. With ordinary groups:")
    tops = ("hub", "hub.ini", "chunks.csv", *(name for name in MODES if "/" not in name))
    ours = " ".join(f"{place}/{name}" for name in tops)
    group = f"chgrp GROUP {place} && chgrp -R GROUP {ours}" if beside else f"chgrp -R GROUP {place}"
    given = f"{place}/claims/* " if chunks else ""
    closed = "system:anyuser none system:authuser none"
    people = f"  fs setacl -dir {place}/people/* -acl GROUP rl\n" if known else ""
    # without d and w, since AFS knows no sticky bit; each person's own folder gets all from `next`
    print(
        f"  {group} && {place}/hub init\n"
        "On AFS, which ignores group modes:\n"
        f"  fs setacl -dir {place} {readable} -acl GROUP rl {closed}\n"
        f"  fs setacl -dir {given}{shared} -acl GROUP rli {closed}\n"
        f"{people}"
        f"  fs setacl -dir {place}/training {place}/expert {place}/expert/* -acl "
        f"{shlex.quote(account_name(opened.owner))} all -clear"
    )
    if closed := _closed(hub / "hub"):
        print(
            f"\nOnly you can {closed}: run init again with a Python and a clone that your group "
            f"can read, for instance /usr/bin/python3 -m cluster init {place}, after deleting "
            f"{place}/hub."
        )
    if changeable := open_to_change(hub / "hub"):
        print(
            f"\nOthers than its owner can change {changeable}, which you and all labelers run: "
            f"chmod -R go-w {shlex.quote(str(changeable))}"
        )
    wanted = "numpy", "PIL", "astropy"
    if lacking := [name for name in wanted if importlib.util.find_spec(name) is None]:
        print(
            f"\n{sys.executable} lacks {', '.join(lacking)}: add, next and receive need none of "
            "that, but the expert's chunks, report, consensus and export do."
        )
    if not chunks and beside:
        files = "ImageBank/Batches/batch--*.tar.gz", "Results/Metadata/*.csv"
        told = " ".join(f"{place}/{name}" for name in (*files, "Results/UserResults/*.csv"))
        print(f"\nNext: {place}/hub import {told}")
    elif not chunks:
        print(f"\nNext: {place}/hub add STAMPS.tar.gz --metadata TABLE.csv")
    return 0


def _program(script: Path) -> tuple[Path, Path]:
    """Return the Python and the clone that HUB/hub names, which its owner may have spoilt."""
    lines = dict(re.findall("^(python|clone)=(.*)", os.fsdecode(read(script)), re.M))
    python, clone = (Path(*shlex.split(lines[name])) for name in ("python", "clone"))
    return python, clone


def open_to_change(script: Path) -> Path | None:
    """Return what of HUB/hub's Python and clone others than their owner can change, or None."""
    with contextlib.suppress(OSError, HubError, KeyError, ValueError):
        python, clone = (path.resolve() for path in _program(script))
        places = [python, *python.parents, clone, *clone.parents, clone / "cluster"]
        for place in (*places, *clone.glob("*.py"), *clone.glob("cluster/*.py")):
            info = place.stat()
            # in a folder like /tmp nobody can put something in another's place
            sticky = stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX
            shared = info.st_mode & 0o020 and not _is_private(info)
            if not sticky and (shared or info.st_mode & 0o002):
                return place
    return None


def _is_private(info: os.stat_result) -> bool:
    """Tell whether a file's group has its owner alone, as many systems give everyone one."""
    try:
        group = grp.getgrgid(info.st_gid)
    except KeyError:
        return False
    owner = account_name(info.st_uid)
    return group.gr_name == owner and {*group.gr_mem} <= {owner}


def _closed(script: Path) -> str:
    """Return what of HUB/hub's Python and clone only their owner can run or read, by mode bits."""
    closed: dict[str, Path] = {}
    # what its owner wrote there by hand may be anything
    with contextlib.suppress(OSError, HubError, KeyError, ValueError):
        python, clone = _program(script)
        wanted = (("run", python, 1), ("read", clone, 5), ("read", clone / "cluster", 5))
        for verb, path, bits in wanted:
            for place in (path, path.resolve()):  # each link's own folders count too
                if not _open_to_others(place, bits):
                    closed.setdefault(verb, place)
    return " or ".join(f"{verb} {place}" for verb, place in closed.items())


def _open_to_others(path: Path, bits: int) -> bool:
    """Tell whether the group or others have these bits, and may enter the folders above."""
    wanted = ((path, bits), *((folder, 1) for folder in path.parents))
    return all(
        any(place.stat().st_mode >> shift & need == need for shift in (0, 3))
        for place, need in wanted
    )
