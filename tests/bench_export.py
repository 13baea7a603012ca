"""How long `export` takes beside merely reading and decoding the same stamps, and how much memory.

The stamps are those of data/practice under ever new Object IDs, 50 triplets to a chunk; three of
six people have labelled each. Time: all of `export`, consensus included, in this process.
Memory: the peak of a process of its own that runs the verb.
"""

import contextlib
import csv
import gzip
import io
import itertools
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from astropy.io import fits  # noqa: E402
from PIL import Image  # noqa: E402

import labels  # noqa: E402
import stamps  # noqa: E402
from cluster.export import run as export  # noqa: E402
from cluster.hub import Hub, Listed, table  # noqa: E402
from cluster.init import run as init  # noqa: E402

PEOPLE = ("ann", "bob", "cid", "dee", "eve", "fay")
COLUMNS = ("OBJID", "ACTION", "COMMENT", "TIME", "METADATA_STAMP", "SECONDS", "USER")
PEAK = """
import sys
from cluster.export import run
run(sys.argv[1])
[line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(line.split()[1]) / 1024)
"""


def quiet(verb, *words, **options):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        verb(*words, **options)


def pictures(suffix):
    """Return labels and triplets of stamps, each stamp as the bytes of a file."""
    folder = ROOT / "data" / "practice"
    with open(folder / "truth.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if labels.is_vote(row["LABEL"])]
    truth = {row["OBJID"]: row["LABEL"] for row in rows}
    found = []
    for objid, label in truth.items():
        triplet = [(folder / f"{kind}{objid}.gif").read_bytes() for kind in stamps.KINDS]
        if suffix == ".fits":
            triplet = list(map(as_fits, triplet))
        found.append((label, triplet))
    return found


def as_fits(gif):
    """Return the bytes of a FITS file, float32, with the values of a GIF."""
    file = io.BytesIO()
    pixels = stamps.decode(gif, ".gif")[::-1].astype("f4")
    fits.PrimaryHDU(pixels).writeto(file)
    return file.getvalue()


def labelled_hub(folder, triplets, suffix=".gif", each=50):
    """Make a hub in which everything has been labelled; quicker than the verbs would."""
    hub = Path(folder) / f"hub{suffix}-{triplets}"
    quiet(init, hub)
    source = itertools.cycle(pictures(suffix))
    listed, people = [], itertools.cycle(PEOPLE)
    for number in range(1, triplets // each + 1):
        name = f"chunk--{number:05d}--drop"
        objids = [str(1_000_000_000 + number * each + i) for i in range(each)]
        given = []
        packed = io.BytesIO()
        with (
            gzip.GzipFile("", "wb", 1, packed) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for objid, (label, triplet) in zip(objids, source):
                given.append((objid, label, "", "2026-01-02T03:04:05.678Z", "drop", "2.50"))
                for kind, data in zip(stamps.KINDS, triplet):
                    entry = tarfile.TarInfo(f"{name}/{kind}{objid}{suffix}")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        (hub / "chunks" / f"{name}.tar.gz").write_bytes(packed.getvalue())
        metadata = [(objid, int(objid) // 3, "59000.1", "r", "0.93", "21.5") for objid in objids]
        header = ("OBJID", "SNID", "MJD", "FLT", "PHOTPROB", "MAG")
        (hub / "metadata" / f"{name}.csv").write_bytes(table(header, metadata))
        listed.append(Listed(name, "0" * 64, str(len(packed.getvalue())), str(each), "", "1", ""))
        for user in itertools.islice(people, 3):
            at = f"2026-01-{1 + number // 86400:02d}_{number // 3600 % 24:02d}"
            at += f"-{number // 60 % 60:02d}-{number % 60:02d}"
            rows = table(COLUMNS, [(*row, user) for row in given])
            (hub / "verified" / f"{user}--{at}.csv").write_bytes(rows)
    (hub / "chunks.csv").write_bytes(table(Listed._fields, listed))
    return hub


def read_and_decode(hub, decode):
    """Do the least that any export has to."""
    for path in sorted((hub / "chunks").iterdir()):
        with tarfile.open(path) as archive:
            for member in archive:
                decode(io.BytesIO(archive.extractfile(member).read()))


def by_pillow(file):
    with Image.open(file) as picture:
        picture.load()


def by_astropy(file):
    fits.getdata(file)


def measure_time(triplets=5000, runs=3):
    """Return (mark, ours, reference) in seconds: the best of some runs, taken in turns."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suffix, decoder, decode in (
            (".gif", "Pillow", by_pillow),
            (".fits", "astropy", by_astropy),
        ):
            hub = labelled_hub(folder, triplets if suffix == ".gif" else triplets // 5, suffix)
            ours, reference = [], []
            for _ in range(runs):
                began = time.perf_counter()
                quiet(export, hub)
                ours.append(time.perf_counter() - began)
                began = time.perf_counter()
                read_and_decode(hub, decode)
                reference.append(time.perf_counter() - began)
            count = sum(int(chunk.detections) for chunk in Hub(hub).chunks())
            mark = f"export {count:,} triplets, {suffix[1:]}, beside tarfile and {decoder}"
            rows.append((mark, min(ours), min(reference)))
    return rows


def measure_memory(triplets=100_000, allowed=300):
    """Return (mark, ours, what is allowed) in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        hub = labelled_hub(folder, triplets)
        words = [sys.executable, "-c", PEAK, hub]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return [(f"export {triplets:,} triplets, memory", float(done.stdout.split()[-1]), allowed)]


def main():
    """Measure, and print."""
    for measure, unit in ((measure_time, "s"), (measure_memory, "MiB")):
        for mark, ours, reference in measure():
            print(f"{mark:<60}{ours:8.2f} {unit}{reference:8.2f} {unit}{ours / reference:8.2f}")


if __name__ == "__main__":
    main()
