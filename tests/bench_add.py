"""How fast `add` is beside a bare copy from tarball to tarball, and how much memory it takes.

    tests/.venv/bin/python tests/bench_add.py [COUNT]

Both run as processes of their own on the same archive: 51 x 51 GIFs of noise, which compress no
better than real ones, with a table of the DES columns for ours. The reference copies each member
with tarfile, from gz to gz at the same level of compression, and neither syncs nor sorts.
"""

import csv
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest

COUNT = 100_000  # triplets
LIMIT = 300  # MiB
TIMEOUT = 1800  # seconds: ten times what a slow laptop takes; a measure that hangs tells nothing
COLUMNS = (
    "MJD,FLT,FLUXCAL,FLUXCALERR,PHOTFLAG,PHOTPROB,ZPFLUX,PSF,SKYSIG,SKYSIG_T,GAIN,XPIX,YPIX,EXPNUM,"
    "CCDNUM,OBJID,SNID\n"
)
COPY = """
import sys, tarfile
with tarfile.open(sys.argv[1]) as old, tarfile.open(sys.argv[2], "w:gz", compresslevel=6) as new:
    for member in old:
        new.addfile(member, old.extractfile(member))
"""
# VmHWM counts from the start of the program; what getrusage tells includes its parent's memory
ADD = """
import sys
from cluster.add import run
run(sys.argv[1], [sys.argv[2]], sys.argv[3])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def drop(folder, count):
    """Write an archive of triplets and its table; return their paths."""
    noise = [conftest.gif(seed) for seed in range(200)]
    archive, table = folder / "drop.tar.gz", folder / "drop.csv"
    with (
        tarfile.open(archive, "w:gz", compresslevel=1) as packed,
        table.open("w", newline="") as file,
    ):
        file.write(COLUMNS)
        rows = csv.writer(file)
        for number in range(count):
            objid = str(284_000_000 + 7 * number)
            for place, kind in enumerate(conftest.KINDS):
                data = noise[(3 * number + place) % len(noise)]
                entry = tarfile.TarInfo(f"drop/{kind}{objid}.gif")
                entry.size = len(data)
                packed.addfile(entry, io.BytesIO(data))
            packed.members.clear()
            rows.writerow(
                [*["57255.3123"] * 5, number / count, *["31.425"] * 9, objid, number // 9]
            )
    return archive, table


def run(script, *words):
    """Run a script of its own; return the seconds it took, and what it printed."""
    command = [sys.executable, "-c", script, *map(str, words)]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=conftest.ROOT, check=True, capture_output=True, text=True, timeout=TIMEOUT
    )
    return time.perf_counter() - began, done.stdout


def measure(folder, count=COUNT):
    """Measure both in one run.

    Parameters
    ----------
    folder : Path
        Takes some 40 kB a triplet.
    count : int
        Of triplets.

    Returns
    -------
    list of (str, float, float)
        Mark, ours and reference: seconds of `add` and of the copy, and MiB of `add` and its limit.
    """
    archive, table = drop(folder, count)
    reference, _ = run(COPY, archive, folder / "copy.tar.gz")
    conftest.cluster("init", folder / "hub")
    ours, told = run(ADD, folder / "hub", archive, table)
    assert f"Added {count} detections" in told, told
    memory = int(told.split()[-2]) / 1024
    return [
        (f"add {count} triplets, s", ours, reference),
        (f"its memory for {count} triplets, MiB", memory, LIMIT),
    ]


def main():
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory() as folder:
        for mark, ours, reference in measure(Path(folder), count):
            ratio = ours / reference
            print(f"{mark:<40}{ours:>9.1f}{reference:>9.1f}{ratio:>7.2f}")


if __name__ == "__main__":
    main()
