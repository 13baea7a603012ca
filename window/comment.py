"""Asks for one line of text: in the terminal if a person sits there, else in a small dialog."""

from __future__ import annotations

import contextlib
import os
import termios
import tkinter as tk
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from labelfile import LabelError
from session.comments import Comments, understand
from session.sync import has_terminal
from window.colours import BAD_NEWS, CELL, GROUND, INK
from window.fonts import PLAIN

TTY_LIMIT = 4095  # bytes that a terminal hands over of one line; the rest is lost


def ask(
    root: tk.Tk,
    tell: Callable[..., None],
    objid: str,
    comments: Comments,
    done: Callable[[str], None],
) -> Comment:
    """Begin to ask.

    Parameters
    ----------
    root
    tell
        ``tell(text, end)`` prints to the terminal; `end` is a new line if not given.
    objid
        Of the detection that the comment is about.
    comments
        The earlier ones are offered by their number.
    done
        ``done(comment)``, empty if it was cancelled or refused. Called once.
    """
    prompt = _prompt(objid, comments.offered)
    if has_terminal():
        return _InTerminal(root, tell, prompt, comments, done)
    return _InDialog(root, prompt, comments, done)


def _prompt(objid: str, earlier: Sequence[str]) -> str:
    lines = ["A number takes an earlier comment:"] if earlier else []
    for number, text in enumerate(earlier, 1):
        lines.append(f"{number:>3}  {text[:70]}{'…' * (len(text) > 70)}")
    return "\n".join([*lines, f"Comment for {objid} (empty line: cancel): "])


class Comment(Protocol):
    """A comment that is asked for."""

    where: str  # the person types it

    def cancel(self) -> None:
        """Ask no longer."""


class _InTerminal:
    where = "in the terminal"

    def __init__(
        self,
        root: tk.Tk,
        tell: Callable[..., None],
        prompt: str,
        comments: Comments,
        done: Callable[[str], None],
    ) -> None:
        self._root, self._tell, self._done = root, tell, done
        self._offered = comments.offered
        termios.tcflush(0, termios.TCIFLUSH)  # what was typed before was not meant as this
        tell(prompt, end="")
        root.tk.createfilehandler(0, tk.READABLE, self._typed)

    def _typed(self, *_: object) -> None:
        try:
            line = os.read(0, 1 << 20)
        except OSError:  # the terminal is gone; its hang-up signal closes the window
            line = b""
        comment = ""
        if len(line) >= TTY_LIMIT:
            self._tell(
                "That line was longer than a terminal takes: its end is lost, say it shorter."
            )
        else:
            try:
                comment = understand(line.decode(errors="replace"), self._offered)
            except LabelError as error:
                self._tell(str(error))
        self._end(comment)

    def cancel(self) -> None:
        with contextlib.suppress(termios.error):  # half a comment must not reach the shell
            termios.tcflush(0, termios.TCIFLUSH)
        self._tell("cancelled")
        self._end("")

    def _end(self, comment: str) -> None:
        self._root.tk.deletefilehandler(0)
        self._done(comment)


class _InDialog:
    where = "in the dialog"

    def __init__(
        self,
        root: tk.Tk,
        prompt: str,
        comments: Comments,
        done: Callable[[str], None],
    ) -> None:
        self._offered, self._done = comments.offered, done
        self._dialog = dialog = tk.Toplevel(root, class_="ArtifactSpy", background=GROUND)
        dialog.withdraw()  # until it is known how high it is: it must not jump
        dialog.title("ArtifactSpy: comment")
        dialog.transient(root)
        # below the stamps, which the comment is about
        x, y = root.winfo_rootx() + 40, root.winfo_rooty() + int(root.winfo_height() * 0.86)
        dialog.protocol("WM_DELETE_WINDOW", self.cancel)
        style: dict[str, Any] = {"background": GROUND, "foreground": INK, "font": PLAIN}
        tk.Label(dialog, text=prompt, justify="left", **style).pack(
            anchor="w", padx=16, pady=(16, 4)
        )
        self._entry = tk.Entry(
            dialog, width=60, insertbackground=INK, **{**style, "background": CELL}
        )
        self._entry.pack(padx=16, pady=(4, 16))
        self._complaint = tk.Label(
            dialog,
            wraplength=root.winfo_width() // 2,
            justify="left",
            **{**style, "foreground": BAD_NEWS},
        )
        for key in ("<Return>", "<KP_Enter>"):
            self._entry.bind(key, lambda _: self._entered())
        self._entry.bind("<Escape>", lambda _: self.cancel())
        self._entry.focus_set()
        dialog.update_idletasks()
        y = min(y, root.winfo_screenheight() - dialog.winfo_reqheight() - 60)
        dialog.geometry(f"+{x}+{max(0, y)}")
        dialog.deiconify()

    def _entered(self) -> None:
        try:
            comment = understand(self._entry.get(), self._offered)
        except LabelError as error:  # what was typed stays, to be mended
            self._complaint.configure(text=str(error))
            self._complaint.pack(anchor="w", padx=16, pady=(0, 16))
        else:
            self._end(comment)

    def cancel(self) -> None:
        self._end("")

    def _end(self, comment: str) -> None:
        self._dialog.destroy()
        self._done(comment)
