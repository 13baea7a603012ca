"""An example of a label: Search, Template and Difference side by side, a ring where to look.

Examples are ``data/guide/NAME.png``, named after a label, and where there are more of it
``data/guide/NAME-*.png``. ``data/guide/places.csv`` (``FILE,STAMP,COLUMN,ROW``) tells where in them
to look: in which stamp, at which of its pixels, from the left and the top.
"""

from __future__ import annotations

import csv
import tkinter as tk
from pathlib import Path
from typing import NamedTuple

from stamps import KINDS
from window.colours import CELL, MARK, PAPER

PICTURES = Path(__file__).resolve().parent.parent / "data" / "guide"
HIGH, WIDE = 51, 3 * 51 + 2 * 3  # pixels of an example: three stamps, and gaps of 3 between


class Place(NamedTuple):
    """Where to look: a stamp, 0 to 2, and a pixel of it, from the left and the top."""

    stamp: int
    column: int
    row: int


def examples(name: str, folder: Path = PICTURES) -> list[Path]:
    """Return the pictures of a label, in the order in which they are shown."""
    first = folder / f"{name}.png"
    return [*([first] if first.exists() else []), *sorted(folder.glob(f"{name}-*.png"))]


def place_in(path: Path) -> Place | None:
    """Return where to look in an example, or None if nobody says."""
    try:
        with path.with_name("places.csv").open(newline="", encoding="utf-8") as table:
            for row in csv.DictReader(table):
                if row["FILE"] == path.name:
                    stamp = KINDS.index(row["STAMP"])
                    return Place(stamp, int(row["COLUMN"]), int(row["ROW"]))
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        pass  # an example without a ring is one, too
    return None


class Example(tk.Canvas):
    """An example, each of its pixels `zoom` screen pixels wide."""

    def __init__(self, parent: tk.Misc, path: Path, zoom: int) -> None:
        small = tk.PhotoImage(master=parent, file=path)
        self._picture = small.zoom(zoom)  # Tk forgets an image that nobody here holds
        super().__init__(
            parent,
            width=self._picture.width(),
            height=self._picture.height(),
            background=PAPER,
            highlightthickness=0,
            borderwidth=0,
        )
        self.create_image(0, 0, image=self._picture, anchor="nw")
        place, side = place_in(path), small.height()
        if place:
            step = (small.width() - side) / 2  # from one stamp to the next
            x = (place.stamp * step + place.column + 0.5) * zoom
            y, radius = (place.row + 0.5) * zoom, side * zoom * 0.12
            for colour, thick in ((CELL, 4), (MARK, 2)):
                box = x - radius, y - radius, x + radius, y + radius
                self.create_oval(*box, outline=colour, width=max(1, thick * zoom / 4), tags="ring")
