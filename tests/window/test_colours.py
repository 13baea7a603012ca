"""Every text can be read on its ground, and kinds of labels are told apart by everyone."""

from itertools import combinations

import numpy as np
import pytest

import labels
from window import colours
from window.colours import BUTTONS

READABLE = 4.5  # the contrast that WCAG 2.1 asks of text
# how those see who have no cones for green: Machado, Oliveira and Fernandes (2009)
NO_GREEN = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
NEWS = colours.INK, colours.DIM, colours.MARK, colours.GOOD_NEWS, colours.BAD_NEWS
PAIRS = [
    *((text, colours.GROUND) for text in NEWS),
    *((text, colours.CELL) for text in (colours.INK, colours.DIM, colours.MARK)),
    *((text, colours.PAPER) for text in (colours.INK, colours.DIM)),
    (colours.INK, colours.BANNER),
    *((colours.FAINT, ground) for ground in (colours.GROUND, colours.ASLEEP)),
    *((shades.text, ground) for shades in BUTTONS.values() for ground in shades[:3]),
    *((colours.MARK, ground) for ground in BUTTONS["tool"][:3]),
]


def light(colour):
    """Return red, green and blue as shares of light."""
    shares = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dark, bright = sorted(float(light(colour) @ XYZ[1]) for colour in (one, other))
    return (bright + 0.05) / (dark + 0.05)


def lab(rgb):
    """Return CIELAB of shares of light: in it, 2.3 is a difference that one just sees."""
    x, y, z = np.cbrt(XYZ @ rgb / np.array([0.9505, 1, 1.089]))  # none of ours is nearly black
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("text, ground", PAIRS)
def test_every_text_has_enough_contrast(text, ground):
    assert contrast(text, ground) >= READABLE


def test_a_press_is_seen_and_so_is_the_pointer():
    for shades in BUTTONS.values():
        assert contrast(shades.usual, shades.pressed) >= 1.6
        assert contrast(shades.usual, shades.pointed) >= 1.15


@pytest.mark.parametrize("sight", [np.eye(3), NO_GREEN], ids=["usual", "no green"])
def test_kinds_of_labels_are_told_apart(sight):
    kinds = {label.kind for label in labels.LABELS}
    assert len(kinds) == 3
    for one, other in combinations(kinds, 2):
        seen = [lab(np.clip(sight @ light(BUTTONS[kind].usual), 0, 1)) for kind in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) >= 10


def test_labels_are_calmer_than_the_stars():
    """The brightest ground of a label is darker than the middle grey of a stamp."""
    for label in labels.LABELS:
        assert light(BUTTONS[label.kind].usual) @ XYZ[1] < light("#808080") @ XYZ[1] / 2
