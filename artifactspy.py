#!/usr/bin/env python3
"""Label difference-imaging detections: three stamps, a press, and no label is ever lost.

This is one sitting, from the options to the exit status; start it with ``./ArtifactSpy``, which
sees to a Python that has what it needs. The window is in window/, what the person works through in
session/, how a stamp looks in scaling.py, what can be answered in labels.py.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import pwd
import queue
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import disk
from session.folder import take_lock
from session.settings import ROOT, SessionError, Settings, choose, stored
from session.sync import INTERRUPTED, Sync, has_terminal
from window.greeting import greet
from window.screen import open_display, toolkit, when_lost
from window.window import Window

if TYPE_CHECKING:
    import tkinter as tk

VERSION = "0.1.0"
LOG_LIMIT = 1 << 20  # bytes
REFUSED = 7  # sync.sh's exit code: the hub says no
log = logging.getLogger("artifactspy")


class Terminal:
    """Prints on a thread of its own: a stopped terminal (Ctrl+S) must not stop the window."""

    def __init__(self) -> None:
        self._texts: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print, daemon=True)
        self._thread.start()

    def tell(self, text: str, end: str = "\n") -> None:
        """Print a text soon; where there is no terminal any more, nothing happens."""
        self._texts.put(text + end)

    def _print(self) -> None:
        while (text := self._texts.get()) is not None:
            try:
                print(text, end="", flush=True)
            except OSError:  # closed; what is still buffered must not be tried again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def close(self) -> None:
        """Wait until all is printed, but not for ever."""
        self._texts.put(None)
        self._thread.join(2)


def arguments(words: Sequence[str]) -> argparse.Namespace:
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
        default=ROOT / "data",
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
    parser.add_argument(
        "--version", action="store_true", help="tell the versions of all that matters, and end"
    )
    given = parser.parse_args(words)
    for name in ("user", "hub", "realm"):
        if getattr(given, name) == "":
            parser.error(f"--{name} takes a name")
    return given


def _practice_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("it takes a number from 1 to 1000")
    return int(text)


def versions() -> str:
    """Return what whoever is to help asks first: versions, and nothing of a person or a hub."""
    import platform
    from importlib import metadata

    def of(package: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return "none"

    commit = ""
    if (ROOT / ".git").exists():
        git = "git", "--git-dir", str(ROOT / ".git"), "--work-tree", str(ROOT)
        command = *git, "--no-optional-locks", "describe", "--tags", "--always", "--dirty"
        with contextlib.suppress(OSError):
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            commit = f" ({told.strip()})" if told else ""
    kind = " (conda)" if Path(sys.prefix, "conda-meta").exists() else ""
    kind = " (.venv)" if Path(sys.prefix) == ROOT / ".venv" else kind
    packages = ", ".join(f"{name} {of(name)}" for name in ("numpy", "astropy", "Pillow"))
    return (
        f"ArtifactSpy {VERSION}{commit}\n"
        f"Python {platform.python_version()}{kind}, Tk {toolkit()}, {packages}\n"
        f"{platform.platform()}"
    )


class _Log(logging.FileHandler):
    def _open(self) -> io.TextIOWrapper:
        name, kind = self.baseFilename, "backslashreplace"  # of a file name that is no text
        return open(name, "a", encoding="utf-8", errors=kind, opener=disk.private)


def start_log(home: Path) -> None:
    """Send what is worth telling a developer to ``artifactspy.log``; one of 1 MB is put aside.

    By hand: logging.handlers, which has the same, takes some 6 ms of every start to import.
    """
    logging.raiseExceptions = False  # a full disk must not stop the labelling over its log
    path = home / "artifactspy.log"
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_LIMIT:
            path.replace(home / "artifactspy.log.1")
    handler = _Log(path, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


@contextlib.contextmanager
def leaving_nothing(made: Sequence[Path]) -> Iterator[None]:
    """Take the data folder away again if the start fails; `made` are it and what it is in."""
    try:
        yield
    except (SessionError, KeyboardInterrupt, SystemExit):  # none of them comes from an open window
        with contextlib.suppress(OSError):  # it holds more than that
            for name in ("lock", "artifactspy.log") if made else ():
                (made[0] / name).unlink(missing_ok=True)
            for folder in made:
                folder.rmdir()
        raise


def run(given: argparse.Namespace) -> int:
    """Hold one session; return the program's exit status."""
    if given.version:
        print(versions())
        return 0
    home = given.data.expanduser().resolve()

    def chosen_as(user: str | None) -> Settings:
        return choose(home, given.hub, user, given.realm, given.practice, given.expert)

    chosen = chosen_as(given.user)
    made = [folder for folder in (home, *home.parents) if not folder.exists()]
    lock = take_lock(home)
    with leaving_nothing(made), contextlib.closing(lock):
        start_log(home)
        root = open_display()
        if chosen.practice and given.practice is None:
            left = stored(ROOT / "site.ini", home / "settings.ini")
            chosen = greet(root, left, left.get("hub", ""), chosen_as) or chosen
        return hold(root, chosen)


def hold(root: tk.Tk, chosen: Settings) -> int:
    """Hold the session that was chosen; return the program's exit status."""
    with (
        contextlib.closing(Terminal()) as terminal,
        contextlib.closing(Sync(chosen)) as sync,
    ):
        if chosen.practice:
            terminal.tell(
                "Practice: these stamps are simulated, and the labels stay in this folder.\n"
                "To label for the survey: ./ArtifactSpy --user NAME (once; it is remembered)."
            )
        else:
            print(f"Labelling as {chosen.user} for {chosen.hub}.", flush=True)
        # where that fails it says why, and the session is one without a network
        if chosen.remote and has_terminal() and sync.login(quick=True) == INTERRUPTED:
            raise KeyboardInterrupt
        if chosen.expert:
            _check_expert(chosen, sync)
        window = Window(root, chosen, stored(chosen.home / "settings.ini"), sync, terminal.tell)

        def screen_lost() -> None:
            window.close_without_screen()
            status = _tell_end(window, sync, terminal)
            terminal.close()
            sync.close()
            forget_typed()
            os._exit(status)

        root.deiconify()
        threading.Thread(target=when_lost, args=[screen_lost], daemon=True).start()
        window.session.start()
        root.mainloop()
        status = _tell_end(window, sync, terminal)
    forget_typed()
    return status


def _check_expert(chosen: Settings, sync: Sync) -> None:
    """Refuse whoever is not the hub's owner, before the window opens and as far as that is known.

    Another machine's hub is asked if there is nothing to label yet: then it is asked for stamps
    anyway, and a person who has some gets the same answer in the window.
    """
    if not chosen.remote:
        with contextlib.suppress(OSError, KeyError):
            owner = pwd.getpwuid(os.stat(chosen.hub).st_uid).pw_name
            if (owner, owner) != (chosen.user, pwd.getpwuid(os.getuid()).pw_name):
                raise SessionError(
                    f"Only {owner}, who owns this hub, can label as its expert: start without "
                    "--expert, nothing was changed."
                )
    elif not any(chosen.data.glob("chunks/*.tar.gz")):
        status, said = sync.call("fetch")
        if status == REFUSED:
            raise SessionError(said)


def _tell_end(window: Window, sync: Sync, terminal: Terminal) -> int:
    """Tell what the sitting came to; return the program's exit status."""
    status, said = window.outcome
    for line in window.session.summary():
        terminal.tell(line)
    if file := window.session.report().file:
        terminal.tell(f"They are in {file}")
    if said and (status or not window.settings.practice):
        terminal.tell(said)
    if sync.forgets:
        names = " ".join(f"--{name} {value}" for name, value in window.settings.given.items())
        terminal.tell(f"The hub never answered, so that this is not remembered: {names}")
    return 1 if status else 0


def forget_typed() -> None:
    """Forget half a comment, and keys that were meant for the window: the shell comes next."""
    if has_terminal():
        with contextlib.suppress(termios.error):
            termios.tcflush(0, termios.TCIFLUSH)


def main() -> None:
    """Run the program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 still gets the rest
    for number in (signal.SIGTERM, signal.SIGHUP):  # before the window is there: tidy up and go
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: sys.exit(2))
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        # stamps are small matrices: numpy's own threads cost more than they save
        os.environ.setdefault(name, "1")
    try:
        status = run(arguments(sys.argv[1:]))
    except SessionError as error:
        print(f"ArtifactSpy: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:  # at the password prompt: there is no window yet, and nothing to lose
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
