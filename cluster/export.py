"""All that was labelled becomes a training set: one array of images, and soft labels beside it.

``training/STAMP/`` (STAMP is the time of the export, UTC) holds

- ``images.npy``: (N, 3, size, size), uint8 from 8-bit pictures or float32 from FITS, never both;
  Search, Template, Difference, row 0 the top of the picture; ``np.load`` can map it into memory.
- ``labels.csv``: row i is about image i. The columns of expert/consensus.csv without ENTROPY, then
  SPLIT (train, validation, test), DROP, CHUNK, GOLD (yes or empty) and COMMENTS, then those of all
  metadata tables.
- ``classes.json``: the classes in the order of the P_ columns, and which of them are real.
- ``shapes.csv``: the detections whose stamps were cut or padded, ``left_out.csv``: those that
  people have dealt with and that are not in the set, with the reason.
- ``README.md``: what was cut and counted, and how to load it.

It is written chunk by chunk into a hidden folder beside, which is renamed when it is whole. Needs
numpy; what can be asked for is told without it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import disk
import labels
import stamps
from cluster.consensus import DEFAULT, method_option
from cluster.hub import DAMAGED, STAMP, USAGE, Hub, HubError, has_ended
from cluster.terminal import Progress, counted

VERB = "export"
HELP = "write a training set"
EXAMPLE = "--size 51"

_PART = re.compile(rf"\.{STAMP.pattern}\.(?P<host>.+)\.(?P<pid>[0-9]{{1,9}})\.part")
_ABANDONED = 86400  # seconds without a write after which another machine's export is dead


def options(parser: argparse.ArgumentParser) -> None:
    """Add what may follow HUB; see `run`."""
    method_option(parser)
    parser.add_argument(
        "--size",
        metavar="PIXELS",
        type=int,
        default=51,
        help="height and width of every image (%(default)s)",
    )
    parser.add_argument(
        "--format", choices=stamps.FORMATS, help="which stamps, where the hub has both"
    )


def run(
    folder: str | os.PathLike[str],
    size: int = 51,
    format: str | None = None,
    method: str = DEFAULT,
) -> int:
    """Write ``training/STAMP/``, print what is in it, and return the exit status.

    Parameters
    ----------
    folder : str
        The hub's.
    size : int
        Height and width of every image in pixels; see `training.centred`.
    format : {None, "gif", "fits"}
        Which stamps: 8-bit pictures or FITS. None: the only ones the hub has.
    method : str
        As `consensus.weigh` takes it.

    Raises
    ------
    HubError
        Nothing was written: nobody has labelled anything, or there are both kinds of stamps. Or an
        archive could not be read to its end, which is told after all else was written.
    """
    hub = Hub(folder)
    hub.owner_only("export a training set")
    if not 1 <= size <= stamps.SIDE_LIMIT:
        raise HubError(
            f"An image cannot have {size} pixels a side: nothing was written. Give --size a number "
            f"from 1 to {stamps.SIDE_LIMIT}.",
            USAGE,
        )
    from cluster import readme, trust
    from cluster.training import SPLITS, Labelled, TrainingSet

    training = hub.folder / "training"
    _sweep(training)
    labelled = Labelled(hub, method)
    if format is None:
        labelled.check_one_format()
    target = next(path for name in disk.time_names() if not (path := training / name).exists())
    part = training / f".{target.name}.{os.uname().nodename}.{os.getpid()}.part"
    part.mkdir()
    try:
        with Progress() as progress, TrainingSet(part, labelled, size, format) as written:
            for number, chunk in enumerate(labelled.chunks, 1):
                written.take(chunk)
                progress(f"chunk {number} of {len(labelled.chunks)}")
            written.finish()
        listed = {
            "classes": labels.CLASSES,
            "real": labels.REAL,
            "meaning": {name: labels.BY_NAME[name].meaning for name in labels.CLASSES},
            "channels": stamps.TITLES,
        }
        disk.write_whole(part / "classes.json", json.dumps(listed, indent=1).encode() + b"\n")
        disk.write_whole(part / "README.md", readme.text(target.name, written, method).encode())
        os.rename(part, target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    disk.sync_folder(training)
    parts = written.per_split()
    print(
        f"Exported {counted(written.count, 'detection')} "
        f"({', '.join(f'{parts[name]} {name}' for name in SPLITS)}) to {target}; "
        f"{sum(written.left_out.values())} left out, {written.reshaped} cut or padded."
    )
    for warning in trust.warnings(labelled.consensus) if method == DEFAULT else ():
        sys.stderr.write(warning + "\n")
    if told := written.ungrouped_told():
        sys.stderr.write(told + "\n")
    if written.damaged:
        raise HubError(
            f"{', '.join(written.damaged)} could not be read to the end, and {target} lacks "
            "what its left_out.csv says of that; all else is in it. Bring the archives back from a "
            "backup and export again.",
            DAMAGED,
        )
    return 0


def _sweep(training: Path) -> None:
    """Remove what exports that died have left, and nothing that one may still be writing."""
    for path in training.glob(".*.part"):
        match = _PART.fullmatch(path.name)
        if match is None:
            continue
        ended = has_ended(match["host"], int(match["pid"]))
        if ended is None:
            last = max(entry.stat().st_mtime for entry in (path, *path.iterdir()))
            ended = time.time() - last > _ABANDONED
        if ended:
            shutil.rmtree(path)
