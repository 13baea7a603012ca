"""How fast the window is, beside the least that any Tk program needs, measured in one run.

    tests/.venv/bin/python tests/bench.py [--json]

Measured from outside: a key goes into the X server, and the middle of the third stamp is read until
it changes. The reference is a program that at a key appends and syncs one line and pastes three
pictures that it holds ready; it shows pictures of the same size in a window of the same size.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest

import artifactspy

COUNT = 60  # keys a run
PAUSE = 0.2  # seconds between them: the guard of a new picture is 0.15
SIDE = artifactspy.layout(1280, 600).side
REFERENCE = """
import os, sys, tkinter as tk, numpy as np
from PIL import Image
side, row = int(sys.argv[1]), int(sys.argv[2])
root = tk.Tk()
root.title("ArtifactSpy")
root.geometry("1280x600")
random = np.random.default_rng(1)
ready = []
for _ in range(4):
    noise = np.repeat(random.integers(0, 256, (side, side, 1), np.uint8), 3, axis=2)
    ready.append(b"P6 %d %d 255 " % (side, side) + noise.tobytes())
photos = [tk.PhotoImage(master=root) for _ in range(3)]
for i, photo in enumerate(photos):
    tk.Label(root, image=photo, borderwidth=0).place(x=row + i * (side + 14), y=65)
file = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def paste(_=None):
    os.write(file, b"284239958,Good,,2026-11-22T13:08:00.123Z,2026-11-20_09-00-00,3.41\\n")
    os.fsync(file)
    ready.append(ready.pop(0))
    for photo, picture in zip(photos, ready):
        photo.configure(data=picture, format="ppm")
root.bind("1", paste)
paste()
root.mainloop()
"""


class Reference(conftest.Program):
    """The bare program, driven like ours."""

    def __init__(self, screen, home):
        self.screen, self.home, self.terminal = screen, home, None
        script = home / "reference.py"
        script.write_text(REFERENCE)
        fit = artifactspy.layout(1280, 600)
        words = [sys.executable, script, str(SIDE), str(fit.left), home / "labels.csv"]
        environment = {"DISPLAY": screen.name, "PATH": "/usr/bin:/bin"}
        self.process = subprocess.Popen(words, env=environment, start_new_session=True)
        self.pid = self.process.pid


def middle(program):
    """Return the pixels in the middle of the third stamp."""
    fit = artifactspy.layout(program.width, program.height)
    x = fit.left + 2 * (fit.side + fit.unit) + fit.side // 2
    y = 65 + fit.side // 2
    return program.screen.grab((x - 40, y - 4, x + 40, y + 4)).tobytes()


def measure(begin):
    """Return the seconds to the first picture, and those from each key to the next one."""
    screen = conftest.Screen(1600, 1000)
    began = time.perf_counter()
    program = begin(screen).open_window()
    start = time.perf_counter() - began
    keys = []
    for _ in range(COUNT):
        end = time.monotonic() + PAUSE
        conftest.wait_until(lambda end=end: time.monotonic() > end)
        before = middle(program)
        pressed = time.perf_counter()
        screen.key("1")
        while middle(program) == before:
            pass
        keys.append(time.perf_counter() - pressed)
    program.kill()
    screen.close()
    return start, keys


def ours(home, form):
    """Return how to begin our program on simulated stamps of a format."""
    stamps, hub = home / f"stamps-{form}", home / f"hub-{form}"
    simulate = [sys.executable, conftest.ROOT / "data" / "simulate.py", "practice", stamps]
    count = str(COUNT + 2)
    subprocess.run([*simulate, "--count", count, "--seed", "1", "--format", form], check=True)
    (home / form / "data" / "chunks").mkdir(parents=True)
    conftest.cluster("init", hub)
    ini = hub / "hub.ini"
    ini.write_text(ini.read_text().replace("chunk_size = 50", f"chunk_size = {COUNT + 2}"))
    conftest.cluster("add", hub, stamps)
    for chunk in hub.glob("chunks/*.tar.gz"):
        shutil.copy(chunk, home / form / "data" / "chunks")
    return lambda screen: conftest.Program(screen, home / form, "--hub", hub, "--user", "ann")


def table(results):
    """Compare the runs: [(mark, ours, reference, ratio, target, met)], times in milliseconds."""
    bare_start, bare = results["bare"]
    rows = []
    for form in ("gif", "fits"):
        start, keys = results[form]
        mine, least = statistics.median(keys) * 1e3, statistics.median(bare) * 1e3
        rows.append((f"key to next picture, {form}", mine, least, mine / least, "1.5 times", 1.5))
        slowest = statistics.quantiles(keys, n=100)[98] * 1e3
        rows.append((f"  99th percentile, {form}", slowest, 16.7, slowest / 16.7, "a frame", 1.0))
        first = start * 1e3
        allowed = ("1.5 times", 1.5) if form == "gif" else ("-", float("inf"))
        rows.append(
            (
                f"start to first picture, {form}",
                first,
                bare_start * 1e3,
                start / bare_start,
                *allowed,
            )
        )
    return [(*row[:5], row[3] <= row[5]) for row in rows]


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        begin = {"bare": lambda screen: Reference(screen, home)}
        begin.update({form: ours(home, form) for form in ("gif", "fits")})
        rows = table({name: measure(how) for name, how in begin.items()})
    names = ("mark", "ours", "reference", "ratio", "target", "met")
    if given.json:
        print(json.dumps([dict(zip(names, row)) for row in rows], indent=1))
        return
    print("{:<30}{:>9}{:>11}{:>8}  {:<10}{}".format(*names))
    for mark, mine, reference, ratio, target, met in rows:
        verdict = "yes" if met else "no"
        print(f"{mark:<30}{mine:>6.1f} ms{reference:>8.1f} ms{ratio:>8.2f}  {target:<10}{verdict}")


if __name__ == "__main__":
    main()
