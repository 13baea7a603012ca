"""The latest labels as small pictures: what one has done, and each of them a click away."""

from __future__ import annotations

import math
import tkinter as tk
from collections.abc import Callable, Sequence
from typing import NamedTuple

from window.colours import CELL, GROUND, MARK
from window.fonts import fitting, line
from window.layout import Box, Layout, put

COUNT = 8  # pictures in the strip
KEPT = 128  # pictures in memory, of a few kB each


class Thumbnails:
    """Small copies of the Search stamps that were on screen: a scene is known by its stars."""

    def __init__(self) -> None:
        self._photos: dict[str, tk.PhotoImage] = {}  # by Object ID, the latest last

    def take(self, objid: str, photo: tk.PhotoImage, side: float) -> None:
        """Keep a copy of a picture, no wider or higher than `side` screen pixels."""
        self._photos.pop(objid, None)
        every = math.ceil(max(photo.width(), photo.height()) / max(1, side))
        if every:
            self._photos[objid] = photo.subsample(every)
        while len(self._photos) > KEPT:
            del self._photos[next(iter(self._photos))]

    def get(self, objid: str) -> tk.PhotoImage | None:
        """Return the copy of a detection's picture, or None if it was not on screen."""
        return self._photos.get(objid)


class Told(NamedTuple):
    """What a `Cell` tells of a detection: lines of text, each with its colour."""

    objid: str
    lines: tuple[tuple[str, str], ...]


class Cell(tk.Frame):
    """A small picture with some words below it; a click goes to its detection.

    Parameters
    ----------
    parent
    go_to
        ``go_to(objid)``: it was clicked.
    rows
        Lines of text.
    """

    def __init__(self, parent: tk.Misc, go_to: Callable[[str], object], rows: int = 1) -> None:
        super().__init__(parent, background=GROUND, cursor="hand2")
        self._objid = ""
        self._picture = tk.Label(self, background=CELL, bd=0, padx=0, pady=0)
        self._picture.configure(highlightthickness=2, highlightbackground=GROUND)
        self._lines = [line(self) for _ in range(rows)]
        for part in (self, self._picture, *self._lines):
            part.bind("<ButtonRelease-1>", lambda _: go_to(self._objid))

    def arrange(self, width: int, side: int, unit: int) -> None:
        """Take a width, the side of the picture's square, and the height of normal text."""
        self._picture.place(x=0, y=0, width=side, height=side)
        for i, each in enumerate(self._lines):
            each.place(x=0, y=side + 1.4 * i * unit, width=width, height=1.4 * unit)

    def show(self, told: Told, photo: tk.PhotoImage | None, width: int, present: bool) -> None:
        """Show a detection; `present` if it is the one on the large stamps."""
        self._objid = told.objid
        self._picture.configure(image=photo or "", highlightbackground=MARK if present else GROUND)
        for each, (text, colour) in zip(self._lines, told.lines):
            each.configure(text=fitting(each, text, width), foreground=colour)


class Strip:
    """The row of the latest labels.

    Parameters
    ----------
    root
    go_to
        ``go_to(objid)``: a person wants to see that detection again.

    Attributes
    ----------
    thumbnails
    """

    def __init__(self, root: tk.Tk, go_to: Callable[[str], object]) -> None:
        self.thumbnails = Thumbnails()
        self._cells = [Cell(root, go_to) for _ in range(COUNT)]
        self._box: Box | None = None
        self._unit = 1
        self._shown: tuple[object, ...] = ()

    @property
    def side(self) -> int:
        """Return how large a picture is, in screen pixels."""
        if not self._box:
            return 4 * self._unit
        return min(int(self._box.height - 1.4 * self._unit), self._width)

    @property
    def _width(self) -> int:
        return int((self._box.width + self._unit) / COUNT - self._unit) if self._box else 0

    def arrange(self, fit: Layout) -> None:
        """Take the place that a layout gives, if it gives one."""
        self._box, self._unit = fit.strip, fit.unit
        for cell in self._cells:
            cell.arrange(self._width, self.side, self._unit)
        last, self._shown = self._shown, ()
        if last:
            self.show(*last)  # type: ignore[arg-type]

    def show(self, told: Sequence[Told], present: str) -> None:
        """Show the latest detections, the last one on the right; `present` is on the stamps."""
        if self._shown == (told, present):
            return
        self._shown = told, present
        for i, cell in enumerate(self._cells):
            if self._box and i < len(told):
                x = self._box.x + i * (self._width + self._unit)
                put(cell, self._box._replace(x=x, width=self._width))
                here = told[i].objid == present
                cell.show(told[i], self.thumbnails.get(told[i].objid), self._width, here)
            else:
                put(cell, None)
