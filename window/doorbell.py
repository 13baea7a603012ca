"""Lets other threads and signals reach the window's thread, without a polling loop."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import signal
import sys
import tkinter as tk
from collections.abc import Callable
from typing import Any


class Doorbell:
    """Rings with a byte in a pipe, which Tk waits for as it does for a key.

    Parameters
    ----------
    root
    on_signal
        ``on_signal(number)`` on the window's thread: the process was asked to end.
    """

    def __init__(self, root: tk.Tk, on_signal: Callable[[int], None]) -> None:
        self._root, self._on_signal = root, on_signal
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]]
        self._calls = queue.SimpleQueue()
        self._inside, self._outside = os.pipe()
        os.set_blocking(self._inside, False)
        os.set_blocking(self._outside, False)
        root.tk.createfilehandler(self._inside, tk.READABLE, self._answer)
        signal.set_wakeup_fd(self._outside, warn_on_full_buffer=False)
        self._before = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup and background jobs mean it
                self._before[number] = signal.signal(number, lambda *_: None)

    def close(self) -> None:
        """Ring no more: signals do again what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        self._root.tk.deletefilehandler(self._inside)
        os.close(self._inside)
        os.close(self._outside)

    def deliver(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function soon on the window's thread; may be called from any."""
        self._calls.put((function, arguments))
        with contextlib.suppress(BlockingIOError):  # a full pipe rings as well
            os.write(self._outside, b"\0")

    def answer_until(self, condition: Callable[[], bool]) -> None:
        """Answer until a condition holds, without Tk; to be called on the window's thread."""
        while not condition():
            select.select([self._inside], [], [])
            self._answer()

    def _answer(self, *_: object) -> None:
        for number in os.read(self._inside, 65536):
            if number:
                self._calls.put((self._on_signal, (number,)))
        while not self._calls.empty():
            function, arguments = self._calls.get()
            try:
                function(*arguments)
            except Exception:  # Tk reports those of its own callbacks only
                self._root.report_callback_exception(*sys.exc_info())
