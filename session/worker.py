"""The one way to run something off the window's thread.

A worker is one thread, which does what it is given in turn. It touches no widget and shares no
container with the window: it hands over a message, through ``deliver(function, *arguments)``,
which calls the function soon on the window's thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from session.settings import SessionError

Deliver = Callable[..., None]
log = logging.getLogger("artifactspy")


class Worker:
    """A thread that does one thing after the other.

    Parameters
    ----------
    name : str
        Of the thread.
    deliver : callable
        See above.
    say : callable
        ``say(sentence)``, on the window's thread: what went wrong.
    log_path : str
        Where a bug can be read about.
    """

    def __init__(self, name: str, deliver: Deliver, say: Callable[[str], None], log_path: str):
        self._deliver, self._say, self._log_path = deliver, say, log_path
        self._thread = ThreadPoolExecutor(1, name)
        self._closed = False

    def do(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        then: Callable[[Any], None] | None = None,
    ) -> Future[None] | None:
        """Run a function; a bug in it goes to the log, not to nowhere.

        Parameters
        ----------
        function, *arguments
            What is called.
        then : callable, optional
            Called with what it returned, on the window's thread.

        Returns
        -------
        Future or None
            Which can be cancelled until it begins; None once `close` was called.
        """
        if self._closed:
            return None
        return self._thread.submit(self._run, function, arguments, then)

    def _run(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        then: Callable[[Any], None] | None,
    ) -> None:
        try:
            answer = function(*arguments)
            if then is not None:
                self._deliver(then, answer)
        except SessionError as error:
            self._deliver(self._say, str(error))
        except Exception:
            log.exception("in the background")
            self._deliver(
                self._say,
                "Something went wrong that should not: the labels are safe, close the window "
                f"and send {self._log_path} to the developers.",
            )

    def close(self, last: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do one thing more, and begin nothing that is asked for from now on."""
        self._closed = True
        return self._thread.submit(last, *arguments)

    def shutdown(self) -> None:
        """Wait until all is done."""
        self._thread.shutdown()
