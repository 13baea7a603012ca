"""What is said below and across the stamps: sentences, how far one is, and the pointer's pixel."""

from __future__ import annotations

import tkinter as tk

import labelfile
import labels
from session.session import Session
from session.verdict import Verdict
from window.colours import BANNER, CELL, DIM, INK
from window.fonts import BOLD, line
from window.layout import Layout, put


class Lines:
    """The lines of text below the stamps, the progress bar, and the sentence across the stamps."""

    def __init__(self, root: tk.Tk) -> None:
        self._layout: Layout | None = None
        self._stays = False  # what is said, on the next page too
        self._across = tk.Label(root, background=BANNER, foreground=INK, font=BOLD)
        self._message = line(root, anchor="nw", foreground=INK, justify="left")
        self._status = line(root, foreground=DIM)
        self._pixel = line(root, anchor="e", foreground=DIM)
        self._trough = tk.Frame(root, background=CELL)
        self._bar = tk.Frame(self._trough, background=DIM)

    def arrange(self, fit: Layout) -> None:
        """Take the places that a layout gives."""
        self._layout = fit
        put(self._message, fit.message)
        self._message.configure(wraplength=fit.message.width)
        put(self._status, fit.status)
        put(self._trough, fit.progress)
        self.point(self._pixel.cget("text").strip())
        self.say_across(self._across.cget("text"))

    def say(self, text: str, colour: str = INK, stays: bool = False) -> None:
        """Show a sentence to the person, in place of the last one.

        One that `stays` does so until the next; others are about the page, and go with it.
        """
        self._message.configure(text=text, foreground=colour)
        self._stays = stays

    def leave_page(self) -> None:
        """Take away what was said about a page."""
        if not self._stays:
            self.say("")

    def show_status(self, text: str, done: int, total: int) -> None:
        """Show how far one is, in words and as a bar."""
        self._status.configure(text=text)
        self._bar.place(relwidth=done / total, relheight=1)

    def say_across(self, text: str) -> None:
        """Put a sentence across the stamps, or take it away if empty."""
        self._across.configure(text=text)
        if text and self._layout:
            box = self._layout.across
            self._across.configure(wraplength=box.width - 2 * self._layout.unit)
            more = max(0, self._across.winfo_reqheight() + self._layout.unit - box.height)
            put(self._across, box._replace(y=box.y - more // 2, height=box.height + more))
        else:
            put(self._across, None)

    def point(self, text: str) -> None:
        """Show what is under the pointer where the status line ends, or nothing if empty."""
        self._pixel.configure(text=f"  {text}")
        if text and self._layout:
            x, y, width, height = self._layout.status
            self._pixel.place(x=x + width, y=y, height=height, anchor="ne")  # as long as it is
        else:
            put(self._pixel, None)


def status_text(session: Session, last: str) -> str:
    """Tell how far a session is; `last` is the label and the detection saved last, or empty."""
    page, given = session.page(), len(session.given)
    today, (done, total) = f"{session.today} today", session.progress()
    number = page.detection.number if page.detection else 0
    if number and session.settings.practice:  # where misses change the order
        number = done + (page.answer is None)
    parts = [
        f"{number} of {total}" if number else "",
        f"{given} this session, {today}" if given else today,
        f"{session.clock.pace:.0f} a minute" if session.clock.pace else "",
        "next chunk ready" if session.next_ready else session.supply.text,
        f"saved: {last}" if last else "",
    ]
    return " · ".join(filter(None, parts))


def answer_text(answer: labelfile.Row, verdict: Verdict) -> str:
    """Tell which label, and which comment, a detection has already, and what is known of it."""
    if verdict.place:
        return f"{verdict.sentence} Enter keeps it."
    comment = f": {labelfile.shorten(answer.comment)}" if answer.comment else ""
    return f"{labels.title(answer.action)}{comment}. Enter keeps it. {verdict.sentence}".rstrip()


def nothing_text(session: Session) -> str:
    """Tell why there is nothing to label at the moment, and what to do."""
    if session.skips.stopped:
        return session.skips.stopped
    if not session.supply.exhausted:
        text = f"{session.supply.reason}\n{session.supply.text}".strip()
        return text[:1].upper() + text[1:]
    return "Nothing left to label for now: thank you."
