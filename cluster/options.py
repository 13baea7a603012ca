"""What several verbs ask for in the same words."""

from __future__ import annotations

import argparse
import os


def from_caller(path: str) -> str:
    """Return a path as seen from where HUB/hub was called, which moves to the clone first."""
    return os.path.join(os.environ.get("ARTIFACTSPY_CALLED_FROM", ""), path)


def speak_for(parser: argparse.ArgumentParser) -> None:
    """Add ``--as USER``; see `Hub.speaker`."""
    parser.add_argument(
        "--as", dest="as_user", metavar="USER", help="speak for USER (the hub's owner only)"
    )
