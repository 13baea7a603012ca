#!/usr/bin/env python3
"""Label difference-imaging detections: three stamps, eight buttons, and no label is ever lost.

This is the program's window; start it with ``./ArtifactSpy``, which sees to a Python that has what
it needs. What the person works through is in session.py, how a stamp looks in stamps.py, what can
be answered in labels.py. Here is only what is seen, pressed and typed.
"""

import argparse
import contextlib
import logging
import os
import queue
import signal
import sys
import termios
import threading
import time
import tkinter as tk
from pathlib import Path
from tkinter import font as tkfont
from typing import NamedTuple

import guide
import labels
import session.settings
import session.sync
from look import Look
from session.folder import take_lock
from session.session import Session

VERSION = "0.1.0"
GUARD = 0.150  # seconds after a new picture in which a press cannot have been meant for it
DOUBLE_CLICK = 500  # ms, as Tk and most desktops have it
RELEASE = 20  # ms; auto-repeat sends release and press together, no finger is that fast
READ_AHEAD = 20  # ms after a picture is painted: earlier, decoding competes with the painting
LIGHT_UP = 150  # ms that a pressed button stays lit
BLINK = 200  # ms that each of two pictures is shown: 2.5 times a second there and back
TTY_LIMIT = 4095  # bytes that a terminal hands over of one line; the rest is lost

GROUND, CELL, INK, DIM, MARK = "#1d1f23", "#121316", "#ececea", "#a4a9b1", "#ffd866"
ASLEEP, FAINT, BANNER = "#2a2d32", "#7d838d", "#343a45"
GOOD_NEWS, BAD_NEWS = "#7fd6a0", "#ffab91"
COLOURS = {  # of a button's kind: it, under the pointer, as it is pressed, and its text
    "artifact": ("#a3352b", "#bd4539", "#f07a6c", "white"),
    "real": ("#1f7a45", "#279457", "#58c98a", "white"),
    "neutral": ("#474c55", "#5b616b", "#9aa1ad", "white"),
    "tool": (GROUND, "#343a45", "#5b616b", "#c9cdd3"),
}
TITLES = ("Search", "Template", "Difference")


class Key(NamedTuple):
    """What some keys do: a method of `Window`, and how the window and Help offer it."""

    names: tuple  # X's names of the keys, or the characters they type
    action: str
    shown: str
    what: str  # for Help
    tool: str = ""  # the text of a small button that does the same
    repeats: bool = False  # while it is held down


KEYS = (
    Key(("BackSpace", "Left"), "back", "⌫, ←", "one detection back", repeats=True),
    Key(("Right",), "forward", "→", "one forward again, as far as you have been", "Forward", True),
    Key(("End",), "newest", "End", "forward to where you were", "Newest"),
    Key(("Return", "KP_Enter"), "keep", "Enter", "after Back: keep the label and go on"),
    Key(("b",), "blink", "b", "while held, or a click held on a stamp: swap Search and Template"),
    Key(("B",), "keep_blinking", "B", "swap them again and again, until pressed again", "Blink"),
    Key(("s", "S"), "scaling", "s", "the next of four scalings", "Scaling"),
    Key(("i", "I"), "invert", "i", "bright pixels dark", "Invert"),
    Key(("m", "M"), "marks", "m", "marks that point at the centre on and off", "Marks"),
    Key((",", "comma"), "darker", ",", "less brightness", repeats=True),
    Key((".", "period"), "brighter", ".", "more brightness", repeats=True),
    Key(("plus", "equal", "KP_Add"), "harder", "+", "more contrast", repeats=True),
    Key(("minus", "KP_Subtract"), "softer", "-", "less contrast", repeats=True),
    Key(("0", "KP_0"), "reset", "0", "all that changes the look as it was", "Reset"),
    Key(("p", "P"), "picture", "p", "save a picture card of the detection, to post", "Picture"),
    Key(("c", "C"), "copy", "c", "copy the Object ID; so does a click on it"),
    Key(("question", "F1"), "help", "?, F1", "open and close this window"),
    Key(("Escape",), "escape", "Escape", "cancel a comment; close this window; leave a button"),
)
POINTER_HELP = (
    ("right drag", "on a stamp: brightness across, contrast up and down, of all three"),
    ("right click twice", "brightness and contrast as they were"),
)

log = logging.getLogger("artifactspy")


class Layout(NamedTuple):
    """Where things are in a window of some size, in screen pixels; see `layout`."""

    unit: int  # height of normal text
    side: int  # of a stamp's square
    left: int  # of the first stamp
    top: int  # of the stamps
    keys: int  # height of a label button
    panel: int  # width of what is beside the stamps
    tools: int  # height of a small button, 0 where there is no room for them


def layout(width, height):
    """Fit the window's parts into `width` x `height` screen pixels, and make the stamps large."""
    unit = max(12, min(width // 88, height // 38))
    panel = 14 * unit
    keys = int(3.4 * unit)
    below = keys + 7 * unit  # the label buttons, the message and the status line
    side = min((width - panel - 5 * unit) // 3, height - below - 3 * unit)
    spare = height - below - 3 * unit - side
    # beside the stamps: Object ID, Back and Help, four rows of tools, two label buttons
    room = side - int(6.2 * unit)
    tools = min(2 * unit, (room - 2 * keys - unit) // 4)
    tools = tools if tools >= 1.5 * unit else 0
    # taller where there is room for it
    keys = min(keys + min(spare // 2, 2 * unit), (room - 4 * tools - unit) // 2)
    left = (width - 3 * side - 3 * unit - panel) // 2
    top = 2 * unit + max(0, height - side - keys - 9 * unit) // 2
    return Layout(unit, side, left, top, keys, panel, tools)


class Button(tk.Label):
    """A button in its own colours, which macOS' own ignores.

    With `guarded`, a click does nothing within `DOUBLE_CLICK` of one that did something, which is
    when `command()` returned true: it is the rest of a double or triple click.
    """

    def __init__(self, parent, text, kind, command, font, guarded=True):
        self._colour, self._lit, self._pressed, self._ink = COLOURS[kind]
        super().__init__(
            parent,
            text=text,
            font=font,
            background=self._colour,
            foreground=self._ink,
            takefocus=True,
            highlightthickness=3,
            highlightbackground=self._colour,
            highlightcolor=INK,
            cursor="hand2",
        )
        self.text, self.invoke, self._marked = text, command, False
        self._guarded, self._armed, self._acted_at = guarded, False, -DOUBLE_CLICK
        self._awake, self._glowing = True, False
        self.bind("<ButtonPress-1>", self._press)
        self.bind("<ButtonRelease-1>", self._release)
        self.bind("<Enter>", lambda _: self._paint(self._lit))
        self.bind("<Leave>", lambda _: self._paint(self._colour))

    def _press(self, event):
        self._armed = not self._guarded or event.time - self._acted_at > DOUBLE_CLICK

    def _release(self, event):
        inside = 0 <= event.x < self.winfo_width() and 0 <= event.y < self.winfo_height()
        if self._armed and inside and self.invoke():
            self._acted_at = event.time
        self._armed = False

    def _paint(self, colour):
        if not self._awake:
            colour = GROUND if self._colour == GROUND else ASLEEP
        if self._glowing:
            colour = self._pressed
        quiet = self._colour == GROUND  # a tool, which must not outshine the labels
        self.configure(
            background=colour,
            foreground=MARK if self._marked and quiet else self._ink if self._awake else FAINT,
            highlightbackground=MARK if self._marked and not quiet else colour,
        )

    def light_up(self):
        """Show for a moment that it was pressed."""
        self._glowing = True
        self._paint(self._pressed)
        self.after(LIGHT_UP, self._dim)

    def _dim(self):
        self._glowing = False
        self._paint(self._colour)

    def wake(self, awake):
        """Show whether the button does anything at the moment."""
        if awake != self._awake:
            self._awake = awake
            self._paint(self._colour)

    def mark(self, marked):
        """Show that this is the label which the detection has already."""
        if marked != self._marked:
            self._marked = marked
            self.configure(text=f"✓ {self.text}" if marked else self.text)
            self._paint(self._colour)


class Doorbell:
    """Lets other threads and signals reach the window's thread, without a polling loop."""

    def __init__(self, root, on_signal):
        self._root, self._on_signal = root, on_signal
        self._calls = queue.SimpleQueue()
        self._inside, self._outside = os.pipe()
        os.set_blocking(self._inside, False)
        os.set_blocking(self._outside, False)
        root.tk.createfilehandler(self._inside, tk.READABLE, self._answer)
        signal.set_wakeup_fd(self._outside, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup and background jobs mean it
                signal.signal(number, lambda *_: None)

    def deliver(self, function, *arguments):
        """Call a function soon on the window's thread; may be called from any."""
        self._calls.put((function, arguments))
        with contextlib.suppress(BlockingIOError):  # a full pipe rings as well
            os.write(self._outside, b"\0")

    def _answer(self, *_):
        for number in os.read(self._inside, 65536):
            if number:
                self._calls.put((self._on_signal, (number,)))
        while not self._calls.empty():
            function, arguments = self._calls.get()
            try:
                function(*arguments)
            except Exception:  # Tk reports those of its own callbacks only
                self._root.report_callback_exception(*sys.exc_info())


class Terminal:
    """Prints on a thread of its own: a stopped terminal (Ctrl+S) must not stop the window."""

    def __init__(self):
        self._texts = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print, daemon=True)
        self._thread.start()

    def tell(self, text, end="\n"):
        """Print a text soon; where there is no terminal any more, nothing happens."""
        self._texts.put(text + end)

    def _print(self):
        while (text := self._texts.get()) is not None:
            try:
                print(text, end="", flush=True)
            except OSError:  # closed; what is still buffered must not be tried again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def close(self):
        """Wait until all is printed, but not for ever."""
        self._texts.put(None)
        self._thread.join(2)


class Comment:
    """Asks for one line of text: in the terminal if a person sits there, else in a small dialog.

    Parameters
    ----------
    root : tkinter.Tk
    tell : callable
        Prints to the terminal.
    objid : str
        Of the detection that the comment is about.
    earlier : sequence of str
        Comments that can be had again by their number, from 1.
    read : callable
        ``read(text)`` returns the comment that a line stands for, or raises `labels.LabelError`.
    done : callable
        ``done(objid, comment)``, the comment empty if it was cancelled or refused. Called once.
    """

    def __init__(self, root, tell, objid, earlier, read, done):
        self._root, self._tell, self._objid = root, tell, objid
        self._understand, self._done = read, done
        self._dialog = None
        self.in_terminal = session.sync.has_terminal()
        lines = ["A number takes an earlier comment:"] if earlier else []
        for number, text in enumerate(earlier, 1):
            lines.append(f"{number:>3}  {text[:70]}{'…' * (len(text) > 70)}")
        lines.append(f"Comment for {objid} (empty line: cancel): ")
        prompt = "\n".join(lines)
        if self.in_terminal:
            termios.tcflush(0, termios.TCIFLUSH)  # what was typed before was not meant as this
            self._tell(prompt, end="")
            root.tk.createfilehandler(0, tk.READABLE, self._read)
        else:
            self._open_dialog(prompt)

    def _read(self, *_):
        try:
            line = os.read(0, 1 << 20)
        except OSError:  # the terminal is gone; its hang-up signal closes the window
            line = b""
        if len(line) >= TTY_LIMIT:
            self._tell(
                "That line was longer than a terminal takes: its end is lost, say it shorter."
            )
            self._end("")
            return
        try:
            self._end(self._understand(line.decode(errors="replace")))
        except labels.LabelError as error:
            self._tell(str(error))
            self._end("")

    def _open_dialog(self, prompt):
        self._dialog = dialog = tk.Toplevel(self._root, class_="ArtifactSpy", background=GROUND)
        dialog.title("ArtifactSpy: comment")
        dialog.transient(self._root)
        # below the stamps, which the comment is about
        x, y = self._root.winfo_rootx(), self._root.winfo_rooty()
        y += int(self._root.winfo_height() * 0.86)
        dialog.geometry(f"+{x + 40}+{min(y, self._root.winfo_screenheight() - 220)}")
        dialog.protocol("WM_DELETE_WINDOW", self.cancel)
        colours = {"background": GROUND, "foreground": INK, "font": "artifactspy"}
        tk.Label(dialog, text=prompt, justify="left", **colours).pack(
            anchor="w", padx=16, pady=(16, 4)
        )
        entry = tk.Entry(dialog, width=60, insertbackground=INK, **{**colours, "background": CELL})
        entry.pack(padx=16, pady=(4, 16))
        self._complaint = tk.Label(dialog, wraplength=600, justify="left", **colours)
        entry.bind("<Return>", lambda _: self._entered(entry.get()))
        entry.bind("<KP_Enter>", lambda _: self._entered(entry.get()))
        entry.bind("<Escape>", lambda _: self.cancel())
        entry.focus_set()

    def _entered(self, text):
        try:
            self._end(self._understand(text))
        except labels.LabelError as error:  # what was typed stays, to be mended
            self._complaint.configure(text=str(error), foreground=BAD_NEWS)
            self._complaint.pack(anchor="w", padx=16, pady=(0, 16))

    def cancel(self):
        """Ask no longer."""
        if self.in_terminal:
            with contextlib.suppress(termios.error):  # half a comment must not reach the shell
                termios.tcflush(0, termios.TCIFLUSH)
            self._tell("cancelled")
        self._end("")

    def _end(self, text):
        if self.in_terminal:
            self._root.tk.deletefilehandler(0)
        else:
            self._dialog.destroy()
        self._done(self._objid, text)


class View:
    """The three stamps: titles, pictures, marks, blinking, and what is under the pointer.

    Parameters
    ----------
    root : tkinter.Tk
    style : dict
        Options of the titles' labels.
    stretched : callable
        ``stretched(bias, contrast)``, while somebody drags; None for both: as they were.
    pointed : callable
        ``pointed(text)``: where the pointer is and which value is there; empty if on no stamp.
    """

    def __init__(self, root, style, stretched, pointed):
        self._root, self._stretched, self._pointed = root, stretched, pointed
        self.marks = None  # drawn: True, False, or None for where the stamp brings none itself
        self.stretch = 0.5, 1.0  # bias and contrast at the moment
        self._side = self._unit = 1
        self._triplet = self._place = None
        self._order = range(3)  # which stamp each cell shows
        self._pointer = self._grip = self._blinking = None
        self._clicked = False  # on a stamp, and still held
        self._titles = [tk.Label(root, **style, text=text, foreground=INK) for text in TITLES]
        self._cells = [
            tk.Canvas(root, background=CELL, highlightthickness=0, borderwidth=0) for _ in TITLES
        ]
        self._photos = [tk.PhotoImage(master=root) for _ in TITLES]
        self._images = [
            cell.create_image(0, 0, image=photo, anchor="center")
            for cell, photo in zip(self._cells, self._photos)
        ]
        for i, cell in enumerate(self._cells):
            cell.bind("<Motion>", lambda event, i=i: self._point(i, event.x, event.y))
            cell.bind("<Leave>", lambda _: self._point(None, 0, 0))
            cell.bind("<ButtonPress-1>", lambda _: self._hold(True))
            cell.bind("<ButtonRelease-1>", lambda _: self._hold(False))
            for button in (2, 3):  # the right one is 2 on macOS
                cell.bind(f"<ButtonPress-{button}>", self._grasp)
                cell.bind(f"<B{button}-Motion>", self._drag)
                cell.bind(f"<Double-ButtonPress-{button}>", self._let_back)

    def place(self, fit):
        """Take the places that a `Layout` gives."""
        self._side, self._unit = fit.side, fit.unit
        for i, (title, cell) in enumerate(zip(self._titles, self._cells)):
            x = fit.left + i * (fit.side + fit.unit)
            title.place(x=x, y=fit.top - 1.7 * fit.unit, width=fit.side, height=1.5 * fit.unit)
            cell.place(x=x, y=fit.top, width=fit.side, height=fit.side)
            cell.coords(self._images[i], fit.side // 2, fit.side // 2)
        self.draw_marks()

    def show(self, pictures, triplet, place):
        """Show a triplet.

        Parameters
        ----------
        pictures : sequence of three PPM, or None
        triplet : sequence of three scaling.Stamp, or None
        place : tuple
            Stamp, column and row of what gives a practice detection away, or None.
        """
        for cell, image in zip(self._cells, self._images):
            cell.itemconfigure(image, state="normal" if pictures else "hidden")
        for photo, picture in zip(self._photos, pictures or ()):
            photo.configure(data=picture, format="ppm")  # Tk's reader of PGM, too
        self._triplet, self._place = pictures and triplet, place
        self.draw_marks()
        self._read_pointer()

    # Marks

    def draw_marks(self):
        """Draw ticks that point at the centre, and a ring around the telling place."""
        for cell, kind in zip(self._cells, self._order):
            cell.delete("mark")
            if self._triplet:
                if self._has_marks(self._triplet[kind]):
                    self._draw_ticks(cell)
                if self._place and self._place[0] == kind:
                    self._draw_ring(cell, kind)

    @property
    def has_marks(self):
        """Tell whether there are ticks on a stamp."""
        return bool(self._triplet) and any(map(self._has_marks, self._triplet))

    def toggle_marks(self):
        """Draw the ticks if there are none, else leave them out."""
        self.marks = not self.has_marks
        self.draw_marks()

    def _has_marks(self, stamp):
        height, width = stamp.gray.shape
        drawn = stamp.pixels.dtype != "uint8" if self.marks is None else self.marks
        return drawn and height == width > 1  # one cut short has its detection somewhere else

    def _draw_ticks(self, cell):
        middle, near, far = self._side / 2, self._side * 0.11, self._side * 0.18
        for colour, wide in ((CELL, 3), (MARK, 1)):
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                ends = [middle + x * near, middle + y * near, middle + x * far, middle + y * far]
                cell.create_line(*ends, fill=colour, width=self._line(wide), tags="mark")

    def _draw_ring(self, cell, kind):
        _, column, row = self._place
        height, width = self._triplet[kind].gray.shape
        left, top, zoom = self._frame(kind)
        x, y, radius = left + (column + 0.5) * zoom, top + (row + 0.5) * zoom, self._side * 0.1
        for colour, wide in ((CELL, 4), (MARK, 2)):
            box = [x - radius, y - radius, x + radius, y + radius]
            cell.create_oval(*box, outline=colour, width=self._line(wide), tags="mark")

    def _line(self, wide):
        return max(1, wide * self._unit / 14)

    def _frame(self, kind):
        """Return left and top of a picture in its cell, and screen pixels per pixel."""
        photo = self._photos[kind]
        left, top = (self._side // 2 - length // 2 for length in (photo.width(), photo.height()))
        return left, top, photo.width() / self._triplet[kind].gray.shape[1]

    # Blinking

    @property
    def blinking(self):
        """Tell whether it blinks on its own."""
        return self._blinking is not None

    def blink(self, swapped):
        """Let Search and Template change places, or take their own again."""
        self._order = (1, 0, 2) if swapped else (0, 1, 2)
        for cell, image, title, kind in zip(self._cells, self._images, self._titles, self._order):
            cell.itemconfigure(image, image=self._photos[kind])
            moved = swapped and kind != 2
            title.configure(text=TITLES[kind], foreground=MARK if moved else INK)
        self.draw_marks()
        self._read_pointer()

    def _hold(self, down):
        """Blink with a click; what blinks on its own waits as long as it is held."""
        self._clicked = down
        self.blink(down)

    def keep_blinking(self, on):
        """Blink on its own, or stop."""
        if self._blinking:
            self._root.after_cancel(self._blinking)
        self._blinking = None
        self.blink(on)
        if on:
            self._blinking = self._root.after(BLINK, self._swap)

    def _swap(self):
        self.blink(self._clicked or self._order[0] == 0)
        self._blinking = self._root.after(BLINK, self._swap)

    # The pointer

    def _point(self, i, x, y):
        self._pointer = None if i is None else (i, x, y)
        self._read_pointer()

    def _read_pointer(self):
        self._pointed(self._under_pointer() if self._pointer and self._triplet else "")

    def _under_pointer(self):
        """Tell position and value of a pixel; FITS counts from 1, from the bottom left."""
        i, x, y = self._pointer
        kind = self._order[i]
        stamp = self._triplet[kind]
        left, top, zoom = self._frame(kind)
        height, width = stamp.gray.shape
        column, row = int((x - left) // zoom), int((y - top) // zoom)
        if not (0 <= column < width and 0 <= row < height):
            return ""
        value = "no value" if stamp.missing[row, column] else f"{stamp.pixels[row, column]:.6g}"
        return f"{TITLES[kind]}  x {column + 1}  y {height - row}:  {value}"

    def _grasp(self, event):
        self._grip = event.x, event.y, *self.stretch

    def _let_back(self, _):
        self._grip = None  # a hand that trembles must not drag on from where it was
        self._stretched(None, None)

    def _drag(self, event):
        if self._grip:
            x, y, bias, contrast = self._grip
            bias += (event.x - x) / self._side
            contrast *= 4 ** ((y - event.y) / self._side)
            self._stretched(bias, contrast)


class Window:
    """The labelling window of one session.

    Parameters
    ----------
    root : tkinter.Tk
    chosen : session.Settings
    kept : dict
        How the window was left, as `Window.kept` gave it.
    sync : session.Sync
    tell : callable
        Prints a text to the terminal.
    """

    def __init__(self, root, chosen, kept, sync, tell):
        self.root, self.settings, self._tell = root, chosen, tell
        self._bell = Doorbell(root, self._signalled)
        self.session = Session(chosen, sync, self._bell.deliver, self.refresh, self.say)
        self.outcome = None  # of the upload: exit code and sentence
        self._layout = None
        self._painted = None, None  # the detection and the pictures on screen
        self._shown_at = 0.0
        self._reading_ahead = None  # the timer
        self._last = ""  # label and detection
        self._held = {}  # keycode -> None while down, or the timer of a release not believed yet
        self._released = {}  # keycode -> when, by the X server's clock in ms
        self._blink_key = None  # its keycode, while it is held down
        self._comment = None
        self._closing = None  # when that was asked for
        self._look, marks = look_of(kept)
        self._build()
        self._view.marks = marks
        self._look_changed(self._look)
        mode = "practice" if chosen.practice else "expert" if chosen.expert else ""
        root.title(f"ArtifactSpy: {mode}".removesuffix(": "))
        with contextlib.suppress(tk.TclError):  # a clone without it still labels
            self._icon = tk.PhotoImage(
                master=root, file=session.settings.ROOT / "data" / "icon.png"
            )
            root.iconphoto(True, self._icon)
        root.protocol("WM_DELETE_WINDOW", self.close)
        root.report_callback_exception = self._bug
        root.bind("<Configure>", self._resized)
        root.bind("<KeyPress>", self._key_pressed)
        root.bind("<KeyRelease>", self._key_released)
        root.bind("<FocusOut>", lambda _: self._let_go())

    def _build(self):
        root = self.root
        root.configure(background=GROUND)
        self._font = tkfont.Font(root, font="TkDefaultFont", name="artifactspy")
        self._bold = tkfont.Font(root, font="TkDefaultFont")
        self._bold.configure(weight="bold")
        style = {"background": GROUND, "font": self._font, "anchor": "w", "padx": 0, "bd": 0}
        self._view = View(root, style, self._stretched, self._pointed)
        self._caption = tk.Label(root, **style, text="Object ID", foreground=DIM)
        self._objid = tk.Label(
            root, **{**style, "font": self._bold}, foreground=INK, cursor="hand2"
        )
        self._objid.bind("<ButtonRelease-1>", lambda _: self.copy())
        self._back = Button(root, "Back  ⌫", "neutral", self.back, self._font, guarded=False)
        self._help = Button(root, "Help  ?", "neutral", self.help, self._font)
        self._tools = {
            key.action: Button(
                root,
                f"{key.tool}  {key.shown}",
                "tool",
                getattr(self, key.action),
                self._font,
                guarded=False,
            )
            for key in KEYS
            if key.tool
        }
        self._buttons = {}
        for label in labels.LABELS:
            self._buttons[label.name] = Button(
                root,
                f"{label.key}  {label.text}",
                label.kind,
                lambda name=label.name: self.press(name),
                self._font,
            )
        self._notice = tk.Label(root, background=BANNER, foreground=INK, font=self._bold)
        self._message = tk.Label(root, **{**style, "anchor": "nw"}, foreground=INK, justify="left")
        self._status = tk.Label(root, **style, foreground=DIM)
        self._pixel = tk.Label(root, **{**style, "anchor": "e"}, foreground=DIM)
        self._trough = tk.Frame(root, background=CELL)
        self._bar = tk.Frame(self._trough, background=DIM)

    # Where things are

    def _resized(self, event):
        if event.widget is self.root:
            fitted = layout(event.width, event.height)
            if (fitted, event.width, event.height) != self._layout:
                self._layout = fitted, event.width, event.height
                self._place(fitted, event.width, event.height)
                self.session.show_as(fitted.side, self._look)

    def _place(self, fit, width, height):
        unit, side = fit.unit, fit.side
        for font in (self._font, self._bold):
            font.configure(size=-unit)
        for button in (self._back, self._help, *self._tools.values(), *self._buttons.values()):
            button.configure(highlightthickness=max(2, unit // 6))
        step = side + unit
        self._view.place(fit)
        x, bottom = fit.left + 3 * step, fit.top + side
        half = (fit.panel - unit // 2) // 2
        self._caption.place(x=x, y=fit.top - 1.7 * unit, width=fit.panel, height=1.5 * unit)
        self._objid.place(x=x, y=fit.top - 0.2 * unit, width=fit.panel, height=2.6 * unit)
        self._objid.configure(wraplength=fit.panel, justify="left")
        y = fit.top + 3 * unit
        self._back.place(x=x, y=y, width=half, height=2.4 * unit)
        self._help.place(x=x + half + unit // 2, y=y, width=half, height=2.4 * unit)
        for i, tool in enumerate(self._tools.values()):
            if fit.tools:
                at = x + i % 2 * (half + unit // 2), y + 2.8 * unit + i // 2 * fit.tools
                tool.place(x=at[0], y=at[1], width=half, height=fit.tools)
            else:
                tool.place_forget()
        below = [label for label in labels.LABELS if label.place == "below"]
        wide = (3 * step - unit + unit // 2) / len(below)
        for i, label in enumerate(below):
            self._place_label(label, fit.left + i * wide, bottom + unit, wide - unit // 2, fit.keys)
        beside = [label for label in labels.LABELS if label.place == "side"]
        for i, label in enumerate(reversed(beside)):
            y = bottom - fit.keys - i * (fit.keys + unit // 2)
            self._place_label(label, x, y, fit.panel, fit.keys)
        line = {"x": fit.left, "width": width - 2 * fit.left}
        self._message.place(y=bottom + 1.6 * unit + fit.keys, height=2.8 * unit, **line)
        self._message.configure(wraplength=width - 2 * fit.left)
        self._status.place(y=height - 2.4 * unit, height=1.6 * unit, **line)
        if self._pixel.winfo_manager():
            self._pointed(self._pixel.cget("text"))
        self._trough.place(y=height - 0.6 * unit, height=unit // 4, **line)
        if self._notice.winfo_manager():
            self._announce(self._notice.cget("text"))

    def _place_label(self, label, x, y, width, height):
        button = self._buttons[label.name]
        button.place(x=int(x), y=int(y), width=int(width), height=int(height))
        button.configure(wraplength=int(width - self._layout[0].unit))

    # What is shown

    def refresh(self):
        """Bring the window in line with the session."""
        page = self.session.page()
        if self._closing:
            return
        if page.detection is None or (page.detection, page.pictures) != self._painted:
            self._paint(page)
        for name, button in self._buttons.items():
            button.wake(self._painted[1] is not None and not self._comment)
            button.mark(page.answer is not None and page.answer.action == name)
        self._status.configure(text=self._status_text(page))
        done, total = self.session.progress()
        self._bar.place(relwidth=done / total, relheight=1)

    def _paint(self, page):
        new = page.detection != self._painted[0] or self._painted[1] is None
        self._painted = page.detection, page.pictures
        objid = page.detection.objid if page.detection else ""
        self._view.show(page.pictures, page.triplet, self.session.verdict(objid).place)
        self._objid.configure(text=objid)
        self._show_tools()
        self._announce("" if page.detection else self._nothing_text())
        self.root.update_idletasks()
        if page.pictures:
            if new:  # and not the same in another size or look
                self._shown_at = time.monotonic()
            self.session.clock.start()
            if self._reading_ahead:
                self.root.after_cancel(self._reading_ahead)
            self._reading_ahead = self.root.after(READ_AHEAD, self.session.read_ahead)

    def _nothing_text(self):
        if not self.session.supply.exhausted:
            text = f"{self.session.supply.reason}\n{self.session.supply.text}".strip()
            return text[:1].upper() + text[1:]
        if self.session.given and self.settings.practice:
            return "That was all of them. Close the window to see how you did."
        if self.session.given:
            return "Nothing left to label: thank you. Close the window to send your labels."
        return "Nothing left to label for now: thank you."

    def _announce(self, text):
        """Put a sentence over the stamps, or take it away."""
        if text and self._layout:
            fit = self._layout[0]
            width, middle = 3 * fit.side + 2 * fit.unit, fit.top + fit.side // 2
            self._notice.configure(text=text, wraplength=width - 2 * fit.unit)
            self._notice.place(x=fit.left, y=middle, width=width, height=5 * fit.unit, anchor="w")
        else:
            self._notice.place_forget()

    def _status_text(self, page):
        parts = []
        if page.detection:
            parts.append(f"{page.detection.number} of {self.session.progress()[1]}")
        given = len(self.session.given)
        today = f"{self.session.today} today"
        parts.append(f"{given} this session, {today}" if given else today)
        if self.session.clock.pace:
            parts.append(f"{self.session.clock.pace:.0f} a minute")
        supply = "next chunk ready" if self.session.next_ready else self.session.supply.text
        if supply:
            parts.append(supply)
        if self._last:
            parts.append(f"saved: {self._last}")
        return " · ".join(parts)

    def say(self, text, colour=INK, aloud=True):
        """Show a sentence under the buttons, and in the terminal if `aloud`."""
        self._message.configure(text=text, foreground=colour)
        if aloud and text:
            self._tell(text)
            log.info("%s", text)

    # What the person does

    def _key_pressed(self, event):
        code = event.keycode
        pending = self._held.get(code)
        # by the server's clock: where this process was kept waiting, the timer is early or late
        down = code in self._held and pending is None
        repeated = down or event.time - self._released.get(code, -RELEASE) < RELEASE
        if pending:
            self.root.after_cancel(pending)
        self._held[code] = None
        # Control, Command and the like belong to the window manager; Shift and the locks do not
        if not event.state & 0x4C:
            if event.keysym == "b" and self._blink_key is None:
                self._blink_key, repeated = code, False
            self.key(event.keysym, event.char, repeated)

    def _key_released(self, event):
        self._released[event.keycode] = event.time
        self._held[event.keycode] = self.root.after(RELEASE, self._let_go, event.keycode)

    def _let_go(self, *keycodes):
        """Believe that keys, or all of them, are up."""
        for keycode in keycodes or tuple(self._held):
            self._held.pop(keycode, None)
            if keycode == self._blink_key:
                self._blink_key = None
                self._view.blink(False)

    def key(self, keysym, char, repeated=False):
        """Do what a key stands for. Held down, it labels one detection, but turns many pages."""
        focus = self.root.focus_get()
        if keysym in ("Return", "KP_Enter", "space") and isinstance(focus, Button):
            if not repeated:
                focus.invoke()
            return
        for key in KEYS:
            if keysym in key.names and (key.repeats or not repeated):
                getattr(self, key.action)()
                return
        for label in labels.LABELS:
            if char == label.key and not repeated:
                self.press(label.name)

    def press(self, name):
        """Give the detection on screen a label, and return True.

        If the press cannot have been meant for it, do nothing and return False.
        """
        too_soon = time.monotonic() - self._shown_at < GUARD
        detection, pictures = self._painted
        if too_soon or self._closing or self._comment or not pictures:
            return False
        self._buttons[name].light_up()
        if name == "Other":
            self._ask(detection.objid)
        else:
            self._label(detection.objid, name)
        return True

    def _ask(self, objid):
        now = self.session
        self._comment = Comment(
            self.root,
            self._tell,
            objid,
            now.comments.offered,
            now.comments.understand,
            self._commented,
        )
        where = "in the terminal" if self._comment.in_terminal else "in the dialog"
        self.say(f"Type the comment for {objid} {where}. Escape or Back cancels.", MARK, False)
        self.refresh()

    def _commented(self, objid, comment):
        self._comment = None
        if comment:
            self._label(objid, "Other", comment)
        else:
            self.say("No comment: nothing was labelled.", aloud=False)
        self.refresh()

    def _label(self, objid, name, comment=""):
        self.say("", aloud=False)
        try:
            self.session.label(objid, name, comment)
        except labels.LabelError as error:
            self.say(str(error), BAD_NEWS)
        else:
            self._last = f"{name} {objid}"
            self._tell_verdict(objid)
            self.refresh()

    def _tell_verdict(self, objid):
        agrees, verdict, _ = self.session.verdict(objid)
        if verdict:
            self.say(verdict, {True: GOOD_NEWS, False: BAD_NEWS, None: INK}[agrees], aloud=False)

    def back(self):
        """Go one page back, or cancel the comment that is asked for."""
        if self._comment:
            self._comment.cancel()
        elif not self._closing:
            if self.session.back():
                self._look_again()
            else:
                self.say("There is nothing earlier here.", aloud=False)

    def forward(self):
        """Go one page on, as far as pages were seen."""
        if not (self._comment or self._closing):
            self.session.forward()
            self._look_again()

    def newest(self):
        """Go forward to where the labelling stood."""
        if not (self._comment or self._closing):
            self.session.newest()
            self._look_again()

    def keep(self):
        """Keep the label that a detection has, and go one page on."""
        if self.session.page().answer:
            self.forward()

    def _look_again(self):
        self.say("", aloud=False)
        page = self.session.page()
        if page.answer:
            label = labels.BY_NAME.get(page.answer.action)
            text = label.title if label else page.answer.action
            comment = f": {labels.shorten(page.answer.comment)}" if page.answer.comment else ""
            agrees, verdict, _ = self.session.verdict(page.detection.objid)
            colour = {True: GOOD_NEWS, False: BAD_NEWS, None: INK}[agrees]
            self.say(f"{text}{comment}. Enter keeps it. {verdict}", colour, aloud=False)

    def escape(self):
        """Cancel the comment that is asked for; else no button has the focus any longer."""
        if self._comment:
            self._comment.cancel()
        else:
            self.root.focus_set()

    def copy(self):
        """Put the Object ID on the clipboard."""
        if self._painted[0]:
            self.root.clipboard_clear()
            self.root.clipboard_append(self._painted[0].objid)
            self.say(f"{self._painted[0].objid} is on the clipboard.", aloud=False)

    def picture(self):
        """Save a picture card of the detection."""
        if not self.session.save_card():
            self.say("There is nothing to make a picture of.", aloud=False)

    # How the stamps look

    def _look_changed(self, look):
        self._look = look
        self._view.stretch = look.bias, look.contrast
        self._show_tools()
        if self._layout:
            self.session.show_as(self._layout[0].side, look)

    def _show_tools(self):
        for action, on in (
            ("scaling", self._look.scaling != Look().scaling),
            ("invert", self._look.inverted),
            ("marks", self._view.has_marks),
            ("keep_blinking", self._view.blinking),
        ):
            self._tools[action].mark(on)
        changed = self._look != Look() or self._view.marks is not None
        self._tools["reset"].wake(changed or self._view.blinking)

    def scaling(self):
        """Take the next scaling."""
        from scaling import SCALINGS  # numpy is there by now

        names = list(SCALINGS)
        at = names.index(self._look.scaling) if self._look.scaling in names else 0
        name = names[(at + 1) % len(names)]
        self._look_changed(self._look._replace(scaling=name))
        self.say(f"Scaling: {SCALINGS[name].title}.", aloud=False)

    def invert(self):
        """Show bright pixels dark, or bright again."""
        self._look_changed(self._look._replace(inverted=not self._look.inverted))

    def marks(self):
        """Draw the marks that point at the centre, or leave them out."""
        self._view.toggle_marks()
        self._show_tools()

    def reset(self):
        """Show the stamps as the program chooses."""
        self._view.keep_blinking(False)
        self._view.marks = None
        self._view.draw_marks()
        self._look_changed(Look())
        self.say("The stamps look as the program chooses.", aloud=False)

    def blink(self):
        """Let Search and Template change places as long as the key is down."""
        self._view.keep_blinking(False)
        self._view.blink(True)
        self._show_tools()

    def keep_blinking(self):
        """Let Search and Template change places all the time, or no longer."""
        self._view.keep_blinking(not self._view.blinking)
        self._show_tools()

    def darker(self):
        """Show all three stamps with less brightness."""
        self._stretched(self._look.bias + 0.05, self._look.contrast)

    def brighter(self):
        """Show all three stamps with more brightness."""
        self._stretched(self._look.bias - 0.05, self._look.contrast)

    def harder(self):
        """Show all three stamps with more contrast."""
        self._stretched(self._look.bias, self._look.contrast * 1.2)

    def softer(self):
        """Show all three stamps with less contrast."""
        self._stretched(self._look.bias, self._look.contrast / 1.2)

    def _stretched(self, bias, contrast):
        if bias is None:
            bias, contrast = Look().bias, Look().contrast
        self._look_changed(self._look.stretched(bias, contrast))

    def _pointed(self, text):
        self._pixel.configure(text=f"  {text}")
        if text:
            fit, width, height = self._layout
            y = height - 2.4 * fit.unit
            self._pixel.place(x=width - fit.left, y=y, height=1.6 * fit.unit, anchor="ne")
        else:
            self._pixel.place_forget()

    def kept(self):
        """Return how the window is left, for the next time: {name: text}."""
        marks = {None: "", True: "yes", False: "no"}[self._view.marks]
        size = f"{self.root.winfo_width()}x{self.root.winfo_height()}"
        return {"window": size, "marks": marks, **self._look.as_settings()}

    def help(self):
        """Open the Help window, in which the keys work too, or close it; return True."""
        if guide.close(self.root):
            return True
        keys = [(key.shown, key.what) for key in KEYS]
        label_keys = f"{labels.LABELS[0].key} to {labels.LABELS[-1].key}"
        keys.insert(0, (label_keys, "give the label that carries the number, and go on"))
        window = guide.show(
            self.root, self.settings.contact, self._layout[0].unit, [*keys, *POINTER_HELP]
        )
        window.bind("<KeyPress>", self._key_pressed)
        window.bind("<KeyRelease>", self._key_released)
        window.bind("<FocusOut>", lambda _: self._let_go())
        return True

    # The end

    def _signalled(self, number):
        if number == signal.SIGINT or not self._closing:  # a closing terminal hangs up twice
            self.close()

    def close(self):
        """Send the labels, then go; asked again, go at once and send them another day."""
        now = time.monotonic()
        if self._closing:
            if now - self._closing > 1:  # not the second half of a double click
                self.session.supply.abandon()
            return
        if self._comment:
            self._comment.cancel()
        self._closing = now
        count = 0
        try:
            count = self.session.supply.to_send()
        except OSError as error:  # then they are not counted, and the window goes all the same
            log.warning("the labels cannot be counted: %s", error)
        if count:
            for button in self._buttons.values():
                button.wake(False)
            text = f"Sending {count} label{'s' * (count > 1)}"
            self._announce(text)
            self.say("Close once more to go now and send them at the next start.", DIM, False)
        self.session.finish(self._finished)

    def _finished(self, status, said):
        self.outcome = status, said
        with contextlib.suppress(OSError, session.settings.SessionError):
            session.settings.remember(self.settings.home, **self.kept())
        self.root.destroy()

    def _bug(self, kind, error, trace):
        log.error("in the window", exc_info=(kind, error, trace))
        self.say(
            "Something went wrong that should not. The labels given so far are safe; please send "
            f"{self.settings.home / 'artifactspy.log'} to the developers.",
            BAD_NEWS,
        )


def arguments(words):
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="ArtifactSpy",
        description="Label difference-imaging detections, so that a network can learn to tell real "
        "transients from artifacts. Without a user it opens in practice mode.",
        epilog="Once: ./ArtifactSpy --user NAME. From then on: ./ArtifactSpy. "
        "Exit status: 0 all labels sent, 1 some kept for later, 2 it could not start.",
    )
    parser.add_argument("--user", metavar="NAME", help="your account at the survey; remembered")
    parser.add_argument(
        "--hub", metavar="HUB", help="[user@]host:folder, or a local folder; remembered"
    )
    parser.add_argument(
        "--realm", metavar="REALM", help="the hub's Kerberos realm, or none; remembered"
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=session.settings.ROOT / "data",
        help="keep chunks, labels and settings there instead of in data/",
    )
    parser.add_argument(
        "--practice",
        metavar="N",
        type=_practice_count,
        nargs="?",
        const=0,
        help="practise on the stamps that come with the program, or on N fresh ones",
    )
    parser.add_argument(
        "--expert",
        action="store_true",
        help="for the hub's owner: label what most needs it, and see what others said",
    )
    parser.add_argument("--version", action="version", version=f"ArtifactSpy {VERSION}")
    given = parser.parse_args(words)
    for name in ("user", "hub", "realm"):
        if getattr(given, name) == "":
            parser.error(f"--{name} takes a name")
    return given


def _practice_count(text):
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("it takes a number from 1 to 1000")
    return int(text)


def open_display():
    """Return the root window, or raise `SessionError` where there is no screen or no fit Tk."""
    if tk.TkVersion < 8.6:
        raise session.settings.SessionError(
            f"This Python's Tk is {tk.TkVersion}, which draws blank windows: 8.6 is needed. "
            "macOS: brew install python-tk. Debian, Ubuntu: sudo apt install python3-tk. "
            "Fedora: sudo dnf install python3-tkinter."
        )
    try:
        return tk.Tk(className="ArtifactSpy")
    except tk.TclError as error:
        raise session.settings.SessionError(
            f"There is no screen to open a window on ({error}): run it on your own desktop, or "
            "log in with ssh -X (macOS: with XQuartz, brew install --cask xquartz)."
        ) from error


def start_log(home):
    """Send what is worth telling a developer to ``artifactspy.log``; one of 1 MB is put aside."""
    logging.raiseExceptions = False  # a full disk must not stop the labelling over its log
    path = home / "artifactspy.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > 1 << 20:
            path.replace(home / "artifactspy.log.1")
    handler = logging.FileHandler(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


def look_of(kept):
    """Read how the stamps were looked at last time, as `Window.kept` wrote it."""
    return Look.from_settings(kept), {"yes": True, "no": False}.get(kept.get("marks"))


def size_of_window(root, kept):
    """Return the geometry to open with: as it was left, but never larger than the screen."""
    width, height = 1280, 600
    with contextlib.suppress(KeyError, ValueError):
        width, height = map(int, kept["window"].split("x"))
    width = max(800, min(width, root.winfo_screenwidth()))
    height = max(450, min(height, root.winfo_screenheight() - 60))
    return f"{width}x{height}"


def run(given):
    """Hold one session; return the program's exit status."""
    home = given.data.expanduser().resolve()
    lock = take_lock(home)
    start_log(home)
    chosen = session.settings.choose(
        home, given.hub, given.user, given.realm, given.practice, given.expert
    )
    kept = session.settings.stored(home / "settings.ini")
    root = open_display()
    root.geometry(size_of_window(root, kept))
    root.minsize(800, 450)
    with (
        contextlib.closing(lock),
        contextlib.closing(Terminal()) as terminal,
        contextlib.closing(session.sync.Sync(chosen)) as sync,
    ):
        if chosen.practice:
            terminal.tell(
                "Practice: these stamps are simulated, and the labels stay in this folder.\n"
                "To label for the survey: ./ArtifactSpy --user NAME (once; it is remembered)."
            )
        else:
            print(f"Labelling as {chosen.user} for {chosen.hub}.", flush=True)
        if chosen.remote and session.sync.has_terminal():
            sync.login(
                quick=True
            )  # where that fails it says why, and the session is one without a network
        window = Window(root, chosen, kept, sync, terminal.tell)
        window.session.start()
        root.mainloop()
        status, said = window.outcome
        for line in window.session.summary():
            terminal.tell(line)
        if window.session.whereabouts():
            terminal.tell(f"They are in {window.session.whereabouts()}")
        if said and (status or not chosen.practice):
            terminal.tell(said)
    return 1 if status else 0


def main():
    """Run the program."""
    sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 still gets the rest
    for number in (signal.SIGTERM, signal.SIGHUP):  # before the window is there: tidy up and go
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(2))
    try:
        status = run(arguments(sys.argv[1:]))
    except session.settings.SessionError as error:
        print(f"ArtifactSpy: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:  # at the password prompt: there is no window yet, and nothing to lose
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
