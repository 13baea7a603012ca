"""Any keyboard: by what a key types, else by where it lies."""

import pytest
from conftest import put
from onscreen import SHADES, await_shades, pass_time, plain_triplets

import labels
from window.presses import AQUA, meaning, shifted_digit
from window.window import GUARD

KEYBOARDS = {
    **{
        name: (name,)
        for name in ("us", "fr", "be", "cz", "hu", "ir", "ara", "ru", "gr", "il", "th")
    },
    "Devanagari": ("in", "-variant", "deva"),
    "bepo": ("fr", "-variant", "bepo"),
    "Dvorak": ("us", "-variant", "dvorak"),
}
OTHER_SCRIPTS = ("ru", "gr", "ir", "il", "th", "Devanagari")
NAMES = [label.name for label in labels.LABELS]


@pytest.mark.parametrize("keyboard", KEYBOARDS)
def test_the_digit_row_labels_on_every_keyboard_without_shift(alone, hub, keyboard):
    program = alone("--hub", hub, "--user", "ann").open_window()
    program.screen.use_keyboard(*KEYBOARDS[keyboard])
    given = [
        program.label("", lambda c=code: program.screen.press_place(c)) for code in range(10, 17)
    ]
    assert [row.action for row in given] == NAMES[:7]


@pytest.mark.parametrize("keyboard", ["fr", "cz"])
def test_a_digit_that_needs_shift_labels_with_it_too(alone, hub, keyboard):
    program = alone("--hub", hub, "--user", "ann").open_window()
    program.screen.use_keyboard(*KEYBOARDS[keyboard])
    for code in (10, 15):
        row = program.label("", lambda c=code: program.screen.press_place(c, "Shift_L"))
        assert row.action == NAMES[code - 10]


@pytest.mark.parametrize("keyboard", ["us", "ru", "gr", "ir", "Devanagari"])
def test_what_shift_makes_of_a_digit_labels_nothing(alone, hub, keyboard):
    program = alone("--hub", hub, "--user", "ann").open_window()
    program.screen.use_keyboard(*KEYBOARDS[keyboard])
    pass_time(GUARD)
    for code in range(10, 16):
        program.screen.press_place(code, "Shift_L")
        pass_time(0.05)
    assert program.label("", lambda: program.screen.press_place(15)).action == "Good"
    assert len(program.rows()) == 1


@pytest.mark.parametrize("keyboard", OTHER_SCRIPTS)
def test_letters_of_other_scripts_work_by_their_place(alone, tmp_path, nothing, keyboard):
    put(tmp_path, "a--own.tar.gz", plain_triplets())
    program = alone("--hub", nothing, "--user", "ann").open_window(picture=False)
    await_shades(program, SHADES)
    program.screen.use_keyboard(*KEYBOARDS[keyboard])
    for wanted in (tuple(255 - shade for shade in SHADES), SHADES):
        program.screen.press_place(31)  # i
        await_shades(program, wanted)
        pass_time(0.05)
    assert not program.rows()


@pytest.mark.parametrize(
    "press, wanted",
    [
        (("i", "i", 31, 0), "i"),
        (("I", "I", 31, 2), "i"),  # Caps Lock
        (("b", "b", 56, 3), "B"),  # Caps Lock and Shift
        (("minus", "-", 15, 0), "6"),  # French
        (("minus", "-", 20, 0), "minus"),
        (("KP_6", "6", 83, 0x10), "6"),
        (("KP_Right", "", 85, 0), "KP_Right"),
        (("6", "6", 15, 4), ""),
        (("z", "\x1a", 52, 4), "undo"),
        (("z", "\x1a", 29, 4), "undo"),  # German
        (("Cyrillic_ya", "\u044f", 52, 4), "undo"),
        (("Z", "\x1a", 52, 6), "undo"),  # Caps Lock
        (("Z", "\x1a", 52, 5), ""),  # Shift, as well
        (("z", "\x1a", 52, 12), ""),  # Alt, as well
        (("w", "\x17", 52, 4), ""),  # French
        (("EuroSign", "€", 26, 0x80), "EuroSign"),
        (("mu", "µ", 58, 0x80), "mu"),
        (("onesuperior", "¹", 10, 0x80), "onesuperior"),
        (("ccedilla", "ç", 54, 0), "ccedilla"),  # a Latin letter is nobody's c
        (("comma", ",", 58, 0), "comma"),  # French: where m is on a US keyboard
        (("Cyrillic_be", "б", 59, 0), ","),
        (("U200C", "\u200c", 56, 1), "B"),  # Persian
        (("Left", "", 113, 0), "Left"),
    ],
)
def test_what_a_press_stands_for(press, wanted):
    assert meaning(*press) == wanted


@pytest.mark.parametrize("bits", [24, 16])
def test_on_macos_it_is_the_virtual_key_that_has_a_place(bits):
    digits = [18, 19, 20, 21, 23, 22, 26, 28, 25, 29]
    typed = [
        meaning("x", char, key << bits | ord(char), 0, True)
        for key, char in zip(digits, "&é\"'(§è!çà")
    ]
    assert typed == list("1234567890")
    assert meaning("Cyrillic_sha", "ш", 34 << bits | ord("ш"), 0, True) == "i"
    assert meaning("exclam", "!", 18 << bits | ord("!"), 1, True) == "exclam"
    assert meaning("End", "\uf72b", 119 << bits | 0xF72B, 0x40, True) == "End"
    assert meaning("1", "1", 18 << bits | ord("1"), 0x08, True) == ""  # with Command
    assert meaning("z", "z", 6 << bits | ord("z"), 0x08, True) == "undo"
    assert meaning("z", "\x1a", 6 << bits | 0x1A, 0x04, True) == ""  # with Control
    assert meaning("exclamdown", "¡", 18 << bits | ord("¡"), 0x10, True) == "exclamdown"
    assert sorted(AQUA.values()) == sorted("1234567890abcdefghijklmnopqrstuvwxyz,.")


@pytest.mark.parametrize(
    "press, digit",
    [
        ((10, 1), "1"),
        ((17, 1 | 2), "8"),  # and Caps Lock
        ((10, 0), ""),
        ((10, 1 | 4), ""),  # with Control
        ((24, 1), ""),  # q
        ((18 << 24 | ord("!"), 1, True), "1"),
    ],
)
def test_shift_with_a_key_of_the_digit_row_is_told_apart(press, digit):
    assert shifted_digit(*press) == digit
