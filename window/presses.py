"""What a press stands for on whatever keyboard: by what it types, else by where the key lies.

On some keyboards the digits need Shift (French, Czech), on others no key types a Latin letter
(Cyrillic, Greek, Persian): there the digit row without Shift counts as 1 to 0, and a letter of
another script as that of the same place on a US keyboard. What types a digit is that digit.
"""

from __future__ import annotations

import unicodedata

SHIFT = 0x01  # a bit of an event's state; Caps Lock is 0x02, and changes nothing here
# Control, Alt and Super are the window manager's, and on macOS Control and Command. There 0x40 says
# that it is an arrow, End or a function key.
OTHERS, OTHERS_AQUA = 0x4C, 0x0C
UNDO, UNDO_AQUA = 0x04, 0x08  # of these Control alone, and there Command alone
LEVELS, LEVELS_AQUA = 0xA0, 0x10  # AltGr and the like, Option: the key types something further


def _places(*rows: tuple[int, str]) -> dict[int, str]:
    return {first + i: typed for first, row in rows for i, typed in enumerate(row)}


X = _places((10, "1234567890"), (24, "qwertyuiop"), (38, "asdfghjkl"), (52, "zxcvbnm,."))
AQUA = _places(  # the virtual keys of macOS
    *((18, "1234"), (22, "65"), (25, "9"), (26, "7"), (28, "80")),
    *((0, "asdfhgzxcv"), (11, "bqweryt"), (31, "ou"), (34, "ip"), (37, "lj"), (40, "k")),
    *((43, ","), (45, "nm.")),
)


def key_of(keycode: int, aqua: bool = False) -> int:
    """Return which key an event is about; macOS has in its code what the key types besides."""
    # the upper bits, of which Tk until 8.6.10 had another idea
    return keycode >> 24 or keycode >> 16 & 0xFF if aqua else keycode


def meaning(keysym: str, char: str, keycode: int, state: int, aqua: bool = False) -> str:
    """Return what a press stands for.

    Parameters
    ----------
    keysym, char, keycode, state
        As Tk has them of an event.
    aqua
        Whether this Tk draws on macOS by itself, without X.

    Returns
    -------
    str
        A digit or letter as a US keyboard types it, capital with Shift alone, or X's name of the
        key; "undo" for Ctrl+Z, or Command-Z. Empty if it is not ours: a shortcut of the window
        manager, say.
    """
    place = (AQUA if aqua else X).get(key_of(keycode, aqua), "")
    others = state & (OTHERS_AQUA if aqua else OTHERS)
    if others:
        letter = keysym.lower() if len(keysym) == 1 else place
        alone = others == (UNDO_AQUA if aqua else UNDO) and not state & SHIFT
        return "undo" if alone and letter == "z" else ""
    typed = char if len(char) == 1 else keysym if len(keysym) == 1 else ""
    if typed.isdecimal():
        return str(unicodedata.decimal(typed))
    if state & (LEVELS_AQUA if aqua else LEVELS):
        place = ""
    shifted = state & SHIFT
    if place.isdecimal() and not shifted:
        return place
    name = place if place and not place.isdecimal() and _is_foreign(typed) else keysym
    return name if len(name) > 1 else name.upper() if shifted else name.lower()


def shifted_digit(keycode: int, state: int, aqua: bool = False) -> str:
    """Return the digit on whose place of the digit row a key is pressed with Shift, or nothing."""
    if not state & SHIFT or state & (OTHERS_AQUA if aqua else OTHERS):
        return ""
    place = (AQUA if aqua else X).get(key_of(keycode, aqua), "")
    return place if place.isdecimal() else ""


def _is_foreign(typed: str) -> bool:
    """Tell whether a character belongs to another script than Latin: no symbol, and no µ or ª."""
    kind = typed > "\u024f" and unicodedata.category(typed)[0]
    return kind in ("L", "M", "C") and not unicodedata.name(typed, "").startswith("LATIN")
