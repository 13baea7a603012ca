"""Asks for a comment: in the terminal, if a person sits at one, and at the window.

Whichever one types in: the first Enter, at either place, ends it at both.
"""

from __future__ import annotations

import contextlib
import os
import termios
import tkinter as tk
from collections.abc import Callable, Sequence

from labelfile import LabelError
from session.comments import understand
from session.sync import has_terminal
from window.colours import BAD_NEWS, CELL, DIM, GROUND, INK, MARK
from window.fonts import BOLD, PLAIN, line, named
from window.layout import Box, Layout, put

TTY_LIMIT = 4095  # bytes that a terminal hands over of one line; the rest is lost


class Comment:
    """A comment that is asked for, from now until it is given, refused or cancelled.

    Parameters
    ----------
    root
    fit
        Where it is asked in the window: in the box `prompt`.
    tell
        ``tell(text, end)`` prints to the terminal; `end` is a new line if not given.
    objid
        Of the detection that the comment is about.
    offered
        Earlier comments, which can be had by their number from 1.
    done
        ``done(comment)``, empty if it was cancelled or refused. Called once.
    """

    def __init__(
        self,
        root: tk.Tk,
        fit: Layout,
        tell: Callable[..., None],
        objid: str,
        offered: Sequence[str],
        done: Callable[[str], None],
    ) -> None:
        self._tell, self._offered, self._done = tell, offered, done
        self._terminal = None
        if has_terminal():
            self._terminal = _Terminal(root, tell, _prompt(objid, offered), self._typed)
        self._line = _Line(root, fit, objid, offered, self._terminal is not None, self._end)

    def arrange(self, fit: Layout) -> None:
        """Take the place that a layout gives."""
        self._line.arrange(fit)

    def enter(self) -> None:
        """Take what is typed at the window; if it is refused, it stays there to be mended."""
        try:
            comment = understand(self._line.text, self._offered)
        except LabelError as error:
            self._line.complain(str(error))
        else:
            self._end(comment)

    def cancel(self) -> None:
        """Ask no longer."""
        self._end("")

    def _end(self, comment: str) -> None:
        """End it at the window."""
        if self._terminal:
            self._terminal.close()
            self._tell(f"\nGiven in the window: {comment}" if comment else "cancelled")
        self._close(comment)

    def _typed(self, text: bytes) -> None:
        """End it with a line that was typed in the terminal."""
        comment = ""
        if len(text) >= TTY_LIMIT:
            self._tell(
                "That line was longer than a terminal takes: its end is lost, say it shorter."
            )
        else:
            try:
                comment = understand(text.decode(errors="replace"), self._offered)
            except LabelError as error:
                self._tell(str(error))
        self._close(comment)

    def _close(self, comment: str) -> None:
        self._line.close()
        self._done(comment)


def _prompt(objid: str, offered: Sequence[str]) -> str:
    lines = ["A number takes an earlier comment:"] if offered else []
    lines += [f"{number:>3}  {_short(text, 70)}" for number, text in enumerate(offered, 1)]
    return "\n".join([*lines, f"Comment for {objid} (empty line: cancel): "])


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


class _Terminal:
    """Asks in the terminal, for one line: ``typed(bytes)``."""

    def __init__(
        self,
        root: tk.Tk,
        tell: Callable[..., None],
        prompt: str,
        typed: Callable[[bytes], None],
    ) -> None:
        self._root, self._taken = root, typed
        termios.tcflush(0, termios.TCIFLUSH)  # what was typed before was not meant as this
        tell(prompt, end="")
        root.tk.createfilehandler(0, tk.READABLE, self._typed)

    def _typed(self, *_: object) -> None:
        text = b""
        with contextlib.suppress(OSError):
            text = os.read(0, 1 << 20)
        self._root.tk.deletefilehandler(0)
        if text or has_terminal():  # else it is gone, and the window asks alone
            self._taken(text)

    def close(self) -> None:
        """Ask no longer; half a comment must not reach the shell."""
        self._root.tk.deletefilehandler(0)
        with contextlib.suppress(termios.error):
            termios.tcflush(0, termios.TCIFLUSH)


class _Line(tk.Frame):
    """Asks at the window: what is asked, the text as one types it, and below what is offered.

    Its entry has the focus as long as it is there. Enter and Escape are the keyboard's.
    """

    def __init__(
        self,
        root: tk.Tk,
        fit: Layout,
        objid: str,
        offered: Sequence[str],
        elsewhere: bool,
        take: Callable[[str], None],
    ) -> None:
        super().__init__(root, background=GROUND)
        self._what = line(self, text=f"Comment for {objid}", font=BOLD, foreground=MARK)
        self._how = line(self, text="Enter keeps it, Escape cancels", foreground=DIM)
        self._frame = tk.Frame(self, background=CELL, highlightbackground=MARK, highlightcolor=MARK)
        self._entry = self._make_entry(root)
        where = "type it here or in the terminal" if elsewhere else "type it here"
        self._where = line(self._entry, text=where, background=CELL, foreground=DIM)
        self._where.bind("<ButtonPress-1>", lambda _: self._entry.focus_set())
        self._complaint = line(
            self, name="refusal", foreground=BAD_NEWS, anchor="nw", justify="left"
        )
        self._offers = [(text, self._offer(text, take)) for text in offered]
        self._before = root.focus_lastfor() or root
        self._edited("")
        self.arrange(fit)
        self.update_idletasks()  # only what is there can have the focus: no letter must be lost
        self._entry.focus_set()

    def _make_entry(self, root: tk.Tk) -> tk.Entry:
        entry = tk.Entry(
            self._frame,
            font=PLAIN,
            background=CELL,
            foreground=INK,
            insertbackground=INK,
            borderwidth=0,
            highlightthickness=0,
        )
        entry.configure(validate="key", validatecommand=(entry.register(self._edited), "%P"))
        # the keyboard first, which says what is no text; and Tab stays here
        entry.bindtags((str(root), str(entry), "Entry"))
        if root.tk.call("tk", "windowingsystem") == "x11":  # elsewhere Tk does the same by itself
            entry.bind("<Control-a>", lambda _: self._select_all())
            entry.bind("<<Paste>>", lambda _: self._make_room())
        return entry

    def _select_all(self) -> str:
        self._entry.selection_range(0, "end")
        self._entry.icursor("end")
        return "break"

    def _make_room(self) -> None:
        if self._entry.selection_present():
            self._entry.delete("sel.first", "sel.last")

    def _offer(self, text: str, take: Callable[[str], None]) -> tk.Label:
        offer = line(self, foreground=DIM, cursor="hand2", pady=0)
        offer.bind("<ButtonPress-1>", lambda _: take(text))
        offer.bind("<Enter>", lambda _: offer.configure(foreground=INK))
        offer.bind("<Leave>", lambda _: offer.configure(foreground=DIM))
        return offer

    @property
    def text(self) -> str:
        """Return what is typed."""
        return self._entry.get()

    def arrange(self, fit: Layout) -> None:
        """Take the place that a layout gives."""
        unit, box = fit.unit, fit.prompt
        put(self, box)
        letters = named(PLAIN, self)
        high, gap = letters.metrics("linespace"), unit // 4
        # as high as leaves two lines for what is offered, if that is not too low
        row = max(high + 4, min(int(1.8 * unit), int(box.height) - gap - 2 * high))
        left, right = (each.winfo_reqwidth() + unit for each in (self._what, self._how))
        put(self._what, Box(0, 0, left, row))
        put(self._how, Box(box.width - right + unit, 0, right - unit, row))
        put(self._frame, Box(left, 0, box.width - left - right, row))
        self._frame.configure(highlightthickness=max(1, unit // 12))
        self._entry.configure(insertwidth=max(2, unit // 7))
        self._entry.place(x=unit // 3, relheight=1, relwidth=1, width=-2 * (unit // 3))
        top = row + gap
        rows = max(1, int(box.height - top) // high)
        for limit in range(60, 4, -1):
            texts = [f"{i} {_short(text, limit)}" for i, (text, _) in enumerate(self._offers, 1)]
            places = _flow([letters.measure(text) for text in texts], box.width, int(1.5 * unit))
            if not places or places[-1][1] < rows:
                break
        for (_, offer), text, (x, down) in zip(self._offers, texts, places):
            offer.configure(text=text)
            offer.place(x=x, y=top + down * high, height=high)
        self._complaint.configure(wraplength=box.width)
        self._below = Box(0, top, box.width, box.height - top)
        put(self._complaint, self._below if self._complaint.winfo_manager() else None)

    def _edited(self, text: str) -> bool:
        """Say where one types as long as there is nothing, and complain no longer; allow it."""
        if text:
            self._where.place_forget()
        else:
            self._where.place(x=4, rely=0.5, anchor="w")  # beside the cursor
        put(self._complaint, None)
        return True

    def complain(self, text: str) -> None:
        """Say why it is refused, in the place of what is offered, until it is mended."""
        self._complaint.configure(text=text)
        self._complaint.lift()
        put(self._complaint, self._below)

    def close(self) -> None:
        """Go, and give the focus back."""
        if self._before.winfo_exists():
            self._before.focus_set()
        self.destroy()


def _flow(widths: Sequence[int], room: float, gap: int) -> list[tuple[int, int]]:
    """Lay words out as a text: return how far from the left, and in which row, each begins."""
    places, x, row = [], 0, 0
    for width in widths:
        if x and x + width > room:
            x, row = 0, row + 1
        places.append((x, row))
        x += width + gap
    return places
