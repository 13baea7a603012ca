"""The three stamps: their names, pictures and marks, blinking, and what is under the pointer."""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stamps import TITLES
from window.colours import CELL, INK, MARK
from window.fonts import line
from window.layout import Layout, put

if TYPE_CHECKING:
    from scaling import Stamp

BLINK = 200  # ms that each of two pictures is shown: 2.5 times a second there and back


class Frame(NamedTuple):
    """Where a picture is in its square."""

    left: int
    top: int
    zoom: float  # screen pixels per pixel of the stamp


class View:
    """The stamps.

    Parameters
    ----------
    root
    pointed
        ``pointed(text)``: where the pointer is and which value is there; empty if on no stamp.

    Attributes
    ----------
    cells
        The squares in which the stamps are.
    side
        Of a square, in screen pixels.
    marks
        Whether ticks point at the centre; None for where the stamp brings none itself.
    """

    def __init__(self, root: tk.Tk, pointed: Callable[[str], None]) -> None:
        self._root, self._pointed = root, pointed
        self.marks: bool | None = None
        self.side = self._unit = 1
        self._triplet: Sequence[Stamp] = ()
        self._telling: tuple[int, int, int] | None = None
        self._order = 0, 1, 2  # which stamp each cell shows
        self._pointer: tuple[int, int, int] | None = None  # the cell, and where in it
        self._swapping: str | None = None  # the timer, while it blinks on its own
        self._clicked = False  # on a stamp, and still held
        self._titles = [line(root, text=text, foreground=INK) for text in TITLES]
        self.cells = [
            tk.Canvas(root, background=CELL, highlightthickness=0, borderwidth=0) for _ in TITLES
        ]
        self._photos = [tk.PhotoImage(master=root) for _ in TITLES]
        self._images = [
            cell.create_image(0, 0, image=photo, anchor="center")
            for cell, photo in zip(self.cells, self._photos)
        ]
        for cell in self.cells:
            cell.bind("<Motion>", self._point)
            cell.bind("<Leave>", self._point_nowhere)
            cell.bind("<ButtonPress-1>", lambda _: self._click(True))
            cell.bind("<ButtonRelease-1>", lambda _: self._click(False))

    def arrange(self, fit: Layout) -> None:
        """Take the places that a layout gives."""
        self.side, self._unit = fit.side, fit.unit
        for i, (title, cell) in enumerate(zip(self._titles, self.cells)):
            put(title, fit.title(i))
            put(cell, fit.stamp(i))
            cell.coords(self._images[i], fit.side // 2, fit.side // 2)
        self.draw_marks()

    def show(
        self,
        pictures: Sequence[bytes] | None,
        triplet: Sequence[Stamp] | None,
        telling: tuple[int, int, int] | None = None,
    ) -> None:
        """Show a triplet.

        Parameters
        ----------
        pictures
            Three PGM or PPM, or None.
        triplet
            The same three as stamps.
        telling
            Stamp, column and row of what gives a practice detection away.
        """
        for cell, image in zip(self.cells, self._images):
            cell.itemconfigure(image, state="normal" if pictures else "hidden")
        for photo, picture in zip(self._photos, pictures or ()):
            photo.configure(data=picture, format="ppm")  # Tk's reader of PGM, too
        self._triplet = triplet if pictures and triplet else ()
        self._telling = telling
        self.draw_marks()
        self._tell_pointer()

    def tell(self, telling: tuple[int, int, int] | None) -> None:
        """Draw a ring around what gives a practice detection away, or none; see `show`."""
        if telling != self._telling:
            self._telling = telling
            self.draw_marks()

    @property
    def search(self) -> tk.PhotoImage:
        """Return the picture of Search that is shown."""
        return self._photos[0]

    # Marks

    def draw_marks(self) -> None:
        """Draw ticks that point at the centre, and a ring around the telling place."""
        for cell, kind in zip(self.cells, self._order):
            cell.delete("mark")
            if self._triplet:
                if self._has_marks(self._triplet[kind]):
                    self._draw_ticks(cell)
                if self._telling and self._telling[0] == kind:
                    self._draw_ring(cell, *self._telling)

    @property
    def has_marks(self) -> bool:
        """Tell whether there are ticks on a stamp."""
        return any(map(self._has_marks, self._triplet))

    def _has_marks(self, stamp: Stamp) -> bool:
        height, width = stamp.gray.shape
        drawn = not stamp.ticked if self.marks is None else self.marks
        return drawn and height == width > 1  # one cut short has its detection somewhere else

    def _draw_ticks(self, cell: tk.Canvas) -> None:
        middle, near, far = self.side / 2, self.side * 0.11, self.side * 0.18
        for colour, wide in ((CELL, 3), (MARK, 1)):
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                ends = middle + x * near, middle + y * near, middle + x * far, middle + y * far
                cell.create_line(*ends, fill=colour, width=self._thick(wide), tags="mark")

    def _draw_ring(self, cell: tk.Canvas, kind: int, column: int, row: int) -> None:
        left, top, zoom = self._frame(kind)
        x, y, radius = left + (column + 0.5) * zoom, top + (row + 0.5) * zoom, self.side * 0.1
        for colour, wide in ((CELL, 4), (MARK, 2)):
            box = x - radius, y - radius, x + radius, y + radius
            cell.create_oval(*box, outline=colour, width=self._thick(wide), tags="mark")

    def _thick(self, wide: int) -> float:
        return max(1, wide * self._unit / 14)

    def _frame(self, kind: int) -> Frame:
        photo = self._photos[kind]
        left, top = (self.side // 2 - length // 2 for length in (photo.width(), photo.height()))
        return Frame(left, top, photo.width() / self._triplet[kind].gray.shape[1])

    # Blinking

    @property
    def blinking(self) -> bool:
        """Tell whether it blinks on its own."""
        return self._swapping is not None

    def blink(self, swapped: bool) -> None:
        """Let Search and Template change places, or take their own again."""
        self._order = (1, 0, 2) if swapped else (0, 1, 2)
        for cell, image, title, kind in zip(self.cells, self._images, self._titles, self._order):
            cell.itemconfigure(image, image=self._photos[kind])
            moved = swapped and kind != 2
            title.configure(text=TITLES[kind], foreground=MARK if moved else INK)
        self.draw_marks()
        self._tell_pointer()

    def keep_blinking(self, on: bool) -> None:
        """Blink on its own, or stop."""
        if self._swapping:
            self._root.after_cancel(self._swapping)
        self._swapping = None
        self.blink(on)
        if on:
            self._swapping = self._root.after(BLINK, self._swap)

    def _swap(self) -> None:
        self.blink(self._clicked or self._order[0] == 0)
        self._swapping = self._root.after(BLINK, self._swap)

    def _click(self, down: bool) -> None:
        """Blink with a click; what blinks on its own waits as long as it is held."""
        self._clicked = down
        self.blink(down)

    # The pointer

    def _point(self, event: tk.Event[tk.Canvas]) -> None:
        self._pointer = self.cells.index(event.widget), event.x, event.y
        self._tell_pointer()

    def _point_nowhere(self, _: tk.Event[tk.Canvas]) -> None:
        self._pointer = None
        self._tell_pointer()

    def _tell_pointer(self) -> None:
        text = ""
        if self._pointer and self._triplet:
            i, x, y = self._pointer
            kind = self._order[i]
            left, top, zoom = self._frame(kind)
            told = tell_pixel(self._triplet[kind], int((x - left) // zoom), int((y - top) // zoom))
            text = f"{TITLES[kind]}  {told}" if told else ""
        self._pointed(text)


def tell_pixel(stamp: Stamp, column: int, row: int) -> str:
    """Tell position and value of a pixel; FITS counts from 1, from the bottom left.

    Empty if there is no such pixel.
    """
    height, width = stamp.gray.shape
    if not (0 <= column < width and 0 <= row < height):
        return ""
    value = "no value" if stamp.missing[row, column] else f"{stamp.pixels[row, column]:.6g}"
    return f"x {column + 1}  y {height - row}:  {value}"
