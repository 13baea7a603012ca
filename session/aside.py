"""A chunk that ends the program is found out, and set aside, so that it costs one start.

While a chunk is read, or a stamp of it decoded, a mark lies beside it, and who dies of that leaves
the mark. At the next start the chunk is tried by a process of its own: if that dies too, the mark
says so from then on. A program that was killed for another reason costs no chunk.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_PATIENCE = 30  # seconds for a whole chunk, which takes less than one
_TRIAL = """
import sys, scaling, stamps
chunk = stamps.Chunk(sys.argv[1])
for objid in chunk.objids:
    try:
        scaling.triplet(objid, chunk.encoded(objid))
    except stamps.StampError:
        pass
"""


def mark_of(path: Path) -> Path:
    """Return the mark of a chunk; there is one if it is set aside, or just being read."""
    return path.with_name(f"{path.name}.reading")


@contextlib.contextmanager
def marked(path: Path) -> Iterator[None]:
    """Mark a chunk while it is read; where nothing can be written, do without."""
    mark = mark_of(path)
    with contextlib.suppress(OSError):
        mark.touch()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            mark.unlink()


def is_set_aside(path: Path) -> bool:
    """Tell whether the program died of a chunk, and a process that tries it does too."""
    mark = mark_of(path)
    if not mark.exists():
        return False
    with contextlib.suppress(OSError):
        if mark.stat().st_size or _kills(path):
            mark.write_text("The program died of reading this chunk, twice.\n")
            return True
        mark.unlink()
    return False


def _kills(path: Path) -> bool:
    try:
        run = subprocess.run(
            [sys.executable, "-c", _TRIAL, path.resolve()],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # no Ctrl+C is to look like a death
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return run.returncode < 0
