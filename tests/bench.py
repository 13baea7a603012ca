"""How fast the program is, beside the least that Tk needs and beside what it replaces, in one run.

    tests/.venv/bin/python tests/bench.py [--json] [--hub]

prints a table: what is measured, ours, the reference, their ratio, the target, and whether it is
met. It takes some four minutes and a screen of its own (Xvfb). matplotlib, which the earlier tools
draw with, is fetched into tests/.venv/matplotlib where there is none. With --hub it is the hub that
is measured.

It measures from outside: keys and the pointer go into the X server, and pixels of the third stamp
are read until they change. The reference is bench_bare.py, with pictures of the same size in a
window of the same size. What is measured in another way says so in `NOTES`, which ends the table.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import conftest
from Xlib import X, display
from Xlib.ext import xtest

import stamps
from window import layout
from window.keys import RELEASE

HERE, ROOT = Path(__file__).resolve().parent, conftest.ROOT
PRACTICE = ROOT / "data" / "practice"
FORMS = "gif", "fits"
KEYS, HOLDS = 150, 50  # of a run
PACE = 0.18  # seconds from a picture to the next key: the guard of a new picture is 0.15
STARTS = 9
LONG = 2000  # detections, of which the first and the last 200 are compared
FIGURES = 20  # of matplotlib
WINDOW, LARGE, LESS = (1280, 600), (2260, 940), (2230, 920)  # LARGE: stamps of 600 pixels
FRAME = 1000 / 60  # ms
MINUTE = 60  # seconds that the idle programs are watched for
NOTES = """\
Start: ./ArtifactSpy, all that it needs installed and its files in the system's cache.
2,000 detections: fetched in chunks of 50 from a local hub as they are labelled, with the guard of
a new picture (0.15 s) set to 0 in that run only: with it they would take six minutes. The next key
comes as soon as a picture is there, so that these times hold the reading of the stamps as well.
Opening: stamps.Chunk beside tarfile.open and a read of each member, both in a process of their own.
First picture of 1,000: start with 1,000 triplets less start with three, beside what tarfile takes
to read the 1,000.
Memory: RSS, since PSS depends on what else runs; after 150 detections.
Frames: how many different third stamps can be seen in a second; the target is 60, or 0.8 of what
the bare program has where that is less. Drags: the pointer moves 125 times
a second, as a mouse does. Blink, scaling, smoothing and resize: one after the other, each as soon
as the last is seen whole; the bare program pastes three ready pictures instead of scaling.
Space: beside a key of the bare program, which pastes what is ready; released, beside that and the
time that tells a release from the repeats of a held key.
Idle: CPU time in a minute of the process and of what it has started and waited for."""


class Row(NamedTuple):
    """One line of the table; `ratio` is of `ours` and `reference`, and `met` whether it may be."""

    mark: str
    ours: float
    reference: float
    unit: str
    target: str
    met: bool

    @property
    def ratio(self):
        return self.ours / self.reference


def at_most(mark, ours, reference, unit, times):
    """Make a row of something that may be so many times the reference."""
    return Row(mark, ours, reference, unit, f"<= {times:g}", ours <= times * reference)


# Screens and programs


class Eye:
    """A virtual screen: a place on it to look at, and a pointer."""

    def __init__(self, size=(1600, 1000)):
        self.screen = conftest.Screen(*size)
        self._display = display.Display(self.screen.name)
        self._root = self._display.screen().root

    def see(self, box):
        """Return the pixels at (x, y, width, height)."""
        return self._root.get_image(*box, X.ZPixmap, 0xFFFFFFFF).data

    def wait(self, box, seen, again=None):
        """Look until `seen(pixels)` is true, and return the pixels; each second do `again()`."""
        began, asked = time.monotonic(), 1
        while not seen(pixels := self.see(box)):
            waited = time.monotonic() - began
            if waited > 20:
                raise SystemExit("bench.py: what was to be measured did not appear on the screen.")
            if again and waited > asked:
                again()
                asked += 1
            time.sleep(0.0002)  # two cores are three programs', this one among them
        return pixels

    def move(self, x, y, button=None, down=True):
        """Put the pointer somewhere, and press or release a button there."""
        xtest.fake_input(self._display, X.MotionNotify, x=int(x), y=int(y))
        if button:
            kind = X.ButtonPress if down else X.ButtonRelease
            xtest.fake_input(self._display, kind, button)
        self._display.sync()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._display.close()
        self.screen.close()


def is_picture(pixels):
    """Tell whether pixels are a part of a stamp, and no plain ground."""
    return len({pixels[i : i + 4] for i in range(0, len(pixels), 4)}) > 4


def third(size):
    """Return a place in the third stamp of a window of some size, as (x, y, width, height)."""
    fit = layout.fit(*size)
    x = fit.left + 2 * (fit.side + fit.unit) + fit.side // 2
    return x - 40, fit.top + fit.side // 2 - 4, 80, 8


class Running(conftest.Program):
    """A program on a screen."""

    def __init__(self, eye, *command):
        self.eye, self.screen, self.terminal = eye, eye.screen, None
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(MATPLOTLIB),
            "HOME": os.environ.get("HOME", "/"),
            "DISPLAY": eye.screen.name,
            "LANG": "C.UTF-8",
        }
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def memory(self):
        """Return its resident memory in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def processor(self):
        """Return the seconds of CPU time that it and those that it waited for have taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def ours(eye, home):
    """Start our program on a data folder."""
    return Running(eye, ROOT / "ArtifactSpy", "--data", home)


def bare(eye, home, *sizes):
    """Start the bare program for windows of some sizes."""
    places = []
    for size in sizes:
        fit = layout.fit(*size)
        places.append(",".join(map(str, (*size, fit.left, fit.top, fit.side, fit.side + fit.unit))))
    return Running(eye, sys.executable, HERE / "bench_bare.py", home / "bare.csv", *GIFS, *places)


MATPLOTLIB = HERE / ".venv" / "matplotlib"
GIFS = [sorted(PRACTICE.glob(f"{kind}*.gif"))[0] for kind in ("srch", "temp", "diff")]


def get_matplotlib():
    """Fetch it if it is not there, and tell whether it is."""
    command = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    with contextlib.suppress(ImportError):
        import matplotlib  # noqa: F401

        return True
    if not MATPLOTLIB.is_dir():
        subprocess.run([*command, "--target", MATPLOTLIB, "matplotlib"], check=False)
    return MATPLOTLIB.is_dir()


# What they work on


class Store:
    """A folder of data folders, chunks and hubs.

    The stamps are those of the practice, simulated again for FITS, over and over under new names;
    those of FITS are shifted each time, so that no two are alike.
    """

    def __init__(self, folder):
        self.folder = folder
        simulate = [sys.executable, ROOT / "data" / "simulate.py", "practice", folder / "fits"]
        command = [*simulate, "--count", "20", "--seed", "1", "--format", "fits"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self._files = {}
        for form, source in (("gif", PRACTICE), ("fits", folder / "fits")):
            objids = sorted(path.stem[4:] for path in source.glob(f"diff*.{form}"))
            self._files[form] = [
                {kind: (source / f"{kind}{objid}.{form}").read_bytes() for kind in conftest.KINDS}
                for objid in objids
            ]

    def archive(self, path, form, count, first=1):
        """Write a chunk of `count` triplets, and return its path."""
        files, stem = self._files[form], path.name[: -len(".tar.gz")]
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for number in range(count):
                shift, i = divmod(number, len(files))
                objid, rows = first + number, 2880 + 51 * 4 * (shift % 51)  # after the header
                for kind, data in files[i].items():
                    if form == "fits":
                        data = data[:2880] + data[rows:13284] + data[2880:rows] + data[13284:]
                    entry = tarfile.TarInfo(f"{stem}/{kind}{objid}.{form}")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        return path

    def home(self, name, hub, window=WINDOW):
        """Make a data folder whose settings name a hub."""
        home = self.folder / name
        for part in ("chunks", "labels/sent"):
            (home / part).mkdir(parents=True)
        (home / "settings.ini").write_text(
            f"[artifactspy]\nhub = {hub}\nuser = ann\nrealm = none\n"
            f"window = {window[0]}x{window[1]}\n"
        )
        return home

    def with_chunk(self, name, form, count, window=WINDOW):
        """Make a data folder with a chunk, whose hub has nothing more."""
        if not (self.folder / "empty").exists():
            conftest.cluster("init", self.folder / "empty")
        home = self.home(name, self.folder / "empty", window)
        self.archive(home / "chunks" / "chunk--00001--first.tar.gz", form, count)
        return home

    def hub(self, name, form, count, size):
        """Make a hub with so many detections, in chunks of some size."""
        hub = self.folder / name
        conftest.cluster("init", hub)
        ini = hub / "hub.ini"
        ini.write_text(ini.read_text().replace("chunk_size = 50", f"chunk_size = {size}"))
        source = self.archive(self.folder / f"{name}-drop.tar.gz", form, count, 10**6)
        conftest.cluster("add", hub, source, "--stamp", "bench")
        return hub

    def history(self, home, count):
        """Put so many labels into a data folder, in files of 500, one of them of today."""
        row = "9{:08},Good,,2026-11-22T13:08:00.123Z,2026-11-20_09-00-00,3.41\n"
        for i in range(count // 500):
            path = (
                home
                / "labels"
                / "sent"
                / f"ann--2026-{1 + i // 28:02}-{1 + i % 28:02}_12-00-00.csv"
            )
            lines = [row.format(number) for number in range(500 * i, 500 * (i + 1))]
            path.write_text(f"OBJID,ACTION,COMMENT,TIME,METADATA_STAMP,SECONDS\n{''.join(lines)}")
            if i:
                then = time.time() - i * 86400
                os.utime(path, (then, then))


# Marks


def first_pictures(store):
    """Start again and again; return {what: [seconds]} to the first picture, and to a window."""
    homes = {form: store.with_chunk(f"start-{form}", form, 50) for form in FORMS}
    homes["history"] = store.with_chunk("start-history", "gif", 50)
    store.history(homes["history"], 100_000)
    for form in FORMS:
        homes[f"3 {form}"] = store.with_chunk(f"start-3-{form}", form, 3)
        homes[f"1000 {form}"] = store.with_chunk(f"start-1000-{form}", form, 1000)
    begin = {"bare": lambda: bare(eye, store.folder, WINDOW)}
    for name, home in homes.items():
        begin[name] = lambda home=home: ours(eye, home)
    box, corner = third(WINDOW), (2, 2, 4, 4)
    pictures, windows = {name: [] for name in begin}, {name: [] for name in begin}
    with Eye() as eye:
        nothing = eye.see(corner)
        for name in [*begin, *list(begin) * STARTS]:  # the first of each only fills the cache
            began = time.perf_counter()
            with begin[name]():
                eye.wait(corner, lambda pixels: pixels != nothing)
                windows[name].append(time.perf_counter() - began)
                eye.wait(box, is_picture)
                pictures[name].append(time.perf_counter() - began)
            eye.wait(corner, lambda pixels: pixels == nothing)
    return [{name: times[1:] for name, times in kind.items()} for kind in (pictures, windows)]


def in_python(text, *words):
    """Run a few lines of Python in a process of their own, and return the number they print."""
    command = [sys.executable, "-c", text, *map(str, words)]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)


FITS_IMPORT = """
import time, numpy
began = time.perf_counter()
import astropy.io.fits
print(time.perf_counter() - began)
"""
OPEN = """
import sys, time, stamps
began = time.perf_counter()
assert len(stamps.Chunk(sys.argv[1]).objids) == 1000
print(time.perf_counter() - began)
"""
TARFILE = """
import sys, tarfile, time
began = time.perf_counter()
with tarfile.open(sys.argv[1]) as archive:
    kept = [archive.extractfile(member).read() for member in archive if member.isfile()]
print(time.perf_counter() - began)
"""


def starts(store):
    """Start to first picture, alone, with a history, and with 1,000 triplets."""
    pictures, windows = first_pictures(store)
    middle = {name: 1000 * statistics.median(times) for name, times in pictures.items()}
    window = 1000 * statistics.median(windows["fits"])
    astropy = 1000 * statistics.median(in_python(FITS_IMPORT) for _ in range(5))
    yield at_most("start to first picture, GIF", middle["gif"], middle["bare"], "ms", 1.5)
    less = middle["fits"] - astropy
    yield at_most(f"  FITS, less {astropy:.0f} ms for astropy", less, middle["bare"], "ms", 1.5)
    yield at_most("  window there, FITS", window, middle["bare"], "ms", 1.5)
    added = max(0.0, middle["history"] - middle["gif"])
    yield at_most("  added by 100,000 labels", added, 100.0, "ms", 1)
    for form in FORMS:
        path = next(store.folder.glob(f"start-1000-{form}/chunks/*.gz"))
        both = [(in_python(OPEN, path), in_python(TARFILE, path)) for _ in range(5)]
        mine, least = (1000 * statistics.median(times) for times in zip(*both))
        name = form.upper()
        yield at_most(f"opening 1,000 triplets, {name}", mine, least, "ms", 1.2)
        first = max(0.0, middle[f"1000 {form}"] - middle[f"3 {form}"])
        yield at_most(f"  first picture of them, {name}", first, least, "ms", 0.1)


def press(program, count, pace=PACE, size=WINDOW, until=lambda: False):
    """Press label keys, and return the milliseconds from each to the next picture."""
    eye, box, times = program.eye, third(size), []
    eye.move(size[0] // 2, size[1] - 3)  # a window manager is not there: keys go to the pointer
    eye.wait(box, is_picture)
    time.sleep(0.1)  # a key that comes back at once is taken for one that is held down
    for key in itertools.islice(itertools.cycle("123456"), count):
        time.sleep(pace)
        press_it = lambda key=key: program.screen.key(key)  # noqa: E731
        before, pressed = eye.see(box), time.perf_counter()
        press_it()
        # on a busy machine the guard may swallow a key; the second that this costs is counted
        eye.wait(box, lambda now, old=before: now != old and is_picture(now), press_it)
        times.append(1000 * (time.perf_counter() - pressed))
        if until():
            break
    return times


def keys_and_memory(store):
    """Key to next picture, and memory after them."""
    medians, memory = {}, []
    with Eye() as eye:
        with bare(eye, store.folder, WINDOW) as program:
            least = statistics.median(press(program, KEYS))
            floor = program.memory()
        for form, times in zip(FORMS, (1.3, 2)):
            with ours(eye, store.with_chunk(f"keys-{form}", form, KEYS + 60)) as program:
                taken, name = press(program, KEYS), form.upper()
                memory.append(at_most(f"memory, {name}", program.memory(), floor, "MB", times))
            medians[form] = statistics.median(taken)
            slowest = statistics.quantiles(taken, n=100)[98]
            yield at_most(f"key to next picture, {name}", medians[form], least, "ms", 1.5)
            yield at_most("  99th percentile, beside a frame", slowest, FRAME, "ms", 1)
        if get_matplotlib():
            script, table = HERE / "bench_figures.py", store.folder / "figures.csv"
            with Running(eye, sys.executable, script, table, *GIFS) as program:
                figure = statistics.median(press(program, FIGURES))
            for form in FORMS:
                name = f"  beside a matplotlib figure, {form.upper()}"
                yield at_most(name, medians[form], figure, "ms", 1 / 50)
    yield from memory


SMOOTH = """
import os, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # as the program does
import scaling
from look import Look
side, *files = sys.argv[1:]
triplet = [scaling.read(open(name, "rb").read(), ".gif", "diff") for name in files]
times = []
for _ in range(50):
    began = time.perf_counter()
    scaling.pictures(triplet, int(side), Look(smooth=True))
    times.append(time.perf_counter() - began)
print(sorted(times)[25])
"""


def smoothing(store):
    """Drawing a smooth triplet; Space pressed, and released, to the picture that this makes."""
    for side in (300, 610):
        taken = 1000 * in_python(SMOOTH, side, *GIFS)
        yield at_most(f"drawing 3 smooth stamps of {side} pixels", taken, FRAME, "ms", 1)
    with Eye() as eye:
        with bare(eye, store.folder, WINDOW) as program:
            least = statistics.median(press(program, HOLDS))
        for form in FORMS:
            with ours(eye, store.with_chunk(f"smooth-{form}", form, 60)) as program:
                down, up = (statistics.median(times) for times in hold(program))
            yield at_most(f"Space to smooth stamps, {form.upper()}", down, least, "ms", 2)
            # a key that is held down looks released for a moment at each of its repeats
            yield at_most("  released, to sharp ones", up, least + RELEASE, "ms", 1.5)


def hold(program, count=HOLDS):
    """Hold Space again and again; return the milliseconds from presses and from releases."""
    eye, box, times = program.eye, third(WINDOW), ([], [])
    eye.move(WINDOW[0] // 2, WINDOW[1] - 3)
    eye.wait(box, is_picture)
    for i in range(2 * count):
        time.sleep(PACE)
        before, began = eye.see(box), time.perf_counter()
        program.screen.key("space", down=not i % 2, up=bool(i % 2))
        eye.wait(box, lambda now, old=before: now != old)
        times[i % 2].append(1000 * (time.perf_counter() - began))
    return times


NO_GUARD = "import artifactspy; from window import window; window.GUARD = 0; artifactspy.main()"


def long_sitting(store):
    """Compare the begin and the end of 2,000 detections of FITS."""
    home = store.home("long", store.hub("long-hub", "fits", LONG + 50, 50))
    with Eye() as eye, Running(eye, sys.executable, "-c", NO_GUARD, "--data", home) as program:
        first = statistics.median(press(program, 200, 0))
        floor = program.memory()
        press(program, LONG - 410, 0)
        last = statistics.median(press(program, 200, 0))
        whole = program.memory()
    yield at_most(f"after {LONG:,} detections, FITS: time", last, first, "ms", 1.1)
    yield at_most("  memory, after 200 and after all", whole, floor, "MB", 1.1)


def fetching(store, least):
    """Key to next picture while 1,000 triplets are fetched and opened."""
    for form in FORMS:
        home = store.with_chunk(f"fetch-{form}", form, 49)
        hub = store.hub(f"fetch-hub-{form}", form, 1000, 1000)
        settings = home / "settings.ini"
        settings.write_text(settings.read_text().replace(str(store.folder / "empty"), str(hub)))
        script = hub / "hub"
        script.rename(hub / "real-hub")
        script.write_text(f'#!/bin/sh\nsleep 1\nexec "{hub}/real-hub" "$@"\n')
        script.chmod(0o755)
        arrived = []

        def opened(home=home, arrived=arrived):
            if not arrived and len(list(home.glob("chunks/*.tar.gz"))) > 1:
                arrived.append(time.monotonic())
            return arrived and time.monotonic() > arrived[0] + 1

        with Eye() as eye, ours(eye, home) as program:
            taken, name = press(program, 48, until=opened), form.upper()
        yield at_most(f"key while fetching, {name}", statistics.median(taken), least, "ms", 1.5)
        yield at_most("  slowest, beside a frame", max(taken), FRAME, "ms", 1)


def largest(store):
    """Memory with chunks as large as they may be."""
    import numpy as np
    from astropy.io import fits

    side, tile = stamps.SIDE_LIMIT, np.random.default_rng(1).normal(100, 5, (64, 64))
    file = io.BytesIO()
    fits.PrimaryHDU(np.tile(tile, (side // 64, side // 64))).writeto(file)
    data, home = file.getvalue(), store.home("largest", store.folder / "empty")
    count = stamps.CHUNK_LIMIT // (3 * (len(data) + 1024))
    for number in (1, 2):
        path = home / "chunks" / f"chunk--{number:05}--bench.tar.gz"
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for objid in range(count):
                for kind in conftest.KINDS:
                    entry = tarfile.TarInfo(f"{kind}{number}{objid}.fits")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
    most = 0
    with Eye() as eye, ours(eye, home) as program:
        eye.wait(third(WINDOW), is_picture)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            most = max(most, program.memory())
            time.sleep(0.05)
    limit = 300  # MiB: what a chunk may cost whoever opens it
    yield at_most("memory, 2 chunks of the largest size", most, limit, "MB", 1.5)


# Frames


def drag(program, change, seconds=2):
    """Drag with the right button, and return how many pictures a second were seen.

    `change(i)` is the pointer's distance from where it began at its i-th motion, x and y.
    """
    eye, box = program.eye, third(LARGE)
    fit = layout.fit(*LARGE)
    x, y = fit.left + fit.side // 2, fit.top + fit.side // 2
    eye.move(x, y, 3)
    seen, before, moved = 0, eye.see(box), 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        if now * 125 >= moved:
            moved += 1
            across, down = change(moved)
            eye.move(x + across, y + down)
        picture = eye.see(box)
        seen += picture != before
        before = picture
        time.sleep(0.0005)
    eye.move(x, y, 3, down=False)
    time.sleep(0.3)
    return seen / seconds


def zigzag(i, step=7, half=30):
    """Return a distance that grows and shrinks."""
    return step * (abs(i % (4 * half) - 2 * half) - half)


def alternate(program, box, there, back, count=40):
    """Do two things in turn that swap two pictures, and return how often a second they can."""
    looks = []
    for act in (there, back):
        act()
        time.sleep(0.7)
        looks.append(program.eye.see(box))
    if looks[0] == looks[1]:
        raise SystemExit("bench.py: two pictures that should differ do not.")
    times = []
    for i in range(count):
        time.sleep(0.03)
        began = time.perf_counter()
        (there, back)[i % 2]()
        program.eye.wait(box, lambda pixels, i=i: pixels == looks[i % 2])
        times.append(time.perf_counter() - began)
    return 1 / statistics.median(times)


def movements(program, scales):
    """Return the frames a second of all that moves: {what: number}."""
    eye, screen = program.eye, program.screen
    fit = layout.fit(*LARGE)
    eye.wait(third(LARGE), is_picture)
    window = screen.window("ArtifactSpy")
    time.sleep(0.5)
    x, y, found = fit.left + fit.side // 2, fit.top + fit.side // 2, {}
    second = (x + fit.side + fit.unit - 40, y - 4, 80, 8)
    found["blink"] = alternate(
        program, second, lambda: eye.move(x, y, 1), lambda: eye.move(x, y, 1, down=False)
    )
    found["brightness drag"] = drag(program, lambda i: (zigzag(i), 0))
    found["contrast drag"] = drag(program, lambda i: (0, zigzag(i)))
    for what, key in (("scaling, invert", "i"), ("smoothing", "g")):
        tap = lambda key=key: screen.key(key)  # noqa: E731
        found[what] = (
            alternate(program, third(LARGE), tap, tap) if scales else found["contrast drag"]
        )
    found["resize"] = alternate(
        program,
        third(LESS),
        lambda: screen.resize(window, *LESS),
        lambda: screen.resize(window, *LARGE),
    )
    return found


def frames(store):
    """Frames a second of all that moves, at stamps of 600 pixels."""
    with Eye((2400, 1100)) as eye:
        with bare(eye, store.folder, LARGE, LESS) as program:
            least = movements(program, scales=False)
        for form in FORMS:
            with ours(eye, store.with_chunk(f"frames-{form}", form, 60, LARGE)) as program:
                found = movements(program, scales=True)
            for name, rate in found.items():
                what = f"{name}, {form.upper()}"
                # where Tk itself has fewer than 60, most of what it has
                enough = min(60, 0.8 * least[name])
                yield Row(what, rate, least[name], "a second", f">= {enough:.0f}", rate >= enough)


@contextlib.contextmanager
def idle(store):
    """Watch programs that do nothing for a minute, while others are measured.

    Gives a function that waits for the end of the minute and returns the rows.
    """
    with (
        Eye() as eye,
        ours(eye, store.with_chunk("idle", "gif", 60)) as still,
        ours(eye, store.home("waiting", store.folder / "no-hub")) as waiting,
    ):
        time.sleep(3)
        programs = {"idle": still, "idle, a fetch waiting": waiting}
        began = time.monotonic()
        before = [program.processor() for program in programs.values()]

        def rows():
            time.sleep(max(0.0, MINUTE - (time.monotonic() - began)))
            minute = (time.monotonic() - began) / 100
            for (name, program), spent in zip(programs.items(), before):
                share = (program.processor() - spent) / minute
                yield at_most(f"{name}: share of a core", share, 0.2, "%", 1)

        yield rows


def measure(store):
    """Yield all rows."""
    yield from starts(store)
    with idle(store) as shares:
        rows = list(keys_and_memory(store))
        yield from rows
        yield from shares()
    yield from smoothing(store)
    yield from fetching(store, rows[0].reference)
    yield from long_sitting(store)
    yield from largest(store)
    yield from frames(store)


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("--hub", action="store_true", help="measure the hub: see bench_hub.py")
    if "--hub" in sys.argv:
        import bench_hub

        sys.argv.remove("--hub")
        bench_hub.main()
        return
    given = parser.parse_args()
    rows = []
    if not given.json:
        print(
            "{:<40}{:>9}{:>11} {:<9}{:>6}  {:<8}{}".format(
                "mark", "ours", "reference", "", "ratio", "target", "met"
            ),
            flush=True,
        )
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(Store(Path(folder))):
            rows.append(row)
            if not given.json:
                verdict = "yes" if row.met else "NO"
                print(
                    f"{row.mark:<40}{row.ours:>9.1f}{row.reference:>11.1f} {row.unit:<9}"
                    f"{row.ratio:>6.2f}  {row.target:<8}{verdict}",
                    flush=True,
                )
    load = os.getloadavg()
    if given.json:
        print(json.dumps([{**row._asdict(), "ratio": row.ratio} for row in rows], indent=1))
        return
    took = time.monotonic() - began
    print(f"\n{NOTES}\nIt took {took:.0f} s; load {load[0]:.1f}, {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
