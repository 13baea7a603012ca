"""How good labels and labelers are, as text, and as a page with pictures (see `text` and `page`).

For the owner alone, as it tells the truth of gold chunks. Needs numpy, and the page Pillow; what
can be asked for is told without them.
"""

from __future__ import annotations

import argparse
import os

import disk
from cluster.hub import Hub
from cluster.options import from_caller

VERB = "report"
HELP = "tell how good labels and labelers are"
EXAMPLE = "--html r.html"


def options(parser: argparse.ArgumentParser) -> None:
    """Add what may follow HUB; see `run`."""
    parser.add_argument(
        "--html", metavar="FILE", type=from_caller, help="write it as a page with pictures too"
    )


def run(folder: str | os.PathLike[str], html: str | None = None) -> int:
    """Print how good labels and labelers are, and write it as a page too.

    Parameters
    ----------
    folder : str
        The hub's.
    html : str, optional
        The page's file, which is replaced and is for its owner's eyes only.
    """
    hub = Hub(folder)
    hub.owner_only("read the report, which tells the truth of gold chunks")
    from cluster import findings, text

    found = findings.find(hub)
    print(text.render(found))
    if html is not None:
        from cluster import page  # Pillow, which the text does not need

        disk.write_whole(html, page.render(found), 0o600)
        print(f"\n{html} is written. Keep it from labelers: it tells the truth of gold chunks.")
    return 0
