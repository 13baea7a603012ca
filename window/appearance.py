"""How the stamps are looked at, and all that changes it: keys, tools, and a drag over a stamp.

Between two sittings it stands in the settings as text: that of `Look`, and ``marks``.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Mapping

from look import SCALINGS, Look
from window.view import View

BRIGHTER, HARDER = 0.05, 1.2  # of a key: a share of the range, and how many times
USUAL = Look()  # as the program chooses
MARKS = {None: "", True: "yes", False: "no"}  # see `View.marks`


def from_settings(settings: Mapping[str, str]) -> tuple[Look, bool | None]:
    """Read look and marks as they were left; what makes no sense is as the program chooses."""
    marks = {text: marks for marks, text in MARKS.items()}
    return Look.from_settings(settings), marks.get(settings.get("marks", ""))


def as_settings(look: Look, marks: bool | None) -> dict[str, str]:
    """Return the settings from which `from_settings` reads the same."""
    return {"marks": MARKS[marks], **look.as_settings()}


class Appearance:
    """The look of the stamps on screen.

    Parameters
    ----------
    view
    settings
        How it was left; see `from_settings`.
    changed
        Called without arguments when anything of it has changed.
    say
        ``say(sentence)``: something the person should see.

    Attributes
    ----------
    look
        As it is kept; what is on screen may differ as long as a key is held: see `shown`.
    """

    def __init__(
        self,
        view: View,
        settings: Mapping[str, str],
        changed: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._view, self._changed, self._say = view, changed, say
        self.look, view.marks = from_settings(settings)
        self._held = False  # the key that smooths
        self._grip: tuple[int, int, Look] | None = None  # where a drag began, and in which look
        for cell in view.cells:
            for button in (2, 3):  # the right one is 2 on macOS
                cell.bind(f"<ButtonPress-{button}>", self._grasp)
                cell.bind(f"<B{button}-Motion>", self._drag)
                cell.bind(f"<Double-ButtonPress-{button}>", self._let_back)

    @property
    def settings(self) -> dict[str, str]:
        """Return how it is left."""
        return as_settings(self.look, self._view.marks)

    @property
    def shown(self) -> Look:
        """Return the look on screen."""
        return self.look._replace(smooth=self.look.smooth != self._held)

    def in_use(self) -> dict[str, bool]:
        """Return which of the tools, by their `keys.Key.action`, are in use."""
        return {
            "appearance.next_scaling": self.look.scaling != USUAL.scaling,
            "appearance.invert": self.look.inverted,
            "appearance.keep_smoothing": self.look.smooth,
            "appearance.toggle_marks": bool(self._view.marks),  # asked for, not as they came
            "appearance.keep_blinking": self._view.blinking,
        }

    @property
    def is_usual(self) -> bool:
        """Tell whether all is as the program chooses."""
        return self.look == USUAL and self._view.marks is None and not self._view.blinking

    def _take(self, look: Look) -> None:
        self.look = look
        self._changed()

    # What a key or a tool does

    def next_scaling(self) -> None:
        """Take the next scaling."""
        names = list(SCALINGS)
        at = names.index(self.look.scaling) if self.look.scaling in names else 0
        name = names[(at + 1) % len(names)]
        self._take(self.look._replace(scaling=name))
        self._say(f"Scaling: {SCALINGS[name]}.")

    def invert(self) -> None:
        """Show bright pixels dark, or bright again."""
        self._take(self.look._replace(inverted=not self.look.inverted))

    def toggle_marks(self) -> None:
        """Draw the marks that point at the centre, or leave them out."""
        self._view.marks = not self._view.has_marks
        self._view.draw_marks()
        self._changed()

    def reset(self) -> None:
        """Show the stamps as the program chooses."""
        self._view.keep_blinking(False)
        self._view.marks = None
        self._view.draw_marks()
        self._take(USUAL)
        self._say("The stamps look as the program chooses.")

    def blink(self) -> None:
        """Let Search and Template change places until `stop_blinking`."""
        self._view.keep_blinking(False)
        self._view.blink(True)
        self._changed()

    def stop_blinking(self) -> None:
        """Give Search and Template their own places again."""
        self._view.blink(False)

    def keep_blinking(self) -> None:
        """Let Search and Template change places all the time, or no longer."""
        self._view.keep_blinking(not self._view.blinking)
        self._changed()

    def smooth(self) -> None:
        """Show smooth stamps, or sharp ones if smooth ones are kept, until `stop_smoothing`."""
        self._held = True
        self._changed()

    def stop_smoothing(self) -> None:
        """Show the stamps again as they are kept."""
        self._held = False
        self._changed()

    def keep_smoothing(self) -> None:
        """Show smooth stamps all the time, or no longer."""
        self._take(self.look._replace(smooth=not self.look.smooth))

    def darker(self) -> None:
        """Show all three stamps with less brightness."""
        self._take(self.look.stretched(self.look.bias + BRIGHTER, self.look.contrast))

    def brighter(self) -> None:
        """Show all three stamps with more brightness."""
        self._take(self.look.stretched(self.look.bias - BRIGHTER, self.look.contrast))

    def harder(self) -> None:
        """Show all three stamps with more contrast."""
        self._take(self.look.stretched(self.look.bias, self.look.contrast * HARDER))

    def softer(self) -> None:
        """Show all three stamps with less contrast."""
        self._take(self.look.stretched(self.look.bias, self.look.contrast / HARDER))

    # What a drag does

    def _grasp(self, event: tk.Event[tk.Misc]) -> None:
        self._grip = event.x, event.y, self.look

    def _drag(self, event: tk.Event[tk.Misc]) -> None:
        if self._grip:
            x, y, before = self._grip
            across, up = (event.x - x) / self._view.side, (y - event.y) / self._view.side
            self._take(self.look.stretched(before.bias + across, before.contrast * 4**up))

    def _let_back(self, _: tk.Event[tk.Misc]) -> None:
        self._grip = None  # a hand that trembles must not drag on from where it was
        self._take(self.look.stretched(USUAL.bias, USUAL.contrast))
