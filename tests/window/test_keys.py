"""The keyboard: presses, repeats, releases, and keys that are held."""

import os
import signal

import pytest
from conftest import verified, wait_until
from onscreen import (
    SHADES,
    await_look,
    await_shades,
    pass_time,
    plain_triplets,
    scenes,
    shades,
    swapped,
    tap,
)

import labels
from look import Look
from window import keys
from window.appearance import Appearance
from window.window import GUARD, Window


def test_keys_label_one_detection_after_the_other(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    given = [program.label(key) for key in "1234567"]
    order = [row.objid for row in given]
    assert len(set(order)) == 7 and set(order) <= {str(n) for n in range(101, 113)}
    assert [row.action for row in given] == [label.name for label in labels.LABELS[:7]]
    assert all(row.metadata_stamp == "first" and 0.15 <= float(row.seconds) < 20 for row in given)
    assert program.close() == 0
    assert verified(hub) == {row.objid: row.action for row in given}


def test_presses_right_after_a_new_picture_are_ignored(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    for _ in range(2):
        program.page_turns(lambda: wait_and_burst(program))
    assert len(program.rows()) == 3


def wait_and_burst(program):
    """Press two keys in quick succession, as someone with a trembling hand does."""
    pass_time(GUARD + 0.05)
    program.screen.key("5")
    program.screen.key("6")


def test_a_key_held_down_labels_one_detection(start, hub):
    program = start("--hub", hub, "--user", "ann").open_window()
    program.label("1")
    program.page_turns(lambda: wait_and_hold(program))
    for _ in range(40):  # 25 times a second
        pass_time(0.04)
        program.screen.repeat("6")
    program.screen.key("6", down=False)
    assert [row.action for row in program.rows()] == ["BadSubtraction", "Good"]
    assert program.label("6").action == "Good"  # and released, it labels again


def wait_and_hold(program):
    pass_time(GUARD + 0.05)
    program.screen.key("6", up=False)


def test_presses_that_the_program_was_kept_from_seeing_count_all_the_same(begin):
    program = begin(plain_triplets())
    os.kill(program.pid, signal.SIGSTOP)
    for _ in range(3):
        tap(program, "i")
    os.kill(program.pid, signal.SIGCONT)
    await_shades(program, tuple(255 - shade for shade in SHADES))


def test_b_that_is_released_in_another_window_does_not_stay_down(begin):
    program = begin(plain_triplets())
    program.screen.key("b", up=False)
    await_shades(program, swapped(SHADES))
    program.screen.point(1590, 990)
    await_shades(program, SHADES)
    program.screen.key("b", down=False)


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


@pytest.mark.parametrize("modifier", ["Control_L", "Alt_L", "Super_L"])
def test_a_shortcut_of_the_desktop_labels_nothing(begin, modifier):
    program = begin(plain_triplets())
    pass_time(GUARD)
    for code in (10, 15, 19, 31):  # 1, 6, 0, i
        program.screen.press_place(code, modifier)
        pass_time(0.05)
    tap(program, "i")  # after all these this one is known to have come through
    await_shades(program, tuple(255 - shade for shade in SHADES))
    assert not program.rows()


def test_caps_lock_changes_nothing(begin):
    program = begin(plain_triplets())
    program.screen.key("Caps_Lock")
    try:
        program.screen.key("b", up=False)
        await_shades(program, swapped(SHADES))
        program.screen.key("b", down=False)
        await_shades(program, SHADES)  # with B it would go on
        assert program.label("6").action == "Good"
        after = tuple(shade + 10 for shade in SHADES)
        program.screen.press_place(56, "Shift_L")  # B
        for _ in range(2):
            await_shades(program, swapped(after))
            await_shades(program, after)
    finally:
        program.screen.key("Caps_Lock")


def test_every_key_does_one_thing_that_the_window_or_a_part_of_it_can():
    names = [name for key in keys.KEYS for name in key.names]
    assert len(names) == len(set(names)) == len(keys.PRESSES)
    assert not set(names) & set(keys.LABELS)
    for action in [key.action for key in keys.KEYS] + [key.release for key in keys.KEYS]:
        part, _, method = action.rpartition(".")
        owner = {"": Window, "appearance": Appearance}[part]
        assert not action or callable(getattr(owner, method))


def test_space_gives_no_label_where_tab_has_been_and_enter_does(begin, tmp_path):
    """Space is held to look closer, with the eyes on the stamps and not on the focus."""
    program = begin(scenes(), first=None)
    path = tmp_path / "data" / "chunks" / "a--own.tar.gz"
    tap(program, "m")
    await_look(program, path, Look())
    pass_time(GUARD)
    for _ in range(len(keys.TOOLS) + 1):
        tap(program, "Tab")
    program.screen.key("space", up=False)
    await_look(program, path, Look(smooth=True))
    program.screen.key("space", down=False)
    await_look(program, path, Look())
    assert not program.rows()
    tap(program, "Return")
    wait_until(program.rows, what="the label of the button with the focus")
    assert program.rows()[0].action == labels.LABELS[0].name
