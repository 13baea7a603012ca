"""Where things are in a window of any size."""

import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, Program, Screen, put, wait_until
from onscreen import SHADES, await_look, await_shades, code, codes, plain_triplets, scenes, seen

import labels
from look import Look
from window import colours, layout


@pytest.mark.parametrize(
    "width, height",
    [(800, 450), (1024, 600), (1280, 600), (1600, 1000), (3840, 2160), (3440, 900), (900, 1600)],
)
def test_everything_fits_into_the_window(width, height):
    fit = layout.fit(width, height)
    assert fit.side >= 190 and fit.unit >= 12
    assert fit.left >= 0 and fit.left + 3 * (fit.side + fit.unit) + fit.panel <= width
    assert fit.top >= 1.7 * fit.unit
    # below the stamps: the buttons, the message and the status line
    assert fit.top + fit.side + fit.unit + fit.keys <= height - 5 * fit.unit
    # beside the stamps: Object ID, Back and Help above, the labels' buttons below
    beside = [label for label in labels.LABELS if label.place == "side"]
    assert fit.side >= 5.4 * fit.unit + len(beside) * (fit.keys + fit.unit // 2)


NINTH = """
import itertools, sys
import labels
labels.LABELS += (labels.LABELS[0]._replace(name="Ninth", key="9", place=sys.argv[1]),)
from window import keys, layout
assert keys.LABELS["9"] == "Ninth"
for width, height in (800, 450), (1024, 600), (1280, 600), (1600, 1000), (3840, 2160), (900, 1600):
    fit = layout.fit(width, height)
    boxes = [fit.stamp(i) for i in range(3)] + [fit.large_tool(i) for i in range(2)]
    boxes += [fit.tool(i) for i in range(len(keys.TOOLS)) if fit.tools]
    boxes += [fit.label(label.name) for label in labels.LABELS] + [fit.message, fit.status]
    for box in boxes:
        assert box.x >= 0 and box.x + box.width <= width and box.y + box.height <= height, box
        assert box.height >= 1.5 * fit.unit, box
    for a, b in itertools.combinations(boxes, 2):
        aside = a.x + a.width <= b.x or b.x + b.width <= a.x
        assert aside or a.y + a.height <= b.y or b.y + b.height <= a.y, (width, a, b)
"""


@pytest.mark.parametrize("place", ["below", "side"])
def test_a_ninth_label_gets_a_key_and_a_button_that_hides_nothing(place):
    command = [sys.executable, "-c", NINTH, place]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "kept, size",
    [
        ("1100x640", "1100x640"),
        ("99999x99999", "1600x940"),
        ("1x1", "800x450"),
        ("-5x-5", "800x450"),
        ("wide", "1280x600"),
        ("1e3x600", "1280x600"),
        ("1x2x3", "1280x600"),
    ],
)
def test_the_window_is_as_large_as_it_was_left_but_never_larger_than_the_screen(kept, size):
    assert "{}x{}".format(*layout.opening_size(kept, 1600, 1000)) == size


@pytest.mark.parametrize(
    "dpi, size",
    [(96, "1280x600"), (192, "2560x1200"), (144, "1920x900"), (75, "1280x600")]
    + [(1e6, "3840x1800"), (float("inf"), "3840x1800"), (float("nan"), "1280x600")],
)
def test_the_first_window_is_as_many_inches_wide_on_a_fine_screen(dpi, size):
    assert "{}x{}".format(*layout.opening_size("", 3840, 2160, dpi)) == size


def test_the_first_window_on_a_fine_screen_has_text_that_can_be_read(alone, nothing, tmp_path):
    """On a 4K screen of 27 inches it was 7 inches wide, and its letters had 5 points."""
    put(tmp_path, "a--own.tar.gz", plain_triplets())
    words = "--hub", nothing, "--user", "ann"
    program = alone(*words, width=3840, height=2160, dpi=192).open_window(picture=False)
    await_shades(program, SHADES)
    assert layout.fit(program.width, program.height).unit * 72 / 192 >= 9
    assert program.width >= 3840 / 2 and program.height >= 2160 / 2
    assert program.label("6").objid == "1"


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
            there = any(wanted <= set(codes(line).flat) for line in lines)
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
    put(home, "a--own.tar.gz", scenes())
    settings = home / "data" / "settings.ini"
    settings.write_text(f"[artifactspy]\nwindow = {usual.width}x{usual.height}\n")
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
    grounds = [code(colour) for kind in colours.BUTTONS.values() for colour in kind[:3]]
    grounds += [code(colour) for colour in (colours.CELL, colours.ASLEEP)]
    first, second = (codes(p.screen.grab((0, 0, p.width, p.height))) for p in (one, other))
    empty = np.isin(first, grounds), np.isin(second, grounds)
    both = empty[0] & empty[1]
    letters = [int((~each).sum()) for each in empty]
    return np.array_equal(first[both], second[both]) and abs(letters[0] / letters[1] - 1) < 0.02
