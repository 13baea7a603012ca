"""A person's labels stay and do not vote any more, or do so again.

`excluded` in hub.ini has the names. Who is excluded takes none of a chunk's places, so that others
are asked instead; they are told nothing and may go on labelling. Standard library only.
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Sequence

import disk
from cluster.hub import USAGE, Hub, HubError, read
from cluster.terminal import counted
from cluster.verified import gather

VERB = "exclude"
HELP = "let a person's labels vote no more, or again"
EXAMPLE = "USER"

_LINE = re.compile(r"^excluded[ \t]*[=:].*(\n[ \t]+\S.*)*", re.M)  # with what goes on below it


def options(parser: argparse.ArgumentParser) -> None:
    """Add what follows HUB; see `run`."""
    parser.add_argument(
        "users", metavar="USER", nargs="+", help="whose labels stay and do not vote"
    )
    parser.add_argument("--back", action="store_true", help="let them vote again")


def run(folder: str | os.PathLike[str], users: Sequence[str], back: bool = False) -> int:
    """Exclude people or take them back, print who is excluded, and return the exit status.

    Raises
    ------
    HubError
        Nothing was changed: one of them has labelled nothing, or is the expert; hub.ini cannot be
        written.
    """
    hub = Hub(folder)
    hub.owner_only("exclude anyone")
    given = Counter(user for user, _ in gather(hub))
    for user in users:
        if user not in given and user not in hub.excluded:
            raise HubError(
                f"Nobody called {user} has labelled anything here: nothing was changed. 'status' "
                "has the names.",
                USAGE,
            )
    names = hub.excluded.difference(users) if back else hub.excluded.union(users)
    path = hub.folder / "hub.ini"
    text, line = read(path).decode(), f"excluded = {' '.join(sorted(names))}"
    if _LINE.search(text):
        text = _LINE.sub(line, text, count=1)
    else:  # a hub of before
        text = re.sub(
            r"^\[hub\].*$", lambda match: f"{match[0]}\n{line}", text, count=1, flags=re.M
        )
    disk.write_whole(path, text.encode(), path.stat().st_mode & 0o777)
    total = counted(sum(given[user] for user in users), "label")
    now = "vote again" if back else "stay and vote no more"
    print(
        f"{total} of {', '.join(users)} {now} in what is made from now on. Excluded: "
        f"{', '.join(sorted(names)) or 'nobody'}."
    )
    return 0
