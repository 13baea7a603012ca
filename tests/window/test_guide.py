"""Help, which stays open beside the window."""

import tkinter as tk

import numpy as np
import pytest
from conftest import put, wait_until
from onscreen import SHADES, await_shades, code, codes, plain_triplets, seen

import labels
from window import colours, guide, layout
from window.example import Example
from window.fonts import Fonts
from window.layout import Box


def test_help_opens_beside_and_labelling_goes_on(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.screen.key("question")
    window = wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    assert window.get_geometry().width > 300
    program.label("6")
    geometry = window.get_geometry()
    program.screen.click(geometry.x + geometry.width // 2, geometry.y + geometry.height // 2)
    assert program.label("5").action == "Marginal"  # the keys work with the focus in Help, too
    program.screen.key("Escape")
    wait_until(lambda: not program.screen.window("ArtifactSpy: help"))
    assert program.label("6").action == "Good"
    assert program.close() == 0


def test_questions_come_in_the_order_in_which_they_are_asked(root):
    fonts = Fonts(root)
    help_window = guide.Guide(root, "whom", layout.fit(1280, 600), [("x", "a key")])
    (text,) = [child for child in help_window.winfo_children() if isinstance(child, tk.Text)]
    told = text.get("1.0", "end")
    places = [told.index(label.question) for label in sorted(labels.LABELS, key=lambda x: x.asked)]
    assert places == sorted(places) and told.index("a key") > places[-1]
    assert [label.asked for label in labels.LABELS] != sorted(x.asked for x in labels.LABELS)
    del fonts


def test_examples_are_large_enough_to_be_judged(root):
    fonts = Fonts(root)
    for size in ((800, 450), (1366, 768), (3840, 2160)):
        help_window = guide.Guide(root, "whom", layout.fit(*size), [])
        (text,) = [child for child in help_window.winfo_children() if isinstance(child, tk.Text)]
        shown = [child for child in text.winfo_children() if isinstance(child, Example)]
        assert len(shown) >= len(labels.LABELS)
        for example in shown:
            gap = 3 * int(example.cget("height")) / 51
            assert (int(example.cget("width")) - 2 * gap) / 3 >= 150
        help_window.destroy()
    del fonts


def test_it_says_where_rings_trails_and_cosmic_rays_go_and_uses_no_word_that_puzzles(root):
    fonts = Fonts(root)
    help_window = guide.Guide(root, "whom", layout.fit(1280, 600), [])
    (text,) = [child for child in help_window.winfo_children() if isinstance(child, tk.Text)]
    told = text.get("1.0", "end")
    (line,) = [line for line in told.splitlines() if "Rings, satellite trails" in line]
    assert "cosmic rays: Other, and the comment" in line
    for word in ("electron", "S/N", "made as", "NoisyTemplate"):
        assert word not in told
    del fonts


def over(a, b):
    aside = a.x + a.width <= b.x or b.x + b.width <= a.x
    return not (aside or a.y + a.height <= b.y or b.y + b.height <= a.y)


@pytest.mark.parametrize(
    "window, screen",
    [
        ((0, 0, 1366, 768), (1366, 768)),
        ((0, 0, 1366, 700), (1366, 768)),
        ((0, 27, 1920, 1053), (1920, 1080)),
        ((0, 0, 3840, 2160), (3840, 2160)),
        ((0, 0, 800, 720), (1920, 1080)),
        ((1100, 0, 800, 720), (1920, 1080)),
        ((600, 200, 1366, 768), (2560, 1440)),
        ((0, 0, 3440, 900), (3440, 900)),
    ],
)
def test_it_covers_no_stamp(window, screen):
    window, fit = Box(*window), layout.fit(*window[2:])
    zoom = max(3, round(fit.unit / 5))
    least = 159 * zoom + 6 * fit.unit, 51 * zoom + 3 * fit.unit
    place = guide.where(window, fit, Box(0, 0, *screen), *least)
    assert place.x >= 0 and place.x + place.width <= screen[0]
    assert place.y >= 0 and place.y + place.height <= screen[1]
    assert place.width >= least[0] and place.height >= least[1]
    for i in range(3):
        x, y, width, height = fit.stamp(i)
        assert not over(place, Box(window.x + x, window.y + y, width, height))


def test_on_a_small_screen_it_stays_on_it():
    place = guide.where(Box(0, 0, 1024, 600), layout.fit(1024, 600), Box(0, 0, 1024, 600), 550, 190)
    assert place.x >= 0 and place.x + place.width <= 1024
    assert place.y >= 0 and place.y + place.height <= 600


def test_on_the_screen_the_stamps_are_seen_beside_help(begin, alone, nothing, tmp_path):
    put(tmp_path, "a--own.tar.gz", plain_triplets())
    settings = tmp_path / "data" / "settings.ini"
    settings.write_text("[artifactspy]\nwindow = 1366x708\n")
    words = "--hub", nothing, "--user", "ann"
    program = alone(*words, width=1366, height=768).open_window(picture=False)
    await_shades(program, SHADES)
    program.screen.point(program.width // 2, 5)
    before = seen(program)
    program.screen.key("question")
    window = wait_until(lambda: program.screen.window("ArtifactSpy: help"))
    place = window.get_geometry()
    box = (place.x, place.y, place.x + place.width, place.y + place.height)
    wait_until(lambda: code(colours.MARK) in codes(program.screen.grab(box)) or True)
    assert all(map(np.array_equal, seen(program), before))
    assert place.width >= 1000 and place.height >= 200
