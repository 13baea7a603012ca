"""The keyboard: which key does what, as data, and what of a press, a release or a held key counts.

Another key is another line of `KEYS`, and the method that it names.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import NamedTuple

import labels
from window.button import Button
from window.presses import key_of, meaning, shifted_digit

RELEASE = 20  # ms; auto-repeat sends release and press together, no finger is that fast


class Key(NamedTuple):
    """What some keys do, and how the window and Help offer it."""

    names: tuple[str, ...]  # what `presses.meaning` says of them
    action: str  # a method of `window.window.Window`, or after a dot of one of its parts
    shown: str
    what: str  # for Help
    tool: str = ""  # the text of a small button that does the same
    repeats: bool = False  # while it is held down
    release: str = ""  # a method as `action`, for when the key is up again


KEYS = (
    Key(
        ("BackSpace", "Left", "undo"),
        "back",
        "⌫, ←, Ctrl+Z",
        "one detection back (Mac: Command-Z)",
        "Back",
        repeats=True,
    ),
    Key(("Right",), "forward", "→", "one forward again, as far as you have been", "Forward", True),
    Key(("End",), "newest", "End", "forward to where you were", "Newest"),
    Key(
        ("Return", "KP_Enter"),
        "go_on",
        "Enter",
        "keep a comment; after Back: keep the label and go on",
    ),
    Key(
        ("b",),
        "appearance.blink",
        "b",
        "while held, or a click held on a stamp: swap Search and Template",
        release="appearance.stop_blinking",
    ),
    Key(
        ("B",),
        "appearance.keep_blinking",
        "B",
        "swap them again and again, until pressed again",
        "Blink",
    ),
    Key(
        ("space",),
        "appearance.smooth",
        "Space",
        "while held: all three smoothed, so that what is faint stands out",
        release="appearance.stop_smoothing",
    ),
    Key(("g", "G"), "appearance.keep_smoothing", "g", "smooth until pressed again", "Smooth"),
    Key(("s", "S"), "appearance.next_scaling", "s", "the next scaling", "Scaling"),
    Key(
        ("i", "I", "idotless", "Iabovedot"),
        "appearance.invert",
        "i",
        "bright pixels dark",
        "Invert",
    ),
    Key(
        ("m", "M"),
        "appearance.toggle_marks",
        "m",
        "marks that point at the centre on and off",
        "Marks",
    ),
    Key((",", "comma"), "appearance.darker", ",", "less brightness", repeats=True),
    Key((".", "period"), "appearance.brighter", ".", "more brightness", repeats=True),
    Key(("plus", "equal", "KP_Add"), "appearance.harder", "+", "more contrast", repeats=True),
    Key(("minus", "KP_Subtract"), "appearance.softer", "-", "less contrast", repeats=True),
    Key(("0",), "appearance.reset", "0", "all that changes the look as it was", "Reset"),
    Key(("p", "P"), "save_card", "p", "save a picture card of the detection, to post", "Picture"),
    Key(("c", "C"), "copy", "c", "copy the Object ID; so does a click on it"),
    Key(("question", "F1"), "help", "?, F1", "open and close this window", "Help"),
    Key(("Escape",), "escape", "Escape", "cancel a comment; close this window; leave a button"),
)
TOOLS = tuple(key for key in KEYS if key.tool)
PRESSES = {name: key for key in KEYS for name in key.names}
WHILE_TYPING = ("Return", "KP_Enter", "Escape", "F1")  # a line of text; all else is for that
LABELS = {label.key: label.name for label in labels.LABELS}
POINTER_HELP = (
    ("right drag", "on a stamp: brightness across, contrast up and down, of all three"),
    ("right click twice", "brightness and contrast as they were"),
    ("rest on a button", "what its label means; so does Shift with its key, while held"),
)


def for_help() -> list[tuple[str, str]]:
    """Return what keys and pointer do, as Help tells it: which, and what."""
    label_keys = f"{labels.LABELS[0].key} to {labels.LABELS[-1].key}"
    first = label_keys, "give the label that carries the number, and go on"
    return [first, *((key.shown, key.what) for key in KEYS), *POINTER_HELP]


class Keyboard:
    """Hands each key that counts to the window.

    Held down, a key labels one detection, but turns many pages. What is held is told apart from
    what is pressed again by the X server's clock: this process may have been kept waiting, and
    then its own timers are early or late.

    Parameters
    ----------
    root
        The window.
    act
        ``act(action)`` does what a `Key` names as its action or its release.
    press
        ``press(name)`` gives a label.
    explain
        ``explain(name)`` tells what a label means, and if empty no longer.

    Attributes
    ----------
    typing
        Whether a line of text is being typed, with the focus: then only `WHILE_TYPING` count.
    """

    def __init__(
        self,
        root: tk.Tk,
        act: Callable[[str], object],
        press: Callable[[str], object],
        explain: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._root, self._act, self._press, self._explain = root, act, press, explain
        self._aqua = root.tk.call("tk", "windowingsystem") == "aqua"
        self._held: dict[int, str | None] = {}  # keycode -> timer of a release not believed yet
        self._released: dict[int, int] = {}  # keycode -> when, by the X server's clock in ms
        self._owed: dict[int, str] = {}  # keycode -> the action for when it is up
        self._explained: int | None = None  # the keycode that is held for an explanation
        self.typing = False
        self._typed: set[int] = set()  # keycodes that are held, and were pressed for the text

    def listen(self, window: tk.Tk | tk.Toplevel) -> None:
        """Take the keys that are pressed in a window."""
        window.bind("<KeyPress>", self._key_pressed)
        window.bind("<KeyRelease>", self._key_released)
        window.bind("<FocusOut>", lambda _: self._let_go())

    def _key_pressed(self, event: tk.Event[tk.Misc]) -> str | None:
        code = key_of(event.keycode, self._aqua)
        pending = self._held.get(code)
        down = code in self._held and pending is None
        repeated = down or event.time - self._released.get(code, -RELEASE) < RELEASE
        if pending:
            self._root.after_cancel(pending)
        self._held[code] = None
        state = int(event.state)
        name = meaning(event.keysym, event.char, event.keycode, state, self._aqua)
        asked = LABELS.get(shifted_digit(event.keycode, state, self._aqua))
        if self.typing:
            return self._type(code, name, repeated)
        if asked and name not in PRESSES and name not in LABELS:
            self._explained = code
            self._explain(asked)
        else:
            self._explain("")
            self._do(code, name, repeated)
        return None

    def _key_released(self, event: tk.Event[tk.Misc]) -> None:
        code = key_of(event.keycode, self._aqua)
        self._released[code] = event.time
        self._held[code] = self._root.after(RELEASE, self._let_go, code)

    def _let_go(self, *keycodes: int) -> None:
        """Believe that keys, or all of them, are up."""
        for keycode in keycodes or tuple(self._held):
            self._held.pop(keycode, None)
            self._typed.discard(keycode)
            if keycode in self._owed:
                self._act(self._owed.pop(keycode))
            if keycode == self._explained:
                self._explained = None
                self._explain("")

    def _type(self, code: int, name: str, repeated: bool) -> str | None:
        """Return "break" of a press that is not for the text: so Tk keeps it from an entry."""
        if name in WHILE_TYPING:
            if not repeated:
                self._act(PRESSES[name].action)
            return "break"
        if repeated and code not in self._typed:  # the key that asked for it is held still
            return "break"
        self._typed.add(code)
        return None

    def _do(self, code: int, name: str, repeated: bool) -> None:
        focus, key = self._root.focus_get(), PRESSES.get(name)
        # not Space, which is held to look closer: where Tab has been it would give a label
        if name in ("Return", "KP_Enter") and isinstance(focus, Button):
            if not repeated:
                focus.invoke()
        elif key and key.release and key.release not in self._owed.values():
            self._owed[code] = key.release  # held already, too: B becomes b when Shift goes up
            self._act(key.action)
        elif key and (key.repeats or not repeated):
            self._act(key.action)
        elif not repeated and name in LABELS:
            self._press(LABELS[name])
