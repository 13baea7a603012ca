"""Buttons: clicks, double clicks, light, and the way to each with Tab."""

import time

import pytest
from conftest import wait_until
from onscreen import (
    SHADES,
    back_to,
    button,
    code,
    codes,
    colour_at,
    fit_of,
    pass_time,
    plain_triplets,
)

from window import colours
from window.window import GUARD


@pytest.mark.parametrize("name", ["BadSubtraction", "DarkSpotInTemplateCenter", "Good"])
def test_a_click_labels(start, hub, name):
    program = start("--hub", hub, "--user", "ann").open_window()
    row = program.label(name, lambda: program.screen.click(*button(program, name)))
    assert row.action == name


def test_a_double_click_labels_one_detection(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    spot = button(program, "Good")

    def double_click():
        # slower than the guard of a new picture, faster than what counts as a double click
        program.screen.click(*spot)
        pass_time(GUARD + 0.05)
        program.screen.click(*spot)

    program.page_turns(double_click)
    program.label("2")
    assert [row.action for row in program.rows()] == ["BadSubtraction", "Good", "PsfInTemplate"]


def test_a_triple_click_labels_one_detection_and_steady_clicks_go_on(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    spot = button(program, "Good")
    for _ in range(3):
        program.screen.click(*spot)
        pass_time(GUARD + 0.05)
    assert [row.action for row in program.rows()] == ["BadSubtraction", "Good"]
    program.label("Good", lambda: program.screen.click(*spot))


def test_a_pressed_button_lights_up(begin):
    program = begin(plain_triplets())
    x, y = button(program, "Good")
    colour, _, lit, *_ = colours.BUTTONS["real"]
    y -= fit_of(program).label("Good").height // 2 - 8
    pass_time(GUARD)
    program.screen.key("6")
    wait_until(lambda: colour_at(program, int(x), int(y)) == lit, 2, "the light")
    start = time.monotonic()
    wait_until(lambda: colour_at(program, int(x), int(y)) == colour, 2, "the usual colour")
    assert time.monotonic() - start > 0.06  # long enough to be seen


def test_a_pressed_button_lights_up_also_if_it_was_the_label_before(begin):
    program = begin(plain_triplets())
    program.label("6")
    back_to(program, SHADES)
    pass_time(GUARD)
    x, y = button(program, "Good")
    y -= fit_of(program).label("Good").height // 2 - 8
    lit = colours.BUTTONS["real"][2]
    program.screen.key("6")
    wait_until(lambda: colour_at(program, int(x), int(y)) == lit, 2, "the light")
    start = time.monotonic()
    wait_until(lambda: colour_at(program, int(x), int(y)) != lit, 2, "the usual colour")
    assert time.monotonic() - start > 0.06  # long enough to be seen


def test_label_buttons_are_reached_by_tab_and_return(begin):
    program = begin(plain_triplets())
    x, y = map(int, button(program, "BadSubtraction"))
    height = fit_of(program).label("BadSubtraction").height
    below = y + height // 2 - 3  # within the frame of a focus

    def framed():
        row = codes(program.screen.grab((x - 20, below, x + 20, y + height // 2 + 2)))
        return (row == code(colours.INK)).all(axis=1).any()

    program.repeat(lambda: program.screen.key("Tab"), framed)
    row = program.label(None, lambda: program.screen.key("Return"))
    assert row.action == "BadSubtraction"
