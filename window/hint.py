"""What a label means, told below the buttons while the pointer rests on one of them.

It covers no stamp and no button, and nothing waits for it: a press is a press, and ends it.
"""

from __future__ import annotations

import tkinter as tk

import labels
from window.button import Button
from window.colours import DIM, INK, PAPER
from window.example import HIGH, WIDE, Example, examples
from window.fonts import BOLD, line
from window.layout import Box, Layout, put

REST = 400  # ms that the pointer rests before


class Hint:
    """A sentence and an example of a label, over what else is below the buttons."""

    def __init__(self, root: tk.Tk) -> None:
        self._root = root
        self._box, self._unit = Box(0, 0, 1, 1), 12
        self._frame = tk.Frame(root, background=PAPER)
        self._name = line(self._frame, font=BOLD, foreground=INK, background=PAPER)
        self._meaning = line(self._frame, foreground=INK, background=PAPER, justify="left")
        self._question = line(self._frame, foreground=DIM, background=PAPER, justify="left")
        self._example: Example | None = None
        self._waiting: str | None = None  # the timer
        self.shown = ""  # the label that it tells of, or empty

    def arrange(self, fit: Layout) -> None:
        """Take the place that a layout gives."""
        self._box, self._unit = fit.hint, fit.unit
        self.hide()

    def watch(self, button: Button, name: str) -> None:
        """Tell of a label while the pointer rests on its button."""
        button.bind("<Enter>", lambda _: self._wait(button, name), add=True)
        for event in ("<Leave>", "<ButtonPress>"):
            button.bind(event, lambda _: self.hide(), add=True)

    def _wait(self, button: Button, name: str) -> None:
        self.hide()
        if button.awake:
            self._waiting = self._root.after(REST, self.show, name)

    def show(self, name: str) -> None:
        """Tell of a label, or if empty of none."""
        self.hide()
        if not name:
            return
        label, pad = labels.BY_NAME[name], self._unit // 2
        width, height = self._box.width, self._box.height
        zoom = min((height - 2) // HIGH, int(0.6 * width) // WIDE)
        left = pad
        for path in examples(name)[:1] if zoom else ():
            self._example = Example(self._frame, path, zoom)
            above = (height - HIGH * zoom) // 2
            self._example.place(x=min(pad, above), y=above)
            left += WIDE * zoom + pad
        room, down = width - left - pad, min(pad, (height - 51) // 4)
        said = (
            (self._name, f"{label.key}  {label.title}"),
            (self._meaning, label.meaning),
            (self._question, label.question),
        )
        for each, text in said:
            each.configure(text=text, wraplength=room)
            high = each.winfo_reqheight()
            fits = down + high <= height
            put(each, Box(left, down, room, high) if fits else None)
            down += high
        put(self._frame, self._box)
        tk.Misc.lift(self._frame)
        self.shown = name

    def hide(self) -> None:
        """Tell of none."""
        if self._waiting:
            self._root.after_cancel(self._waiting)
        self._waiting = None
        if self.shown:
            put(self._frame, None)
            self.shown = ""
        if self._example:
            self._example.destroy()
            self._example = None
