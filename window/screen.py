"""The screen: opened and dressed, or a sentence why not; and what is done when it goes away.

Xlib ends the process when the X server dies, in the middle of whatever it does. It can be told to
call somebody before, who may do all that needs no screen, and must then end the process.
"""

from __future__ import annotations

import contextlib
import os
import tkinter as tk
from collections.abc import Callable, Mapping
from typing import Any

from session.settings import ROOT, SessionError
from window.colours import GROUND
from window.layout import SMALLEST, opening_size

_kept: list[Any] = []  # what Xlib may call, which Python must not forget


def toolkit() -> str:
    """Return Tk's version to the patch level, which is its Tcl's: Tk itself needs a screen."""
    return str(tk.Tcl().eval("info patchlevel"))


def open_display() -> tk.Tk:
    """Return the root window.

    Raises
    ------
    SessionError
        There is no screen, no fit Tk, or no font.
    """
    if tk.TkVersion < 8.6:
        raise SessionError(
            f"This Python's Tk is {tk.TkVersion}, which draws blank windows: 8.6 is needed. "
            "macOS: brew install python-tk. Debian, Ubuntu: sudo apt install python3-tk. "
            "Fedora: sudo dnf install python3-tkinter."
        )
    try:
        root = tk.Tk(className="ArtifactSpy")
    except tk.TclError as error:
        raise SessionError(
            f"There is no screen to open a window on ({error}): run it on your own desktop, or "
            "log in with ssh -X (macOS: with XQuartz, brew install --cask xquartz)."
        ) from error
    try:
        root.tk.call("font", "actual", "TkDefaultFont")
    except tk.TclError as error:
        raise SessionError(
            f"There is no font to write in the window with ({error}): nothing was changed, install "
            "one. Debian, Ubuntu: sudo apt install fonts-dejavu-core. Fedora: sudo dnf install "
            "dejavu-sans-fonts."
        ) from error
    return root


def behave_as_on_macos(root: tk.Tk, close: Callable[[], None]) -> None:
    """Let Command-Q and the menu's Quit call `close`, and the window come before the terminal.

    Without it Tk's own Quit ends the process at once, and what was labelled is sent another day.
    """
    if root.tk.call("tk", "windowingsystem") == "aqua":
        root.createcommand("::tk::mac::Quit", close)
        root.attributes("-topmost", True)
        root.after_idle(root.attributes, "-topmost", False)


def dress(root: tk.Tk, title: str, stored: Mapping[str, str]) -> tk.PhotoImage | None:
    """Give the root window a title, the size that it was left with, and its icon.

    Parameters
    ----------
    root
    title
    stored
        How the window was left, in the words of ``settings.ini``.

    Returns
    -------
    PhotoImage or None
        The icon, which is to be kept; a clone without it still labels.
    """
    screen = root.winfo_screenwidth(), root.winfo_screenheight(), root.winfo_fpixels("1i")
    root.geometry("{}x{}".format(*opening_size(stored.get("window", ""), *screen)))
    root.minsize(*SMALLEST)
    root.configure(background=GROUND)
    root.title(title)
    with contextlib.suppress(tk.TclError):
        icon = tk.PhotoImage(master=root, file=ROOT / "data" / "icon.png")
        root.iconphoto(True, icon)
        return icon
    return None


def when_lost(then: Callable[[], None]) -> None:
    """Call a function when the X server goes away; it touches no widget, and ends the process.

    Where Tk draws without Xlib, or has its own copy inside, nothing is called. Any thread may ask.
    """
    import ctypes  # which numpy imports anyway, and the window does not wait for

    with contextlib.suppress(OSError, AttributeError):
        xlib = ctypes.CDLL("libX11.so.6", mode=os.RTLD_NOLOAD)
        _kept[:] = xlib, ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: then())
        xlib.XSetIOErrorHandler(_kept[1])
