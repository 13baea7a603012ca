"""What the tests share: a virtual screen with keys and a pointer, and the program on a terminal."""

import contextlib
import gc
import io
import os
import queue
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tkinter
import venv
from pathlib import Path

import numpy as np
import pexpect
import pytest
from astropy.io import fits
from PIL import Image
from Xlib import XK, X, display
from Xlib.ext import xtest
from Xlib.protocol import event

ROOT = Path(__file__).resolve().parent.parent
REAL = ROOT.parent / "shared" / "stamps"
sys.path.insert(0, str(ROOT))


import labelfile  # noqa: E402
from look import Look  # noqa: E402
from session.session import Session  # noqa: E402
from session.settings import Settings  # noqa: E402
from session.sync import Sync  # noqa: E402
from window import colours, layout  # noqa: E402

KINDS = ("srch", "temp", "diff")
for _number in (signal.SIGHUP, signal.SIGINT):  # ignored by what nohup or "&" begins, and inherited
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(
            _number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        )
pytest_plugins = ["onscreen"]


def pytest_addoption(parser):
    parser.addoption(
        "--long", action="store_true", help="whole the long loops: every moment, every mutation"
    )


@pytest.fixture
def long(request):
    """Whether the long loops are to be run whole."""
    return request.config.getoption("--long")


def wait_until(condition, seconds=10, what="it"):
    """Ask again and again until `condition()` is true, and return what it said."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.005)


def midnight_in(seconds):
    """Return a time zone in which it is midnight in so many seconds."""
    east = (-int(time.time()) - seconds) % 86400  # seconds east of Greenwich
    return f"AAA-{east // 3600}:{east % 3600 // 60:02d}:{east % 60:02d}"


class Screen:
    """A virtual screen, and hands on its keyboard and mouse."""

    def __init__(self, width, height, dpi=96):
        if not shutil.which("Xvfb"):
            pytest.skip("there is no Xvfb, and so no screen that a test could look at")
        inside, outside = os.pipe()
        size = f"{width}x{height}x24"
        self._server = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(outside),
                "-screen",
                "0",
                size,
                "-dpi",
                str(dpi),
                "-noreset",
                "-nolisten",
                "tcp",
            ],
            pass_fds=[outside],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(outside)
        number = b""
        while not number.endswith(b"\n"):  # the server dies if its reader leaves before
            number += os.read(inside, 16)
        os.close(inside)
        self.name = f":{number.decode().strip()}"
        self._display = display.Display(self.name)
        self._root = self._display.screen().root

    def close(self):
        self._display.close()
        self.die()

    def die(self, number=signal.SIGTERM):
        self._server.send_signal(number)
        self._server.wait()

    def window(self, title):
        """Find a window by its title, or None."""
        found = []

        def search(window):
            with contextlib.suppress(Exception):  # it may close while we look
                if window.get_wm_name() == title and window.get_attributes().map_state:
                    found.append(window)
                for child in window.query_tree().children:
                    search(child)

        search(self._root)
        return found[0] if found else None

    def key(self, name, down=True, up=True):
        """Press a key by its X name: 1, BackSpace, question …"""
        keysym = XK.string_to_keysym(name)
        code = self._display.keysym_to_keycode(keysym)
        shift = self._display.keysym_to_keycode(XK.XK_Shift_L)
        shifted = self._display.keycode_to_keysym(code, 0) != keysym
        if down:
            if shifted:
                xtest.fake_input(self._display, X.KeyPress, shift)
            xtest.fake_input(self._display, X.KeyPress, code)
        if up:
            xtest.fake_input(self._display, X.KeyRelease, code)
            if shifted:
                xtest.fake_input(self._display, X.KeyRelease, shift)
        self._display.sync()

    def use_keyboard(self, *words):
        """Lay the keys out in another way, as setxkbmap has it: "fr", say."""
        subprocess.run(["setxkbmap", "-display", self.name, *words], check=True)

    def press_place(self, code, *modifiers):
        """Press the key at a place, by X's keycode, with others held by their X names."""
        held = [self._display.keysym_to_keycode(XK.string_to_keysym(name)) for name in modifiers]
        for each in (*held, code):
            xtest.fake_input(self._display, X.KeyPress, each)
        for each in (code, *held[::-1]):
            xtest.fake_input(self._display, X.KeyRelease, each)
        self._display.sync()

    def repeat(self, name):
        """Send what X sends for a key that is held down: release and press at one time."""
        code = self._display.keysym_to_keycode(XK.string_to_keysym(name))
        xtest.fake_input(self._display, X.KeyRelease, code)
        xtest.fake_input(self._display, X.KeyPress, code)
        self._display.sync()

    def point(self, x, y):
        self._root.warp_pointer(int(x), int(y))
        self._display.sync()

    def click(self, x, y, times=1):
        self.point(x, y)
        for _ in range(times):
            xtest.fake_input(self._display, X.ButtonPress, 1)
            xtest.fake_input(self._display, X.ButtonRelease, 1)
        self._display.sync()

    def button(self, number=1, down=True, up=True):
        """Press a button of the mouse where the pointer is: 1 is the left one, 3 the right."""
        if down:
            xtest.fake_input(self._display, X.ButtonPress, number)
        if up:
            xtest.fake_input(self._display, X.ButtonRelease, number)
        self._display.sync()

    def drag(self, start, end, number=3):
        """Press a button at one place, and release it at another."""
        self.point(*start)
        self.button(number, up=False)
        for share in (0.3, 0.6, 1):
            self.point(*(a + share * (b - a) for a, b in zip(start, end)))
        self.button(number, down=False)

    def close_window(self, window):
        """Do what a click on a window's cross does."""
        atom = self._display.intern_atom
        message = event.ClientMessage(
            window=window,
            client_type=atom("WM_PROTOCOLS"),
            data=(32, [atom("WM_DELETE_WINDOW"), X.CurrentTime, 0, 0, 0]),
        )
        window.send_event(message)
        self._display.sync()

    def resize(self, window, width, height):
        window.configure(x=0, y=0, width=width, height=height)
        self._display.sync()

    def grab(self, box=None):
        """Return the screen, or the part (left, top, right, bottom) of it, as an RGB picture."""
        size = self._root.get_geometry()
        left, top, right, bottom = map(int, box or (0, 0, size.width, size.height))
        raw = self._root.get_image(left, top, right - left, bottom - top, X.ZPixmap, 0xFFFFFFFF)
        return Image.frombytes("RGB", (right - left, bottom - top), raw.data, "raw", "BGRX")


@pytest.fixture(scope="session")
def _screen():
    screen = Screen(1600, 1000)
    yield screen
    screen.close()


@pytest.fixture
def screen(_screen):
    """A virtual screen of 1600 x 1000 pixels."""
    for name in "12345678":
        _screen.key(name, down=False)
    # windows of programs that the test before has killed may still be going
    titles = ("ArtifactSpy", "ArtifactSpy: practice", "ArtifactSpy: help", "ArtifactSpy: comment")
    wait_until(lambda: not any(map(_screen.window, titles)), what="an empty screen")
    return _screen


@pytest.fixture
def root(screen):
    """A window of this very process, for parts that are looked at alone."""
    made = tkinter.Tk(screenName=screen.name)
    yield made
    made.destroy()
    del made
    gc.collect()  # here: a picture that another thread collects waits for this one in vain


class Program:
    """The program as a person starts it, on a terminal of its own."""

    def __init__(self, screen, home, *options, terminal=True, data=None, env=(), then="", cwd="/"):
        """Start it; on a terminal, `then` is a shell's command for when it has ended."""
        self.screen, self.home = screen, Path(home)
        self.data = data or self.home / "data"
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.home),
            "DISPLAY": screen.name,
            "LANG": "C.UTF-8",
            "KRB5_CONFIG": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict(env),
        }
        words = ["--data", str(self.data), *map(str, options)]
        self.output = ""
        if terminal:
            words.insert(0, str(ROOT / "ArtifactSpy"))
            self.terminal = pexpect.spawn(
                *(
                    ("/bin/sh", ["-c", f'"$0" "$@"; {then}', *words])
                    if then
                    else (words[0], words[1:])
                ),
                env=environment,
                timeout=30,
                encoding="utf-8",
                cwd=str(cwd),
            )
            self.terminal.logfile_read = self._log = io.StringIO()
            self.pid = self.terminal.pid
        else:
            self.terminal = None
            self.process = subprocess.Popen(
                [ROOT / "ArtifactSpy", *words],
                env=environment,
                cwd=str(cwd),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.pid = self.process.pid

    @property
    def session_folder(self):
        practice = self.data / "practice-session"
        return practice if practice.exists() else self.data

    def open_window(self, title="ArtifactSpy", picture=True, seconds=10):
        """Wait for the window with its first picture, and take the pointer into it."""

        def shown():
            self.window = self.screen.window(title)
            return self.window

        wait_until(shown, what=f"the window {title!r}")
        geometry = self.window.get_geometry()
        self.width, self.height = geometry.width, geometry.height
        if picture:
            wait_until(
                lambda: len(set(self.stamps_on_screen())) > 50 and self.is_painted(),
                seconds,
                what="the first picture",
            )
        # a window manager is not there: keys go where the pointer is
        self.screen.point(self.width // 2, self.height - 3)
        return self

    def rows(self):
        """Return the rows of all label files here, wherever they are."""
        files = self.session_folder.glob("labels/*/*--*.csv")
        with contextlib.suppress(FileNotFoundError):  # one was settled while we looked
            files = sorted(files, key=lambda path: path.name)
            return [row for path in files for row in labelfile.read(path)[0]]
        return self.rows()

    def repeat(self, act, condition, seconds=20):
        """Do something at a person's pace until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not come about: {self.said()}"
            act()
            pause = time.monotonic() + 0.12
            while not condition() and time.monotonic() < pause:
                time.sleep(0.005)

    def label(self, key, act=None):
        """Press a label key until its row is on disk and the picture gone; return that row."""
        wait_until(self.is_painted, what="a picture to label")
        before, picture = len(self.rows()), self.difference()
        act = act or (lambda: self.screen.key(key))
        self.repeat(act, lambda: len(self.rows()) > before)
        assert len(self.rows()) == before + 1
        wait_until(lambda: self.difference() != picture, what="the next picture")
        return self.rows()[-1]

    def page_turns(self, act):
        """Do something, and wait until other stamps are on the screen."""
        wait_until(lambda: not self.is_blank(), what="a picture, or a sentence in its place")
        before = self.difference()
        act()
        wait_until(
            lambda: self.difference() != before and self.is_painted(), what="another picture"
        )

    def difference(self):
        """Return the pixels of the stamp that is painted last."""
        fit = layout.fit(self.width, self.height)
        x = fit.left + 2 * (fit.side + fit.unit)
        return self.screen.grab((x, fit.top, x + fit.side, fit.top + fit.side)).tobytes()

    def is_blank(self):
        """Tell whether there is nothing: a page is still being read."""
        return self.difference().replace(bytes.fromhex(colours.CELL[1:]), b"") == b""

    def is_painted(self):
        """Tell whether there is a picture, and no sentence across it."""
        banner = bytes.fromhex(colours.BANNER[1:]) * 8
        return not self.is_blank() and banner not in self.difference()

    def stamps_on_screen(self):
        return self.screen.grab((0, 80, self.width * 0.78, self.height * 0.6)).tobytes()

    def close(self):
        self.screen.close_window(self.window)
        return self.end()

    def end(self):
        """Wait for the end and return the exit status."""
        if self.terminal is None:
            self.output, _ = self.process.communicate(timeout=30)
            self.output = self.output.decode()
            return self.process.returncode
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()
        return self.terminal.exitstatus

    def said(self):
        """Return all that came to the terminal so far."""
        if self.terminal is None:
            return self.output
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF, ValueError):
            self.terminal.expect("\0", timeout=0.05)
        return self._log.getvalue().replace("\r\n", "\n")

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.terminal is None:
            self.process.wait()
        else:
            with contextlib.suppress(OSError):
                self.terminal.close(force=True)


@pytest.fixture
def start(screen, tmp_path):
    """Start the program in an empty home; whatever is still open at the end is killed."""
    running = []

    def begin(*options, home=tmp_path, **how):
        program = Program(screen, home, *options, **how)
        running.append(program)
        return program

    yield begin
    for program in running:
        program.kill()


@pytest.fixture
def alone(tmp_path):
    """Start the program on a screen of its own, which may go away, or be another's keyboard."""
    begun = []

    def begin(*options, width=1280, height=700, dpi=96, home=tmp_path, **how):
        screen = Screen(width, height, dpi)
        begun.append((screen, Program(screen, home, *options, **how)))
        return begun[-1][1]

    yield begin
    for screen, program in begun:
        program.kill()
        screen.die(signal.SIGKILL)


APPLETS = (
    *("awk", "basename", "cat", "cmp", "cut", "dirname", "grep", "gzip", "head", "id", "mkdir"),
    *("mktemp", "mv", "readlink", "rm", "sed", "sha256sum", "sleep", "sort", "sync", "tail", "tar"),
    *("tee", "tr", "uname", "wc"),
)


def busybox_tools(folder):
    """Make a folder for the front of PATH with tools that know little more than POSIX asks."""
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("there is no busybox, whose sh and tools are other than GNU's")
    folder.mkdir(parents=True)
    for name in APPLETS:
        (folder / name).symlink_to(busybox)
    return folder


def cluster(*words, check=True):
    """Run a verb of the hub, and return what it printed."""
    command = [sys.executable, "-m", "cluster", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def gif(seed, side=51):
    """Make a small GIF of noise, another one for every seed."""
    noise = random.Random(seed).randbytes(side * side)
    file = io.BytesIO()
    Image.frombytes("L", (side, side), noise).save(file, "GIF")
    return file.getvalue()


def tiny_gif(text):
    """Make a GIF of one pixel with a comment: cheap, and another one for every text."""
    head = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff"
    comment = b"!\xfe" + bytes([len(text)]) + text.encode() + b"\0"
    return head + comment + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def fits_bytes(pixels, **header):
    hdu = fits.PrimaryHDU(pixels)
    hdu.header.update(header)
    file = io.BytesIO()
    hdu.writeto(file)
    return file.getvalue()


def noise(shape=(51, 51), sky=100.0, sigma=5.0, seed=1):
    return np.random.default_rng(seed).normal(sky, sigma, shape)


# Reading a chunk


def tarball(path, members):
    """Write a tar.gz of {name: bytes}."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def triplets(objids):
    """Make the members of a tarball with a triplet of noise for each Object ID."""
    return {f"batch/{kind}{objid}.gif": gif(f"{kind}{objid}") for objid in objids for kind in KINDS}


@pytest.fixture
def hub(tmp_path):
    """A local hub with one chunk of 12 detections, 101 to 112."""
    path = tmp_path / "hub"
    cluster("init", path)
    source = tarball(tmp_path / "drop.tar.gz", triplets(range(101, 113)))
    cluster("add", path, source, "--stamp", "first")
    return path


def verified(hub):
    """Return the rows that a hub has verified, as {OBJID: ACTION}, after looking for doubles."""
    rows = [row.split(",") for path in hub.glob("verified/*.csv") for row in _lines(path)[1:]]
    objids = [row[0] for row in rows]
    assert len(objids) == len(set(objids)), "a detection counts twice"
    return {row[0]: row[1] for row in rows}


def _lines(path):
    return path.read_text().splitlines()


@pytest.fixture
def real():
    """The folder of real stamps beside the project."""
    if not REAL.is_dir():
        pytest.skip("the real stamps are not beside the project")
    return REAL


@pytest.fixture
def small_disk():
    """A disk of 200 kB that really fills up (root can mount one), for every account."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    folder = Path(tempfile.mkdtemp(prefix="artifactspy-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=200k,mode=755", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("this machine lets nobody mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


def fill(disk):
    """Fill a disk to its last byte, and return the file that does it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as full, contextlib.suppress(OSError):
        while True:
            full.write(bytes(512))
    return filler


def hold(hub, verb="receive"):
    """Make a hub wait with every answer to an upload, or to another verb.

    Returns two files: the hub makes the first when it is asked, and waits for the second.
    """
    script, asked, go = hub / "hub", hub / "incoming" / ".asked", hub / "go"
    script.rename(hub / "real-hub")
    script.write_text(
        f'#!/bin/sh\nif [ "$1" = {verb} ]; then\n  touch "{asked}"\n'
        f'  while [ ! -e "{go}" ]; do sleep 0.05; done\nfi\nexec "{hub}/real-hub" "$@"\n'
    )
    script.chmod(0o755)
    return asked, go


class Desk:
    """A session whose window is this test: what is delivered waits until it is pumped."""

    def __init__(self, data, hub, user="ann", settings=None):
        self.calls, self.said, self.data = queue.SimpleQueue(), [], data
        self.settings = settings or Settings(data, data, str(hub), user, "none", "", False, 0)
        self.sync = Sync(self.settings)
        self.session = Session(
            self.settings, self.sync, self.deliver, lambda: None, self.said.append
        )

    def deliver(self, function, *arguments):
        self.calls.put((function, arguments))

    def pump(self, until):
        """Do what was delivered, as the window does, until a condition holds."""

        def step():
            while not self.calls.empty():
                function, arguments = self.calls.get()
                function(*arguments)
            return until()

        wait_until(step)

    def open(self, until=lambda page: page.pictures):
        self.session.start()
        self.session.show_as(60, Look())
        self.pump(lambda: until(self.session.page()))
        return self

    def label(self, name, comment=""):
        objid = self.session.page().detection.objid
        self.session.clock.start()
        self.session.label(objid, name, comment)
        self.pump(lambda: self.session.page().pictures or self.at_the_end())
        return objid

    def at_the_end(self):
        """Tell whether there is nothing more, and not only nothing more so far."""
        return self.session._begun and not self.session.page().detection

    def close(self):
        ended = []
        self.session.finish(lambda status, said: ended.append((status, said)))
        self.pump(lambda: ended)
        return ended[0]


@pytest.fixture
def desk(tmp_path):
    """Make desks on one data folder; their threads end with the test."""
    desks = []

    def make(hub=tmp_path / "no hub", user="ann"):
        desks.append(Desk(tmp_path / "data", hub, user))
        return desks[-1]

    yield make
    for made in desks:
        made.sync.stop()
        made.session._errands.shutdown()
        made.session._reading.shutdown()


def python_with(folder, package, code):
    """Make a Python that has what this one has, but one package of which is `code`."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "all.pth").write_text(str(Path(np.__file__).parent.parent))
    (packages / package).mkdir()
    (packages / package / "__init__.py").write_text(code)
    return folder / "bin" / "python"


def put(tmp_path, name, members):
    (tmp_path / "data" / "chunks").mkdir(parents=True, exist_ok=True)
    return tarball(tmp_path / "data" / "chunks" / name, members)
