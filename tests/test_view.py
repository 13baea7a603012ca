"""How the stamps are looked at: keys, drags, marks and texts, read off the screen."""

import csv
import io
import os
import re
import signal
import time
import tkinter as tk
from tkinter import font as tkfont

import numpy as np
import pytest
from conftest import (
    KINDS,
    ROOT,
    Program,
    Screen,
    tarball,
    wait_until,
)
from PIL import Image
from test_stamps import fits_bytes, noise
from test_window import ask_for_comment, button, pass_time

import artifactspy
import labels
import scaling
import stamps
from look import Look

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
        self._label = tk.Label(self.root, bd=0, padx=0, pady=0, background=artifactspy.GROUND)
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
                pixels = _codes(self._screen.grab(box))
                ink = pixels != _code(artifactspy.GROUND)
                return pixels, ink, ink.any() and (pixels == _code(colour)).any()

            pixels, ink, _ = wait_until(lambda: (found := there())[2] and found, what=text)
            self.root.withdraw()
            self.root.update()
            rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
            self._known[key] = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return self._known[key]

    def sees(self, program, text, colour=artifactspy.INK, bold=False):
        """Tell whether a text stands anywhere in the window."""
        unit = artifactspy.layout(program.width, program.height).unit
        wanted = self._written(text, unit, colour, bold)
        there = _codes(program.screen.grab((0, 0, program.width, program.height)))
        windows = np.lib.stride_tricks.sliding_window_view(there, wanted.shape)
        found = np.ones(windows.shape[:2], bool)
        inked = np.argwhere(wanted != _code(artifactspy.GROUND))
        for row, column in inked[:: max(1, len(inked) // 40)]:
            found &= windows[:, :, row, column] == wanted[row, column]
        return any((windows[y, x] == wanted).all() for y, x in np.argwhere(found))

    def waits(self, program, text, colour=artifactspy.INK, bold=False):
        """Wait until a text stands in the window."""
        wait_until(lambda: self.sees(program, text, colour, bold), what=f"{text!r} on the screen")


def _codes(picture):
    red, green, blue = np.asarray(picture).astype(np.int32).transpose(2, 0, 1)
    return red << 16 | green << 8 | blue


def _code(colour):
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


def put(tmp_path, members, name="a--own.tar.gz"):
    """Lay a chunk where the program finds it."""
    folder = tmp_path / "data" / "chunks"
    folder.mkdir(parents=True, exist_ok=True)
    return tarball(folder / name, members)


def plain(shade, width=51, height=51):
    file = io.BytesIO()
    Image.new("L", (width, height), shade).save(file, "GIF")
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


@pytest.fixture
def begin(start, nothing, tmp_path):
    """Start the program on a chunk of one's own."""

    def program(members=None, first=SHADES, **how):
        if members is not None:
            put(tmp_path, members)
        begun = start("--hub", nothing, "--user", "ann", **how).open_window(picture=not first)
        if first:
            wait_until(lambda: shades(begun) == first, what="the first picture")
        return begun

    return program


def fit_of(program):
    return artifactspy.layout(program.width, program.height)


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
    return int((_codes(program.screen.grab(cell(program, i))) == _code(artifactspy.MARK)).sum())


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


def tap(program, key):
    """Press a key, and let so much time pass that the next press is not taken for auto-repeat."""
    program.screen.key(key)
    pass_time(0.05)


def back_to(program, expected):
    tap(program, "BackSpace")
    await_shades(program, expected)


# Blinking


def test_search_and_template_change_places_as_long_as_b_or_a_click_is_held(begin, reader):
    program = begin(plain_triplets())
    fit, screen = fit_of(program), program.screen
    screen.key("b", up=False)
    await_shades(program, swapped(SHADES))
    # the names go with the pictures, in a colour that says so
    reader.waits(program, "Template", artifactspy.MARK)
    titles = fit.left, fit.top - 1.7 * fit.unit, fit.left + fit.side, fit.top - 0.2 * fit.unit
    assert _code(artifactspy.MARK) in _codes(screen.grab(titles))
    for _ in range(5):  # what X sends for a held key
        screen.repeat("b")
        pass_time(0.03)
        assert shades(program) == swapped(SHADES)
    screen.key("b", down=False)
    await_shades(program, SHADES)
    assert _code(artifactspy.MARK) not in _codes(screen.grab(titles))
    for i in range(3):
        x, y = middle(cell(program, i))
        screen.point(x + 9, y + 9)
        screen.button(up=False)
        await_shades(program, swapped(SHADES))
        if i == 2:  # and released beside it
            screen.point(program.width // 2, program.height - 3)
        screen.button(down=False)
        await_shades(program, SHADES)
    assert not program.rows()


def test_a_click_that_is_held_holds_what_blinks_on_its_own(begin):
    program = begin(plain_triplets())
    tap(program, "B")
    x, y = middle(cell(program, 0))
    program.screen.point(x + 9, y + 9)
    program.screen.button(up=False)
    await_shades(program, swapped(SHADES))
    end = time.monotonic() + 4 * artifactspy.BLINK / 1000
    while time.monotonic() < end:
        assert shades(program) == swapped(SHADES)
    program.screen.button(down=False)
    await_shades(program, SHADES)
    await_shades(program, swapped(SHADES))  # and then it goes on


def test_presses_that_the_program_was_kept_from_seeing_count_all_the_same(begin):
    program = begin(plain_triplets())
    os.kill(program.pid, signal.SIGSTOP)
    for _ in range(3):
        tap(program, "i")
    os.kill(program.pid, signal.SIGCONT)
    await_shades(program, tuple(255 - shade for shade in SHADES))


@pytest.mark.parametrize("key, change", [(",", -1), (".", 1)])
def test_keys_change_brightness_as_a_drag_does(begin, key, change):
    program = begin(plain_triplets())
    tap(program, {",": "comma", ".": "period"}[key])
    await_shades(program, tuple(shade + round(change * 255 * 0.05) for shade in SHADES))


def test_keys_change_contrast_as_a_drag_does(begin):
    program = begin(plain_triplets())
    tap(program, "plus")
    harder = tuple(round(255 * ((shade / 255 - 0.5) * 1.2 + 0.5)) for shade in SHADES)
    await_shades(program, harder)
    tap(program, "minus")
    await_shades(program, SHADES)


def test_b_that_is_released_in_another_window_does_not_stay_down(begin):
    program = begin(plain_triplets())
    program.screen.key("b", up=False)
    await_shades(program, swapped(SHADES))
    program.screen.point(1590, 990)
    await_shades(program, SHADES)
    program.screen.key("b", down=False)


def test_shift_b_blinks_five_times_in_two_seconds_until_pressed_again(begin):
    program = begin(plain_triplets())
    program.screen.key("B")
    await_shades(program, swapped(SHADES))
    start = time.monotonic()
    for _ in range(2):
        await_shades(program, SHADES)
        await_shades(program, swapped(SHADES))
    assert 0.7 <= time.monotonic() - start <= 2.5  # 0.8 s, and this machine may be busy
    program.screen.key("6")  # labelling goes on, and the next picture blinks, too
    second = tuple(shade + 10 for shade in SHADES)
    await_shades(program, second)
    await_shades(program, swapped(second))
    program.screen.key("B")
    await_shades(program, second)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        assert shades(program) == second


# Scalings, contrast, marks


def test_keys_change_the_look_and_0_takes_all_back(begin, tmp_path, reader):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    screen = program.screen
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks on FITS stamps")
    tap(program, "m")
    usual = await_look(program, path, Look())
    different = [usual]
    for name in [*scaling.SCALINGS][1:]:
        tap(program, "s")
        different.append(await_look(program, path, Look(name)))
        reader.waits(program, f"Scaling: {scaling.SCALINGS[name].title}.")
    for i in range(3):
        assert len({pictures[i].tobytes() for pictures in different}) == len(different)
    tap(program, "i")
    await_look(program, path, Look(name, inverted=True))
    tap(program, "s")  # round and round
    await_look(program, path, Look(inverted=True))
    tap(program, "i")
    await_look(program, path, Look())
    for key in "siB":
        tap(program, key)
    wait_until(lambda: not np.array_equal(seen(program)[2], usual[2]))
    screen.key("0")
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="the marks")
    screen.key("m")
    await_look(program, path, Look())
    end = time.monotonic() + 0.5
    while time.monotonic() < end:  # it blinks no longer
        assert np.array_equal(seen(program)[0], usual[0])
    assert not program.rows()


def test_stamps_of_8_bits_stay_as_they_were_made_until_asked_for(begin):
    program = begin(plain_triplets())
    assert not any(marked(program, i) for i in range(3))  # some bring marks of their own
    tap(program, "m")
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks")
    pixels = _codes(program.screen.grab(cell(program, 0))) == _code(artifactspy.MARK)
    rows, columns = np.nonzero(pixels)
    side = pixels.shape[0]
    assert np.array_equal(pixels, pixels.T) and abs(rows.mean() - side / 2) <= 1
    # they point at the centre, and leave it free
    assert np.hypot(rows - side / 2, columns - side / 2).min() > 0.09 * side
    program.screen.key("m")
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no marks")
    program.screen.key("i")
    await_shades(program, tuple(255 - shade for shade in SHADES))


def test_a_toggle_that_is_held_down_acts_once(begin):
    program = begin(plain_triplets())
    program.screen.key("i", up=False)
    inverted = tuple(255 - shade for shade in SHADES)
    await_shades(program, inverted)
    for _ in range(8):
        program.screen.repeat("i")
        pass_time(0.06)
        assert shades(program) == inverted
    tap(program, "i")
    assert shades(program) == inverted


def dragged(program, across, up):
    """Drag over a stamp with the right button, and return the look that this makes of the usual."""
    side = fit_of(program).side
    x, y = middle(cell(program, 0))
    program.screen.drag((x, y), (x + across, y - up))
    return Look(bias=0.5 + across / side, contrast=4 ** (up / side))


def test_a_right_drag_tells_apart_what_was_white_in_the_values_themselves(begin, tmp_path):
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    program.screen.key("m")
    (usual, *_) = await_look(program, path, Look())
    zoom = fit_of(program).side / 51
    lower, higher = ((round(c * zoom), round((51 - 41.5) * zoom)) for c in (9, 41))

    def spots(picture):
        return tuple(int(picture[y, x][0]) for x, y in (lower, higher))

    assert spots(usual) == (255, 255)
    (darker, *_) = await_look(program, path, dragged(program, 180, -130))
    assert spots(darker)[0] < spots(darker)[1] < 255
    x, y = middle(cell(program, 1))
    program.screen.point(x, y)
    for _ in range(2):
        program.screen.button(3)
    await_look(program, path, Look())
    assert not program.rows()


def test_a_double_right_click_resets_though_the_hand_trembles(begin, tmp_path):
    """The second press, moved by a pixel, went on with the drag from before the reset."""
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    program.screen.key("m")
    await_look(program, path, Look())
    await_look(program, path, dragged(program, 100, 20))
    x, y = middle(cell(program, 1))
    program.screen.point(x, y)
    program.screen.button(3)
    program.screen.button(3, up=False)
    await_look(program, path, Look())
    program.screen.point(x + 1, y)
    program.screen.button(3, down=False)
    pass_time(0.3)
    await_look(program, path, Look())


def test_a_label_right_after_a_drag_counts(begin, tmp_path):
    """A new picture is guarded against presses meant for the one before, a redrawn one is not."""
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    program.screen.key("m")
    await_look(program, path, Look())
    pass_time(artifactspy.GUARD + 0.05)
    before = program.stamps_on_screen()
    look = dragged(program, 60, 60)
    wait_until(lambda: program.stamps_on_screen() != before)
    program.screen.key("6")
    wait_until(program.rows, what="the label")
    await_look(program, path, look, "2")  # and the next one comes in the same look
    assert len(program.rows()) == 1


def test_the_look_is_kept_for_the_next_session(begin, tmp_path):
    members = scenes()
    program = begin(members, first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    screen = program.screen
    screen.key("m")
    await_look(program, path, Look())
    look = dragged(program, -40, 30)._replace(scaling="zscale", inverted=True)
    screen.key("s")
    screen.key("i")
    await_look(program, path, look)
    screen.resize(program.window, 1100, 640)
    program.width, program.height = 1100, 640
    await_look(program, path, look)
    program.close()
    program = begin(first=None)
    assert (program.width, program.height) == (1100, 640)
    await_look(program, path, look)  # without marks
    program.screen.key("0")
    program.screen.key("m")
    await_look(program, path, Look())


# What is under the pointer


def test_the_pixel_under_the_pointer_is_told_as_fits_counts(begin, reader):
    members = {}
    for kind, base in zip(KINDS, (0, 100, 200)):
        values = np.arange(51 * 51, dtype="f8").reshape(51, 51) * 1e-3 + base
        values[40, 30] = np.nan
        members[f"a/{kind}1.fits"] = fits_bytes(values)
    program = begin(members, first=None)
    zoom = fit_of(program).side / 51

    def point(i, x, y):
        left, _, _, bottom = cell(program, i)
        program.screen.point(left + (x - 0.5) * zoom, bottom - (y - 0.5) * zoom)

    point(0, 1, 1)
    reader.waits(program, "Search  x 1  y 1:  0", artifactspy.DIM)
    point(1, 12, 51)
    value = 100 + (50 * 51 + 11) * 1e-3
    reader.waits(program, f"Template  x 12  y 51:  {value:.6g}", artifactspy.DIM)
    program.screen.key("b", up=False)  # where Template stood is Search now
    reader.waits(program, f"Search  x 12  y 51:  {value - 100:.6g}", artifactspy.DIM)
    program.screen.key("b", down=False)
    point(2, 31, 41)
    reader.waits(program, "Difference  x 31  y 41:  no value", artifactspy.DIM)
    program.screen.point(program.width // 2, program.height - 3)
    wait_until(
        lambda: not reader.sees(program, "no value", artifactspy.DIM), what="nothing to tell"
    )


def test_the_longest_value_under_the_pointer_is_told_in_full(begin, reader):
    members = {f"a/{kind}1.fits": fits_bytes(-1.23456e-5 * noise((51, 51))) for kind in KINDS}
    values = np.full((51, 51), -1.23457e-5)
    values[0] = 1
    members["a/diff1.fits"] = fits_bytes(values)
    program = begin(members, first=None)
    zoom = fit_of(program).side / 51
    left, top, _, _ = cell(program, 2)
    program.screen.point(left + 49.5 * zoom, top + 0.5 * zoom)
    reader.waits(program, "x 50  y 51:  -1.23457e-05", artifactspy.DIM)
    reader.waits(program, "Difference  x 50  y 51:  -1.23457e-05", artifactspy.DIM)


# What is told


def test_a_pressed_button_lights_up(begin):
    program = begin(plain_triplets())
    x, y = button(program, "Good")
    colour, _, lit, _ = artifactspy.COLOURS["real"]
    fit = fit_of(program)
    y -= fit.keys // 2 - 8
    pass_time(artifactspy.GUARD)
    program.screen.key("6")
    wait_until(lambda: colour_at(program, int(x), int(y)) == lit, 2, "the light")
    start = time.monotonic()
    wait_until(lambda: colour_at(program, int(x), int(y)) == colour, 2, "the usual colour")
    assert time.monotonic() - start > 0.06  # long enough to be seen


def test_a_pressed_button_lights_up_also_if_it_was_the_label_before(begin):
    program = begin(plain_triplets())
    program.label("6")
    back_to(program, SHADES)
    pass_time(artifactspy.GUARD)
    x, y = button(program, "Good")
    y -= fit_of(program).keys // 2 - 8
    lit = artifactspy.COLOURS["real"][2]
    program.screen.key("6")
    wait_until(lambda: colour_at(program, int(x), int(y)) == lit, 2, "the light")
    start = time.monotonic()
    wait_until(lambda: colour_at(program, int(x), int(y)) != lit, 2, "the usual colour")
    assert time.monotonic() - start > 0.06  # long enough to be seen


def test_the_status_line_tells_the_last_label_and_how_many(begin, reader):
    program = begin(plain_triplets())
    reader.waits(program, "1 of 4 · 0 today", artifactspy.DIM)
    for number, (key, name) in enumerate((("4", "DarkSpotInTemplateCenter"), ("6", "Good")), 1):
        program.label(key)
        reader.waits(program, f"saved: {name} {number}", artifactspy.DIM)
        reader.waits(program, f"{number} this session, {number} today", artifactspy.DIM)
    back_to(program, tuple(shade + 10 for shade in SHADES))
    program.label("7")  # another label for the same detection
    reader.waits(program, "saved: Unsure 2", artifactspy.DIM)
    reader.waits(program, "2 this session, 2 today", artifactspy.DIM)
    program.close()
    third = tuple(shade + 20 for shade in SHADES)
    program = begin(first=third)
    reader.waits(program, "3 of 4 · 2 today", artifactspy.DIM)
    program.label("1")
    reader.waits(program, "1 this session, 3 today", artifactspy.DIM)


def test_the_status_line_tells_a_long_object_id_in_full_at_1024(begin, reader):
    """Its tail was cut off where the value under the pointer stands, and it read as another ID."""
    long = "238123456789012345"
    members = {
        re.sub("([0-9])[.]", rf"{long}\1.", name): d for name, d in plain_triplets(6).items()
    }
    program = begin(members)
    program.width = 1024
    program.screen.resize(program.window, program.width, program.height)
    program.screen.point(500, program.height - 3)
    await_shades(program, SHADES)
    for number in range(1, 6):
        row = program.label("4")
        assert row.objid == f"{long}{number}"
    reader.waits(program, "5 this session, 5 today", artifactspy.DIM)
    reader.waits(program, f"DarkSpotInTemplateCenter {row.objid}", artifactspy.DIM)


def test_the_progress_bar_shows_the_share_of_the_chunk_that_is_done(begin):
    program = begin(plain_triplets())
    fit = fit_of(program)
    y = int(program.height - 0.6 * fit.unit) + 1

    def share():
        line = _codes(program.screen.grab((fit.left, y, program.width - fit.left, y + 1)))[0]
        return (line == _code(artifactspy.DIM)).mean()

    for done in range(4):
        wait_until(lambda d=done: abs(share() - d / 4) < 0.01, what=f"{done} of 4")
        program.label("6")
    wait_until(lambda: abs(share() - 1) < 0.01, what="all of 4")


def test_after_back_the_label_with_its_comment_is_told_and_enter_keeps_it(begin, reader):
    program = begin(plain_triplets())
    assert ask_for_comment(program) == "1"
    program.terminal.sendline("no host at all")
    wait_until(program.rows)
    second, third = (tuple(shade + step for shade in SHADES) for step in (10, 20))
    await_shades(program, second)
    program.label("5")
    await_shades(program, third)
    before = program.rows()
    program.screen.key("Return")  # there is no label to keep
    back_to(program, second)
    reader.waits(program, "Marginal. Enter keeps it.")
    back_to(program, SHADES)
    reader.waits(program, f"{labels.BY_NAME['Other'].title}: no host at all. Enter keeps it.")
    for wanted in (second, third):
        tap(program, "Return")
        await_shades(program, wanted)
    assert program.rows() == before


def test_earlier_comments_are_offered_by_number(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    typed = ["three", "two words", "2", "9", "1", ""]
    for number, text in enumerate(typed):
        before = len(program.said())
        objid = ask_for_comment(program)
        offer = program.said()[before:]
        if number == 0:
            assert "earlier comment" not in offer
        if number == 2:
            assert "A number takes an earlier comment:\n  1  three\n  2  two words\n" in offer
        if number == 3:
            assert "  1  three\n  2  two words\nComment" in offer  # each once, in their order
        count, said = len(program.rows()), len(program.said())
        program.terminal.sendline(text)
        if text == "9":
            wait_until(lambda n=said: "There is no comment 9: nothing" in program.said()[n:])
        elif text:
            wait_until(lambda n=count: len(program.rows()) == n + 1)
            assert program.rows()[-1].objid == objid
    comments = [row.comment for row in program.rows()]
    assert comments == ["three", "two words", "two words", "three"]


# Dialogs


def dialog_for_comment(program):
    """Press 8 until the dialog is there, and take the pointer into it."""

    def dialog():
        return program.screen.window("ArtifactSpy: comment")

    program.repeat(lambda: program.screen.key("8"), dialog)
    window = wait_until(dialog)
    place = window.get_geometry()
    program.screen.point(place.x + place.width // 2, place.y + place.height - 4)
    box = lower_half(window)

    def cursor():
        return (_codes(program.screen.grab(box)) == _code(artifactspy.INK)).sum() >= 20

    wait_until(cursor, what="the cursor, which says that it listens")
    return window


def lower_half(window):
    """Return the box of the part of a dialog where one types."""
    place = window.get_geometry()
    return place.x, place.y + place.height // 2, place.x + place.width, place.y + place.height


def test_a_pasted_comment_of_any_kind_leaves_the_label_file_valid(begin, reader):
    program = begin(plain_triplets(), terminal=False)
    window = dialog_for_comment(program)
    paste_and_return(program, reader, window, "x" * 100_000)
    red = _code(artifactspy.BAD_NEWS)
    complaint = lambda: (_codes(program.screen.grab(lower_half(window))) == red).any()  # noqa: E731
    wait_until(complaint, what="the sentence that it is too long, in the dialog, which stays")
    assert not program.rows() and shades(program) == SHADES
    program.screen.key("Escape")
    gone(program, window)
    window = dialog_for_comment(program)
    paste_and_return(program, reader, window, 'a\x07\x1b[2Jb "q",\tc;\n\n=1+1,🌟 é\r\n')
    gone(program, window)
    wait_until(program.rows, what="the label")
    assert program.rows()[0].comment == 'a [2Jb "q", c; =1+1,🌟 é'
    await_shades(program, tuple(shade + 10 for shade in SHADES))
    dialog_for_comment(program)  # and what was given before is offered here, too
    program.screen.key("1")
    program.screen.key("Return")
    wait_until(lambda: len(program.rows()) == 2)
    (path,) = program.data.glob("labels/open/*.csv")
    with path.open(newline="", encoding="utf-8") as table:
        lines = list(csv.reader(table))
    assert [len(line) for line in lines] == [6, 6, 6] and len(path.read_bytes().split(b"\n")) == 4
    assert lines[1][2] == lines[2][2] == 'a [2Jb "q", c; =1+1,🌟 é'


def paste_and_return(program, reader, window, text):
    """Press Ctrl+V in the dialog, hand over the clipboard, and press Return when it is there."""
    reader.root.clipboard_clear()
    reader.root.clipboard_append(text)
    reader.root.update()  # from here on the clipboard is the reader's
    screen, box = program.screen, lower_half(window)
    before = _codes(screen.grab(box))
    screen.key("Control_L", up=False)
    screen.key("v")
    screen.key("Control_L", down=False)

    def letters():
        reader.root.update()
        return (_codes(screen.grab(box)) != before).sum() > 100  # more than a cursor that blinks

    wait_until(letters, what="the pasted text")
    screen.key("Return")


def gone(program, window):
    """Wait for the end of a dialog, and take the pointer back into the window."""
    screen = program.screen
    wait_until(lambda: not screen.window("ArtifactSpy: comment"), what="the end of the dialog")
    screen.point(program.width // 2, program.height - 3)


def test_label_keys_do_nothing_while_the_dialog_asks(begin):
    program = begin(plain_triplets(), terminal=False)
    dialog_for_comment(program)
    program.screen.point(program.width // 2, 3)
    for key in "12345678":
        program.screen.key(key)
        program.screen.click(*button(program, "Good"))
    program.screen.point(program.width // 2, 3)
    program.screen.key("i")  # after all these this one is known to have come through
    await_shades(program, tuple(255 - shade for shade in SHADES))
    program.screen.key("Escape")
    wait_until(lambda: not program.screen.window("ArtifactSpy: comment"))
    assert not program.rows()
    assert program.label("6").objid == "1"


# Practice, and what others said


def test_practice_rings_the_telling_place_and_tables_labels_against_truth(start, tmp_path, reader):
    program = start(terminal=False).open_window("ArtifactSpy: practice")
    with (ROOT / "data" / "practice" / "truth.csv").open(newline="") as table:
        truth = {row["OBJID"]: row for row in csv.DictReader(table)}
    assert not any(marked(program, i) for i in range(3))
    given, row = [], None
    while not row or abs(int(row["X"]) - int(row["Y"])) < 2:  # most are at the very centre
        given.append(program.label("61"[len(given) % 2]))
        row = truth[given[-1].objid]
    program.screen.key("BackSpace")
    kind = KINDS.index(row["STAMP"])
    wait_until(lambda: marked(program, kind), what="the ring")
    assert [i for i in range(3) if marked(program, i)] == [kind]
    pixels = _codes(program.screen.grab(cell(program, kind))) == _code(artifactspy.MARK)
    rows, columns = np.nonzero(pixels)
    zoom = fit_of(program).side / 51
    middle_of_ring = (columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2
    place = [(int(row[axis]) + 0.5) * zoom for axis in "XY"]
    assert np.abs(np.subtract(middle_of_ring, place)).max() < zoom / 2
    radius = np.hypot(columns - place[0], rows - place[1])
    assert radius.std() < 3 and radius.min() > 2 * zoom  # a ring, around and not upon it
    agrees = given[-1].action == row["LABEL"]
    colour = artifactspy.GOOD_NEWS if agrees else artifactspy.BAD_NEWS
    reader.waits(program, f"{labels.BY_NAME[given[-1].action].text}. Enter keeps it.", colour)
    program.screen.key("Return")
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no ring")
    assert program.close() == 0
    assert (
        "made as, down; labelled, across    1    2    3    4    5    6    7    8" in program.output
    )
    for label in labels.LABELS:
        cells = [
            sum(truth[r.objid]["LABEL"] == label.name and r.action == other.name for r in given)
            for other in labels.LABELS
        ]
        line = f"  {label.key}  {label.name:<26}" + "".join(f"{n or '.':>5}" for n in cells)
        assert (line in program.output) == any(cells)


def test_what_others_said_is_told_after_the_press_only(begin, tmp_path, reader):
    path = put(tmp_path, plain_triplets())
    path.with_name("a--own.csv").write_text(
        "OBJID,USER,ACTION,COMMENT\n1,bob,Good,\n1,eve,Other,a star?\n1,joe,Good,\n2,bob,Good,\n"
    )
    program = begin()
    fit = fit_of(program)
    top = fit.top + fit.side + 1.6 * fit.unit + fit.keys
    line = fit.left, top, program.width - fit.left, top + 2.8 * fit.unit
    pass_time(0.3)
    assert set(_codes(program.screen.grab(line)).flat) == {_code(artifactspy.GROUND)}
    program.label("1")
    reader.waits(program, "1, the others: Good 2 (bob, joe); Other 1 (eve: a star?).")


# A picture card, and the clipboard


def test_p_saves_a_picture_card_and_says_where(begin, tmp_path):
    program = begin(plain_triplets())
    program.screen.key("p")
    found = wait_until(lambda: re.search(r"Picture: (.*\.png)", program.said()))
    path = tmp_path / "data" / "pictures" / found[1].rpartition("/")[2]
    assert found[1] == str(path) and re.fullmatch(r"1--[0-9_-]{19}.*\.png", path.name)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        line = np.asarray(picture.convert("L"))[picture.height // 2 - 20]
    ground = line[0]
    runs = [int(v) for i, v in enumerate(line) if v != ground and v != line[i - 1]]
    assert runs == list(SHADES)
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("a file where the folder should be")
    program.screen.key("p")
    wait_until(lambda: f"No picture: {path.parent} says" in program.said())
    assert program.label("6").objid == "1"


def test_the_object_id_is_copied_by_c_and_by_a_click_on_it(begin, reader):
    program = begin(plain_triplets())

    def clipboard():
        reader.root.update()
        try:
            return reader.root.clipboard_get()
        except tk.TclError:
            return None

    reader.root.clipboard_clear()
    program.screen.key("c")
    wait_until(lambda: clipboard() == "1", what="1 on the clipboard")
    reader.waits(program, "1 is on the clipboard.")
    program.label("6")
    fit = fit_of(program)
    program.screen.click(fit.left + 3 * (fit.side + fit.unit) + 10, fit.top + fit.unit)
    wait_until(lambda: clipboard() == "2", what="2 on the clipboard")
    assert len(program.rows()) == 1


# Every tool


def tools(program):
    """Return {action: (left, top, width, height)} of the buttons that are no labels."""
    fit = fit_of(program)
    x, y = fit.left + 3 * (fit.side + fit.unit), fit.top + 3 * fit.unit
    half = (fit.panel - fit.unit // 2) // 2
    columns = x, x + half + fit.unit // 2
    found = {"back": (x, y, half, 2.4 * fit.unit), "help": (columns[1], y, half, 2.4 * fit.unit)}
    for i, key in enumerate([key for key in artifactspy.KEYS if key.tool]):
        top = y + 2.8 * fit.unit + i // 2 * fit.tools
        found[key.action] = columns[i % 2], top, half, fit.tools
    return found


def focused(program, picture):
    """Return which of the tools have the frame of the focus in a picture of the window."""
    names = []
    for name, (left, top, _, height) in tools(program).items():
        edge = [picture[int(top + height * share), int(left) + 1] for share in (0.3, 0.7)]
        if edge == [_code(artifactspy.INK)] * 2:
            names.append(name)
    return names


def press_by_mouse(program, name):
    left, top, width, height = tools(program)[name]
    program.screen.click(left + width - 4, top + height - 4)


def press_by_tab(program, name):
    def look():
        return _codes(program.screen.grab((0, 0, program.width, program.height)))

    for _ in range(2 + len(tools(program)) + len(labels.LABELS)):
        before = look()
        if focused(program, before) == [name]:
            break
        program.screen.key("Tab")
        wait_until(lambda old=before: (look() != old).any(), what="another focus that can be seen")
    assert focused(program, look()) == [name]
    tap(program, "Return")


@pytest.mark.parametrize("press", [press_by_mouse, press_by_tab])
def test_every_tool_can_be_reached(begin, press):
    program = begin(plain_triplets())
    pages = [tuple(shade + step for shade in SHADES) for step in (0, 10, 20)]
    for shown in pages[1:]:
        program.label("6")
        await_shades(program, shown)
    for name, shown in (  # in the order of Tab
        ("back", pages[1]),
        ("back", pages[0]),
        ("forward", pages[1]),
        ("back", pages[0]),
        ("newest", pages[2]),
        ("keep_blinking", swapped(pages[2])),
        ("scaling", (128, 128, 128)),  # a constant stamp has no range to be linear in
        ("invert", (127, 127, 127)),
    ):
        press(program, name)
        await_shades(program, shown)
    press(program, "marks")
    wait_until(lambda: all(marked(program, i) for i in range(3)), what="marks")
    press(program, "reset")
    await_shades(program, pages[2])
    wait_until(lambda: not any(marked(program, i) for i in range(3)), what="no marks")
    press(program, "picture")
    wait_until(lambda: "Picture: " in program.said())
    press(program, "help")
    wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    assert len(program.rows()) == 2


def test_label_buttons_are_reached_by_tab_and_return(begin):
    program = begin(plain_triplets())
    x, y = map(int, button(program, "BadSubtraction"))
    fit = fit_of(program)
    below = y + fit.keys // 2 - 3  # within the frame of a focus

    def framed():
        row = _codes(program.screen.grab((x - 20, below, x + 20, y + fit.keys // 2 + 2)))
        return (row == _code(artifactspy.INK)).all(axis=1).any()

    program.repeat(lambda: program.screen.key("Tab"), framed)
    row = program.label(None, lambda: program.screen.key("Return"))
    assert row.action == "BadSubtraction"


# Sizes


def test_quick_resizing_never_blanks_the_stamps_for_long_and_ends_right(begin, tmp_path):
    program = begin(plain_triplets())
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    blank, longest = None, 0.0
    for step in range(40):
        program.width, program.height = 820 + 37 * (step * 7 % 20), 470 + 23 * (step * 3 % 20)
        program.screen.resize(program.window, program.width, program.height)
        for _ in range(4):
            lines = [program.screen.grab((0, y, 1600, y + 1)) for y in (160, 230, 320, 400)]
            wanted = {shade * 0x10101 for shade in SHADES}
            there = any(wanted <= set(_codes(line).flat) for line in lines)
            now = time.monotonic()
            blank = None if there else blank or now
            longest = max(longest, now - blank if blank else 0)
    assert longest < 0.5
    await_look(program, path, Look())
    for program.width, program.height in ((1500, 900), (800, 450)):
        program.screen.resize(program.window, program.width, program.height)
        await_look(program, path, Look())
    program.screen.point(program.width // 2, program.height - 3)
    assert program.label("6").objid == "1"


def test_nothing_moves_on_a_screen_of_many_dots_per_inch(begin, nothing, tmp_path):
    usual = begin(scenes(), first=None)
    home = tmp_path / "fine"
    home.mkdir()
    put(home, scenes())
    screen = Screen(1600, 1000, dpi=288)
    program = None
    try:
        program = Program(screen, home, "--hub", nothing, "--user", "ann").open_window()

        assert (usual.width, usual.height) == (program.width, program.height)
        wait_until(lambda: same_but_letters(usual, program), what="the same window")
    finally:
        if program:
            program.kill()
        screen.close()


def same_but_letters(one, other):
    """Tell whether two windows are the same, but for how exactly each letter is drawn."""
    if not all(map(np.array_equal, seen(one), seen(other))):
        return False
    grounds = [_code(colour) for kind in artifactspy.COLOURS.values() for colour in kind[:3]]
    grounds += [_code(colour) for colour in (artifactspy.CELL, artifactspy.ASLEEP)]
    first, second = (_codes(p.screen.grab((0, 0, p.width, p.height))) for p in (one, other))
    empty = np.isin(first, grounds), np.isin(second, grounds)
    both = empty[0] & empty[1]
    letters = [int((~each).sum()) for each in empty]
    return np.array_equal(first[both], second[both]) and abs(letters[0] / letters[1] - 1) < 0.02


# Odd stamps


def test_stamps_of_any_size_are_shown_at_one_zoom_or_passed_over_with_the_reason(begin):
    members = {
        "a/srch1.gif": plain(60, 60, 40),
        "a/temp1.gif": plain(120, 30, 30),
        "a/diff1.gif": plain(180, 20, 60),
        **{f"a/{kind}2.fits": fits_bytes(np.full((1, 1), 7.0)) for kind in KINDS},
        **{f"a/{kind}3.gif": plain(90) for kind in KINDS},
        "a/temp3.gif": plain(90, 4000, 4000),
        **{f"a/{kind}4.gif": plain(200) for kind in KINDS},
    }
    program = begin(members, SHADES)
    side = fit_of(program).side
    for i, (shade, width, height) in enumerate(((60, 60, 40), (120, 30, 30), (180, 20, 60))):
        rows, columns = np.nonzero(seen(program)[i][:, :, 0] == shade)
        size = columns.max() - columns.min() + 1, rows.max() - rows.min() + 1
        assert np.abs(np.subtract(size, (side * width / 60, side * height / 60))).max() <= 1
        # in the middle of its square
        assert abs(columns.min() + columns.max() - side) <= 3
        assert abs(rows.min() + rows.max() - side) <= 3
    program.label("6")
    await_shades(program, (128, 128, 128))
    program.screen.key("m")
    program.screen.point(*middle(cell(program, 1)))
    pass_time(artifactspy.GUARD)
    program.screen.key("6")
    await_shades(program, (200, 200, 200))
    wait_until(
        lambda: "temp3.gif: 4000 x 4000 pixels, and at most 1024 a side are shown" in program.said()
    )
    assert program.label("6").objid == "4"
    actions = {row.objid: row.action for row in program.rows()}
    assert actions == {"1": "Good", "2": "Good", "3": "Skipped", "4": "Good"}


def test_real_stamps_take_every_look(begin, real, tmp_path):
    """Surveys of different sizes, formats and units, one after the other."""
    folder = tmp_path / "data" / "chunks"
    folder.mkdir(parents=True)
    path = folder / "mixed-public-01.tar.gz"
    path.write_bytes((real / path.name).read_bytes())
    program = begin(first=None)
    objids = stamps.Chunk(path).objids
    tap(program, "m")
    fits = any(
        stamp.pixels.dtype != np.uint8
        for stamp in scaling.triplet(objids[0], stamps.Chunk(path).encoded(objids[0]))
    )
    if not fits:
        tap(program, "m")
    look = Look()
    for objid in objids[:4]:
        for name in [*[*scaling.SCALINGS][1:], "asinh"]:
            tap(program, "s")
            look = look._replace(scaling=name)
            wanted = drawn(program, path, objid, look)
            wait_until(
                lambda w=wanted: all(map(np.array_equal, map(centred, seen(program), w), w)),
                what=f"{objid} in {look}",
            )
        program.label("6")


def centred(square, picture):
    """Cut what a picture covers out of its square."""
    top, left = (square.shape[axis] // 2 - picture.shape[axis] // 2 for axis in (0, 1))
    return square[top : top + picture.shape[0], left : left + picture.shape[1]]
