"""The strip of the latest labels: small pictures, and each of them a click away."""

import pytest
from conftest import KINDS, wait_until
from onscreen import (
    SHADES,
    await_shades,
    back_to,
    code,
    codes,
    colour_at,
    fit_of,
    plain,
    plain_triplets,
    tap,
)

from window import colours
from window.strip import COUNT, KEPT, Thumbnails

NAMES = {"1": "Bad Subtraction", "5": "Marginal", "6": "Good", "7": "Unsure"}


@pytest.fixture
def begin(begin):
    """Start the program in a window that has room for the strip."""

    def large(*words, size=(1280, 800)):
        program = begin(*words)
        program.width, program.height = size
        program.screen.resize(program.window, *size)
        program.screen.point(program.width // 2, program.height - 3)
        await_shades(program, SHADES)
        return program

    return large


def place(program, i):
    """Return where a small picture is: left, top, right and bottom."""
    fit = fit_of(program)
    left = fit.strip.x + i * (fit.strip.width + fit.unit) // COUNT
    side = min(fit.strip.height - 1.4 * fit.unit, (fit.strip.width + fit.unit) // COUNT - fit.unit)
    return int(left), int(fit.strip.y), int(left + side), int(fit.strip.y + side)


def shade(program, i):
    """Return the shade of a small picture, as that of Search is."""
    left, top, right, bottom = place(program, i)
    return int(colour_at(program, (left + right) // 2, (top + bottom) // 2)[1:3], 16)


def outlined(program):
    """Return which small pictures are outlined."""
    grabs = [codes(program.screen.grab(place(program, i))) for i in range(COUNT)]
    return [i for i, pixels in enumerate(grabs) if (pixels == code(colours.MARK)).sum() > 40]


def searches(*numbers):
    return [SHADES[0] + 10 * (number - 1) for number in numbers]


def await_strip(program, *numbers):
    wanted = searches(*numbers)
    wait_until(lambda: [shade(program, i) for i in range(len(wanted))] == wanted, what=f"{numbers}")


def shown(number):
    return tuple(shade + 10 * (number - 1) for shade in SHADES)


def test_the_latest_labels_are_small_pictures_with_their_names(begin, reader):
    program = begin(plain_triplets(5))
    for key in "6157":
        program.label(key)
        reader.waits(program, NAMES[key], colours.DIM)
    await_strip(program, 1, 2, 3, 4)
    assert outlined(program) == []
    left, top, right, bottom = place(program, 4)
    pixels = codes(program.screen.grab((left, top, right, bottom)))
    assert set(pixels.flat) == {code(colours.GROUND)}, "one that has no label yet"


def test_a_click_goes_to_a_detection_which_is_outlined_and_back_does_too(begin, reader):
    program = begin(plain_triplets(5))
    for key in "615":
        program.label(key)
    await_strip(program, 1, 2, 3)
    left, top, right, bottom = place(program, 1)
    program.screen.click((left + right) / 2, (top + bottom) / 2)
    await_shades(program, shown(2))
    wait_until(lambda: outlined(program) == [1], what="the outline")
    reader.waits(program, "Bad Subtraction. Enter keeps it.")
    program.screen.point(program.width // 2, program.height - 3)
    tap(program, "Return")  # also on a page to which one did not go back
    await_shades(program, shown(3))
    reader.waits(program, "Marginal. Enter keeps it.")
    wait_until(lambda: outlined(program) == [2], what="the outline")
    back_to(program, shown(2))
    assert program.label("6").objid == "2"
    reader.waits(program, "Marginal. Enter keeps it.")  # of the third, which follows
    tap(program, "End")
    await_shades(program, shown(4))
    wait_until(lambda: outlined(program) == [], what="no outline")
    assert len(program.rows()) == 4


def test_the_strip_holds_the_last_eight_and_follows_who_goes_back_further(begin):
    members = {
        f"a/{kind}{number}.gif": plain(shade + 5 * (number - 1))
        for number in range(1, 13)
        for kind, shade in zip(KINDS, SHADES)
    }
    program = begin(members)

    def holds(*numbers):
        wanted = [SHADES[0] + 5 * (number - 1) for number in numbers]
        wait_until(lambda: [shade(program, i) for i in range(COUNT)] == wanted, what=f"{numbers}")

    for _ in range(10):
        program.label("6")
    holds(*range(3, 11))
    for number in range(10, 0, -1):
        back_to(program, tuple(each + 5 * (number - 1) for each in SHADES))
    holds(*range(1, 9))
    assert outlined(program) == [0]


def test_where_there_is_no_room_there_is_no_strip_and_all_else_works(begin):
    program = begin(plain_triplets(3), size=(800, 450))
    assert program.label("6").objid == "1"
    await_shades(program, shown(2))
    assert program.label("6").objid == "2"


def test_small_pictures_are_no_larger_than_asked_and_the_oldest_go(root):
    import tkinter as tk

    thumbnails = Thumbnails()
    for width, height in ((338, 338), (120, 30), (51, 51), (3, 3)):
        thumbnails.take("1", tk.PhotoImage(master=root, width=width, height=height), 56)
        taken = thumbnails.get("1")
        assert max(taken.width(), taken.height()) <= 56
        assert max(taken.width(), taken.height()) > 56 / 2 or width <= 56
    thumbnails.take("2", tk.PhotoImage(master=root), 56)
    assert thumbnails.get("2") is None
    photo = tk.PhotoImage(master=root, width=51, height=51)
    for number in range(3, KEPT + 3):
        thumbnails.take(str(number), photo, 10)
    assert thumbnails.get("1") is None and thumbnails.get("3")
    del thumbnails, photo, taken
