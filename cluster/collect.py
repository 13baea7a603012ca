"""All verified labels in one table, and for each person how often the expert agreed with them.

``labels.csv`` has USER and a label file's columns, each person's latest row of each detection.
``agreement/USER`` is ``41 50``: of 50 labels that the person and the expert gave to the same
detections of gold chunks, 41 are equal. All are the same, byte for byte, as long as the verified
files are. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from typing import NamedTuple

import disk
import labelfile
import labels
from cluster.hub import Hub, HubError, read_owned, sweep, table
from cluster.terminal import counted
from cluster.verified import Rows, expert_rows, gather, gold_truth

VERB = "collect"
HELP = "write HUB/labels.csv from all that was received"

_AGREEMENT = re.compile(rb"([0-9]{1,9}) ([0-9]{1,9})\n")


class Agreement(NamedTuple):
    """Of so many labels compared on gold chunks, how often the expert agreed with a person."""

    agreed: int
    compared: int


def run(folder: str | os.PathLike[str]) -> int:
    """Write labels.csv and agreement/, print what is in them, and return the exit status."""
    hub = Hub(folder)
    hub.owner_only("write labels.csv")
    for name in ("incoming", "verified", "rejected"):
        sweep(hub.folder / name)
    rows, truth, expert = gather(hub), gold_truth(hub), len(expert_rows(hub))
    keys = sorted(rows, key=lambda key: (int(key[1]), key[1], key[0]))
    lines = ((user, *rows[user, objid]) for user, objid in keys)
    disk.write_whole(hub.folder / "labels.csv", table(("USER", *labelfile.COLUMNS), lines))
    _write_agreements(hub, rows, truth)
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


def _write_agreements(hub: Hub, rows: Rows, truth: dict[str, str]) -> None:
    agreed, compared = Counter[str](), Counter[str]()
    for (user, objid), row in rows.items():
        if objid in truth and labels.is_vote(row.action):
            compared[user] += 1
            agreed[user] += row.action == truth[objid]
    for path in (hub.folder / "agreement").iterdir():
        if path.name not in compared:  # what the expert takes back is no longer compared
            path.unlink()
    for user, number in compared.items():
        note = f"{agreed[user]} {number}\n".encode()
        disk.write_whole(hub.folder / "agreement" / user, note)


def read_agreement(hub: Hub, user: str) -> Agreement | None:
    """Return what the owner's ``agreement/USER`` says, or None if there is none that can be."""
    with contextlib.suppress(OSError, HubError):
        owner, text = read_owned(hub.folder / "agreement" / user, 100)
        match = _AGREEMENT.fullmatch(text)
        if owner == hub.owner and match is not None:
            found = Agreement(int(match[1]), int(match[2]))
            return found if found.agreed <= found.compared else None
    return None
