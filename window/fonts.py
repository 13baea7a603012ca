"""The letters of the window: a font, its bold sister, and lines of text that have no frame."""

from __future__ import annotations

import tkinter as tk
from tkinter import font as tkfont
from typing import Any, Literal

from window.colours import GROUND

Weight = Literal["normal", "bold"]
PLAIN, BOLD = "artifactspy", "artifactspy-bold"  # Tk's names of them, once there are `Fonts`


def font(
    parent: tk.Misc, size: int, weight: Weight = "normal", name: str | None = None
) -> tkfont.Font:
    """Return the desktop's usual font, `size` pixels high; it goes when Python forgets it."""
    made = tkfont.Font(parent, font="TkDefaultFont", name=name)
    made.configure(size=-size, weight=weight)
    return made


class Fonts:
    """The two fonts of a window, as long as this is kept."""

    def __init__(self, root: tk.Misc) -> None:
        self._both = font(root, 13, name=PLAIN), font(root, 13, "bold", BOLD)

    def resize(self, unit: int) -> None:
        """Make letters `unit` pixels high, wherever they stand already."""
        for each in self._both:
            each.configure(size=-unit)


def line(parent: tk.Misc, **options: Any) -> tk.Label:
    """Return a label that begins where it is placed, without a frame, on the window's ground."""
    usual = {"background": GROUND, "font": PLAIN, "anchor": "w", "padx": 0, "bd": 0}
    return tk.Label(parent, **{**usual, **options})


def named(name: str, widget: tk.Misc) -> tkfont.Font:
    """Return the font of that name in a widget's window; nametofont takes none in Python 3.9."""
    return tkfont.Font(root=widget, name=name, exists=True)


def fitting(widget: tk.Misc, text: str, width: float) -> str:
    """Return a text, or as much of its beginning as `width` screen pixels hold, and an ellipsis."""
    measure = named(PLAIN, widget).measure
    short = text
    while len(short) > 1 and measure(short) > width:
        text = text[:-1].rstrip()
        short = f"{text}…"
    return short
