"""A table comes to detections that the hub has: to those without one, or with one that lacks some.

What their tables say stays. The chunks themselves stay as they are, and with them what labelers are
told. Standard library only.
"""

from __future__ import annotations

import argparse
import os

from cluster import chunks, tables
from cluster.drop import Drop
from cluster.hub import REFUSED, Hub, HubError
from cluster.options import from_caller
from cluster.terminal import Progress, counted

VERB = "metadata"
HELP = "bring a table to what the hub has"
EXAMPLE = "night1.csv"


def options(parser: argparse.ArgumentParser) -> None:
    """Add what follows HUB; see `run`."""
    parser.add_argument(
        "path", metavar="CSV", type=from_caller, help="a table with an OBJID column"
    )


def run(folder: str | os.PathLike[str], path: str) -> int:
    """Bring a table to the detections of a hub, print how many gained, and return the exit status.

    Raises
    ------
    HubError
        Nothing was changed: another process is adding, the table cannot be used or is another's.
    """
    hub = Hub(folder)
    hub.owner_only("bring metadata")
    with chunks.alone(hub), Progress() as progress, Drop(hub, progress) as drop:
        progress(f"reading {path}", at_once=True)
        columns, total = tables.examined(path, hub.rules.group_column)
        unused = drop.join(tables.read_csv(path), path).unused
        if unused == total:
            raise HubError(
                f"None of the {counted(total, 'row')} of {path} belongs to this hub: nothing was "
                "changed. Is it the right table?",
                REFUSED,
            )
        gained = drop.bring(columns)
    told = f"{counted(gained, 'detection')} of the hub got what {path} says"
    print(f"{told}; {counted(unused, 'row is', 'rows are')} of no detection here.")
    return 0
