"""A button in its own colours, which those of macOS ignore; a double click presses it once."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable

from window.colours import ASLEEP, BUTTONS, FAINT, GROUND, INK, MARK
from window.fonts import PLAIN

DOUBLE_CLICK = 500  # ms, as Tk and most desktops have it
LIGHT_UP = 150  # ms that a pressed button stays lit


class Button(tk.Label):
    """A button.

    Parameters
    ----------
    parent
    text
    kind
        One of `colours.BUTTONS`.
    command
        What a press does; it returns true if it did something.
    guarded
        A click does nothing within `DOUBLE_CLICK` of one that did something: it is the rest of a
        double or triple click.
    """

    def __init__(
        self,
        parent: tk.Misc,
        text: str,
        kind: str,
        command: Callable[[], object],
        guarded: bool = True,
    ) -> None:
        self._shades = BUTTONS[kind]
        self._quiet = kind == "tool"  # its text keeps its length, and it sleeps unseen
        super().__init__(
            parent,
            text=text,
            font=PLAIN,
            background=self._shades.usual,
            foreground=self._shades.text,
            borderwidth=0,
            padx=0,
            takefocus=True,
            highlightthickness=3,
            highlightbackground=self._shades.edge,
            highlightcolor=INK,
            cursor="hand2",
        )
        self.invoke, self._text, self._marked = command, text, False
        self._guarded, self._armed, self._acted_at = guarded, False, -DOUBLE_CLICK
        self._awake, self._glowing = True, False
        self.bind("<ButtonPress-1>", self._press)
        self.bind("<ButtonRelease-1>", self._release)
        self.bind("<Enter>", lambda _: self._paint(self._shades.pointed))
        self.bind("<Leave>", lambda _: self._paint(self._shades.usual))

    def _press(self, event: tk.Event[tk.Misc]) -> None:
        self._armed = not self._guarded or event.time - self._acted_at > DOUBLE_CLICK

    def _release(self, event: tk.Event[tk.Misc]) -> None:
        inside = 0 <= event.x < self.winfo_width() and 0 <= event.y < self.winfo_height()
        if self._armed and inside and self.invoke():
            self._acted_at = event.time
        self._armed = False

    def _paint(self, colour: str) -> None:
        edge = self._shades.edge
        if not self._awake:
            colour = edge = GROUND if self._quiet else ASLEEP
        if self._glowing:
            colour = edge = self._shades.pressed
        text = self._shades.text if self._awake else FAINT
        self.configure(
            background=colour,
            foreground=MARK if self._marked and self._quiet else text,
            highlightbackground=MARK if self._marked else edge,
        )

    def light_up(self) -> None:
        """Show for a moment that it was pressed."""
        self._glow(True)
        self.after(LIGHT_UP, self._glow, False)

    def _glow(self, glowing: bool) -> None:
        self._glowing = glowing
        self._paint(self._shades.usual)

    @property
    def awake(self) -> bool:
        """Tell whether the button does anything at the moment."""
        return self._awake

    def wake(self, awake: bool) -> None:
        """Show whether the button does anything at the moment."""
        if awake != self._awake:
            self._awake = awake
            self._paint(self._shades.usual)

    def mark(self, marked: bool, sign: str = "✓") -> None:
        """Show, by a sign, that this is what the detection, or the picture, has already."""
        text = f"{sign} {self._text}" if marked and not self._quiet else self._text
        if marked != self._marked or text != self.cget("text"):
            self._marked = marked
            self.configure(text=text)
            self._paint(self._shades.usual)
