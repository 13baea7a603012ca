"""Eyes and hands for the tests of the window: what is where on the screen, and what it shows."""

import io
import re
import time
import tkinter as tk
from tkinter import font as tkfont

import numpy as np
import pytest
from conftest import KINDS, fits_bytes, noise, put, wait_until
from PIL import Image

import scaling
import stamps
from window import colours, layout

SHADES = (60, 120, 180)  # of the first detection's Search, Template and Difference


class Reader:
    """Finds a sentence on the screen: writes it as the program does, and looks for these pixels."""

    def __init__(self, screen):
        self._screen = screen
        self.root = tk.Tk(screenName=screen.name)
        self.root.overrideredirect(True)
        self.root.geometry("+0+960")
        self._fonts = tkfont.Font(self.root, font="TkDefaultFont"), None
        bold = tkfont.Font(self.root, font="TkDefaultFont")
        bold.configure(weight="bold")
        self._fonts = self._fonts[0], bold
        self._label = tk.Label(self.root, bd=0, padx=0, pady=0, background=colours.GROUND)
        self._label.pack()
        self.root.withdraw()
        self._known = {}

    def _written(self, text, unit, colour, bold):
        """Return the pixels of a text, without what is empty around it."""
        key = text, unit, colour, bold
        if key not in self._known:
            self._fonts[bold].configure(size=-unit)
            self._label.configure(text=text, font=self._fonts[bold], foreground=colour)
            self.root.deiconify()
            self.root.lift()
            self.root.update()
            width, height = self._label.winfo_reqwidth(), self._label.winfo_reqheight()
            box = (0, 960, width, 960 + height)

            def there():
                self.root.update()
                pixels = codes(self._screen.grab(box))
                ink = pixels != code(colours.GROUND)
                return pixels, ink, ink.any() and (pixels == code(colour)).any()

            pixels, ink, _ = wait_until(lambda: (found := there())[2] and found, what=text)
            self.root.withdraw()
            self.root.update()
            rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
            self._known[key] = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return self._known[key]

    def sees(self, program, text, colour=colours.INK, bold=False):
        """Tell whether a text stands anywhere in the window."""
        unit = layout.fit(program.width, program.height).unit
        wanted = self._written(text, unit, colour, bold)
        there = codes(program.screen.grab((0, 0, program.width, program.height)))
        windows = np.lib.stride_tricks.sliding_window_view(there, wanted.shape)
        found = np.ones(windows.shape[:2], bool)
        inked = np.argwhere(wanted != code(colours.GROUND))
        for row, column in inked[:: max(1, len(inked) // 40)]:
            found &= windows[:, :, row, column] == wanted[row, column]
        return any((windows[y, x] == wanted).all() for y, x in np.argwhere(found))

    def waits(self, program, text, colour=colours.INK, bold=False):
        """Wait until a text stands in the window."""
        wait_until(lambda: self.sees(program, text, colour, bold), what=f"{text!r} on the screen")


def codes(picture):
    red, green, blue = np.asarray(picture).astype(np.int32).transpose(2, 0, 1)
    return red << 16 | green << 8 | blue


def code(colour):
    return int(colour[1:], 16)


@pytest.fixture(scope="session")
def _reader(_screen):
    reader = Reader(_screen)
    yield reader
    reader.root.destroy()


@pytest.fixture
def reader(_reader):
    """Somebody who can read what stands in the window, and who owns a clipboard."""
    return _reader


@pytest.fixture
def nothing(tmp_path):
    """A hub that has nothing to hand out, for sessions on a chunk that is here already."""
    folder = tmp_path / "nothing"
    (folder / "incoming").mkdir(parents=True)
    (folder / "hub").write_text('#!/bin/sh\necho "artifactspy-1 nothing"\n')
    (folder / "hub").chmod(0o755)
    return folder


@pytest.fixture
def begin(start, nothing, tmp_path):
    """Start the program on a chunk of one's own."""

    def program(members=None, first=SHADES, **how):
        if members is not None:
            put(tmp_path, "a--own.tar.gz", members)
        begun = start("--hub", nothing, "--user", "ann", **how).open_window(picture=not first)
        if first:
            wait_until(lambda: shades(begun) == first, what="the first picture")
        return begun

    return program


def plain(shade, width=51, height=51):
    file = io.BytesIO()
    Image.new("L", (width, height), shade).save(file, "GIF")
    return file.getvalue()


def ticked(shade, width=51, height=51):
    """Make a stamp with the ticks that DES draws into its own."""
    pixels = np.full((height, width), shade, "u1")
    along = np.arange(min(width, height) // 5)
    for corner in (pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]):
        corner[along, along] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "GIF")
    return file.getvalue()


def plain_triplets(count=4):
    """Make detections 1, 2, ... whose stamps have one shade each."""
    return {
        f"a/{kind}{number}.gif": plain(shade + 10 * (number - 1))
        for number in range(1, count + 1)
        for kind, shade in zip(KINDS, SHADES)
    }


def scenes(count=3):
    """Make detections 1, 2, ... of floating point, with two white spots of different heights."""
    members = {}
    for number in range(1, count + 1):
        for i, kind in enumerate(KINDS):
            pixels = noise(sky=100.0 + i, seed=10 * number + i).astype("f4")
            pixels[24:27, 24:27] += 60
            if kind == "srch":
                pixels[40:43, 8:10], pixels[40:43, 40:42] = 400, 700
                pixels[5, 5] = np.nan
            members[f"a/{kind}{number}.fits"] = fits_bytes(pixels)
    return members


def fit_of(program):
    return layout.fit(program.width, program.height)


def cell(program, i):
    """Return left, top, right and bottom of a stamp's square."""
    fit = fit_of(program)
    left = fit.left + i * (fit.side + fit.unit)
    return left, fit.top, left + fit.side, fit.top + fit.side


def middle(box):
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


def colour_at(program, x, y):
    red, green, blue = program.screen.grab((x, y, x + 1, y + 1)).getpixel((0, 0))
    return f"#{red:02x}{green:02x}{blue:02x}"


def shades(program):
    """Return the shades in the middle of the three stamps."""
    return tuple(int(colour_at(program, *middle(cell(program, i)))[1:3], 16) for i in range(3))


def swapped(shades_):
    return shades_[1], shades_[0], shades_[2]


def await_shades(program, expected):
    wait_until(lambda: shades(program) == expected, what=f"{expected}, not {shades(program)},")


def marked(program, i):
    """Return how many pixels of a stamp's square have the colour of marks."""
    return int((codes(program.screen.grab(cell(program, i))) == code(colours.MARK)).sum())


def seen(program):
    """Return the three stamps as they are on the screen."""
    return [np.asarray(program.screen.grab(cell(program, i))) for i in range(3)]


def drawn(program, path, objid, look):
    """Return the three stamps as they should be on the screen."""
    triplet = scaling.triplet(objid, stamps.Chunk(path).encoded(objid))
    ppms = scaling.pictures(triplet, fit_of(program).side, look)
    return [np.asarray(Image.open(io.BytesIO(ppm)).convert("RGB")) for ppm in ppms]


def await_look(program, path, look, objid="1"):
    """Wait until the stamps have a look, and return what is to be seen then."""
    wanted = drawn(program, path, objid, look)
    wait_until(lambda: all(map(np.array_equal, seen(program), wanted)), what=str(look))
    return wanted


def button(program, name):
    """Return the middle of a label's button."""
    x, y, width, height = fit_of(program).label(name)
    return x + width // 2, y + height // 2


def pass_time(seconds):
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def tap(program, key):
    """Press a key, and let so much time pass that the next press is not taken for auto-repeat."""
    program.screen.key(key)
    pass_time(0.05)


def back_to(program, expected):
    tap(program, "BackSpace")
    await_shades(program, expected)


def practise(program, key):
    """Label in practice, go on from a miss, and return the row."""
    before, picture = len(program.rows()), program.difference()
    program.repeat(lambda: program.screen.key(key), lambda: len(program.rows()) > before)

    def gone_on():
        ring = any(marked(program, i) for i in range(3))
        return not ring and program.difference() != picture and program.is_painted()

    program.repeat(lambda: program.screen.key("Return"), gone_on)
    return program.rows()[before]


def ask_for_comment(program):
    """Press 8 until the terminal asks, and return for which detection it does."""
    before = len(program.said())

    def asked():
        return re.search(r"Comment for (\d+) \(empty line: cancel\): ", program.said()[before:])

    program.repeat(lambda: program.screen.key("8"), asked)
    return asked()[1]
