"""The end, in the window: what a sitting came to, and the misses of practice to be seen again."""

from __future__ import annotations

import tkinter as tk
from collections import Counter
from collections.abc import Callable
from functools import partial

import labels
from session.summary import Report, Row
from session.verdict import MARKS, WRONG
from window.button import Button
from window.colours import BAD_NEWS, DIM, GOOD_NEWS, GROUND, INK
from window.fonts import BOLD, PLAIN
from window.layout import Box, Layout, put
from window.strip import Cell, Thumbnails, Told

BAR = 24  # spaces of the longest bar


class Ending:
    """A page in place of the stamps, when there is nothing left to label.

    Parameters
    ----------
    root
    act
        ``act(action)`` does what a `keys.Key` names.
    go_to
        ``go_to(objid)``: the person wants to see that detection again.

    Attributes
    ----------
    shown
        Whether it is there.
    """

    def __init__(
        self, root: tk.Tk, act: Callable[[str], object], go_to: Callable[[str], object]
    ) -> None:
        self._go_to, self.shown = go_to, False
        self._unit, self._box = 12, Box(0, 0, 1, 1)
        self._page = tk.Frame(root, background=GROUND)
        self._text = tk.Text(
            self._page,
            wrap="word",
            background=GROUND,
            foreground=INK,
            font=PLAIN,
            borderwidth=0,
            highlightthickness=0,
            takefocus=False,
            cursor="arrow",
        )
        self._buttons = [
            Button(self._page, "Close", "neutral", partial(act, "close")),
            Button(self._page, "Back  ⌫", "neutral", partial(act, "back"), guarded=False),
        ]

    def arrange(self, fit: Layout) -> None:
        """Take the whole window, but for the lines at its foot."""
        unit = self._unit = fit.unit
        self._box = Box(0, 0, fit.width, fit.status.y)
        height = int(2.4 * unit)
        below = fit.status.y - height - unit
        self._text.place(x=fit.left, y=unit, width=fit.width - fit.left, height=below - 2 * unit)
        for i, button in enumerate(self._buttons):
            place = Box(fit.left + i * 12 * unit, below, 11 * unit, height)
            put(button, place)
            button.configure(highlightthickness=max(2, unit // 6))
        text, tab = self._text, 17 * unit
        text.configure(tabs=(tab, tab + 6 * unit), padx=0, spacing1=unit // 4)
        text.tag_configure("head", font=BOLD, spacing1=unit, spacing3=unit // 4)
        text.tag_configure("dim", foreground=DIM)
        text.tag_configure("right", foreground=GOOD_NEWS)
        text.tag_configure("wrong", foreground=BAD_NEWS)
        text.tag_configure("bar", background=DIM)
        text.tag_configure("column", lmargin2=tab + 6 * unit, rmargin=2 * unit)
        text.tag_configure("advice", lmargin1=1.5 * unit, lmargin2=1.5 * unit, rmargin=2 * unit)
        if self.shown:
            put(self._page, self._box)

    def show(self, told: Report, today: int, thumbnails: Thumbnails) -> None:
        """Show what a sitting came to, unless that is shown already."""
        if not self.shown:
            self.shown = True
            self._text.configure(state="normal")
            self._text.delete("1.0", "end")  # with the cells in it
            if told.table:
                self._write_practice(told, thumbnails)
            else:
                self._write_labels(told, today)
            self._text.configure(state="disabled")
            put(self._page, self._box)
            self._page.lift()
            self._text.focus_set()  # so that the keys scroll

    def hide(self) -> None:
        """Show the stamps again."""
        if self.shown:
            self.shown = False
            put(self._page, None)
            self._page.master.focus_set()

    # What is written

    def _write_practice(self, told: Report, thumbnails: Thumbnails) -> None:
        write, count = self._text.insert, len(told.given)
        write("end", f"{told.right} of {count} right\n", "head")
        write("end", f"That was all of the practice: {told.pace}.\n", "dim")
        if told.weakest:
            write("end", "What to look at again\n", "head")
        for row in told.weakest:
            write("end", f"{_score(row)}   ", "wrong", f"{row.label.title}\n", "wrong")
            write("end", f"{row.label.meaning}\n", ("dim", "advice"))
        write("end", "What they were\tright\ttaken for\n", "head")
        for row in told.table:
            tag = "wrong" if row.right < row.total else "right"
            missed = [objid for objid, label in told.misses.items() if label == row.label]
            counts = Counter(labels.title(told.given[objid]) for objid in missed)
            others = ", ".join(f"{title} {number}" for title, number in counts.most_common())
            write("end", f"{row.label.title}\t", "column", f"{_score(row)}\t", (tag, "column"))
            write("end", f"{others}\n", ("dim", "column"))
        if told.misses:
            write("end", "Your misses, and what you said: a click shows one again\n", "head")
            self._show_misses(told, thumbnails)
        write("end", "\n\nTo label for the survey: ./ArtifactSpy --user NAME\n", "dim")

    def _show_misses(self, told: Report, thumbnails: Thumbnails) -> None:
        width, gap = 11 * self._unit, self._unit
        photos = {objid: thumbnails.get(objid) for objid in told.misses}
        side = max((photo.height() + 4 for photo in photos.values() if photo), default=gap)
        for objid, label in told.misses.items():
            cell = Cell(self._text, self._go_to, rows=2)
            cell.configure(width=width + gap, height=side + 3 * self._unit)
            cell.arrange(width, side, self._unit)
            said = f"{WRONG} {labels.title(told.given[objid])}"
            words = Told(objid, ((label.title, INK), (said, BAD_NEWS)))
            cell.show(words, photos[objid], width, False)
            self._text.window_create("end", window=cell)

    def _write_labels(self, told: Report, today: int) -> None:
        write = self._text.insert
        write("end", "Nothing left to label for now: thank you\n", "head")
        write("end", f"{told.pace}; {today} today.\n", "dim")
        write("end", "Your labels\n", "head")
        most = max(number for _, number in told.counts)
        for label, number in told.counts:
            length = max(1, round(BAR * number / most))
            write("end", f"{label.title}\t{number}\t", "column", " " * length, "bar", "\n", "")
        if told.compared:
            write("end", "The others\n", "head")
            share = f"{told.agreed} of the {told.compared} labels that others gave to these"
            write("end", f"{share} are as yours.\n")
        write("end", "\nClose the window to send your labels.\n")


def _score(row: Row) -> str:
    return f"{MARKS[row.right == row.total]} {row.right} of {row.total}"
