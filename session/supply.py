"""When to fetch, when to try again, when to send: the supply of chunks, and the way back.

Calls of sync.sh run on a thread of their own, the errands', and another looks meanwhile how much
has arrived; all else here is on the window's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import Enum, auto

from session.folder import Folder
from session.settings import SessionError
from session.sync import NO_TICKET, NOTHING_LEFT, Sync, has_terminal
from session.worker import Deliver, Worker

RUNNING_LOW = 50  # detections left at which the next chunk is fetched
RETRY = (30, 60, 120, 240, 300)  # seconds between attempts while the hub cannot be reached
log = logging.getLogger("artifactspy")


class State(Enum):
    """How the supply stands."""

    BEGINNING = auto()  # the chunks that were here are being opened
    WATCHING = auto()  # until it runs low
    FETCHING = auto()
    OPENING = auto()  # what was fetched, which is not counted yet
    PAUSING = auto()  # the hub is left alone for a while
    CLOSED = auto()


class Supply:
    """Sees to it that there is something to label.

    Parameters
    ----------
    sync : Sync
    folder : Folder
    errands : Worker
        The thread on which sync.sh is called.
    deliver : callable
        See `worker`.
    left : callable
        How many detections are left to label.
    read_on : callable
        Called when there is a new chunk; `all_opened` is to be called after it was opened.
    changed : callable
        Called when `text` is another.
    say : callable
        ``say(sentence)``: something the user should know.
    before : callable, optional
        ``before(tell)``, called on the errands' thread each time before the hub is asked for a
        chunk; ``tell(text)`` shows how far that is. A `SessionError` counts as the hub's answer.

    Attributes
    ----------
    state : State
    text : str
        How it stands, for the user; empty if there is nothing to be said.
    reason : str
        Why the hub could not be asked last time; empty if it could.
    exhausted : bool
        The hub has nothing more for this person.
    """

    def __init__(
        self,
        sync: Sync,
        folder: Folder,
        errands: Worker,
        deliver: Deliver,
        left: Callable[[], int],
        read_on: Callable[[], None],
        changed: Callable[[], None],
        say: Callable[[str], None],
        before: Callable[[Callable[[str], None]], None] | None = None,
    ):
        self._before = before
        self._sync, self._folder, self._errands, self._deliver = sync, folder, errands, deliver
        self._left, self._read_on, self._changed, self._say = left, read_on, changed, say
        self.state, self.text, self.reason, self.exhausted = State.BEGINNING, "", "", False
        self._failures = self._brought = 0
        self._timer: threading.Timer | None = None

    def _become(self, state: State, text: str) -> None:
        self.state, self.text = state, text
        self._changed()

    def opened(self, new: int) -> None:
        """Count new detections in a chunk that was opened."""
        self._brought += new

    def all_opened(self) -> None:
        """Go on, now that all chunks that are here were opened."""
        if self.state is State.BEGINNING:
            self.state = State.WATCHING
        elif self.state is State.OPENING:
            self.state = State.WATCHING
            if not self._brought:  # the same damaged chunk again, say: do not ask without a pause
                self._retry_later("the hub sent nothing new")
        self.check()

    def check(self) -> None:
        """Fetch the next chunk, if the detections run low and nothing speaks against it."""
        if self.state is not State.WATCHING:
            return
        if self._left() >= RUNNING_LOW:
            self.text = ""
        else:
            self._become(State.FETCHING, "fetching the next chunk")
            self._errands.do(self._fetch)

    def _fetched(self, status: int, said: str) -> None:
        if self.state is not State.FETCHING:  # the window is closing
            return
        self.exhausted = status == NOTHING_LEFT
        if status == 0 or self.exhausted:
            self._failures, self.reason = 0, ""
        if status == 0:
            self.state, self._brought = State.OPENING, 0
            self._read_on()
        elif self.exhausted:
            self._pause("this is the last chunk for now", RETRY[-1])
        else:
            self._retry_later(said)

    def _retry_later(self, reason: str) -> None:
        pause = RETRY[min(self._failures, len(RETRY) - 1)]
        self._failures += 1
        then = time.localtime(time.time() + pause)
        self._pause(f"no next chunk yet, next try at {time.strftime('%H:%M:%S', then)}", pause)
        if reason != self.reason:  # once is enough
            self.reason = reason
            self._say(reason)

    def _pause(self, text: str, seconds: float) -> None:
        """Leave the hub alone for a while, and show why."""
        self._timer = threading.Timer(seconds, self._deliver, [self._resume])
        self._timer.daemon = True
        self._timer.start()
        self._become(State.PAUSING, text)

    def _resume(self) -> None:
        if self.state is State.PAUSING:
            self.state = State.WATCHING
            self.check()

    def _arriving(self, share: float) -> None:
        self._preparing(f"fetching the next chunk, {min(share, 1):.0%}")

    def _preparing(self, text: str) -> None:
        if self.state is State.FETCHING:
            self._become(State.FETCHING, text)

    def close(self) -> None:
        """Begin nothing more but a last upload; a fetch that is under way ends."""
        if self._timer is not None:
            self._timer.cancel()
        self.state = State.CLOSED
        self._sync.only_upload()

    def to_send(self) -> int:
        """Count the detections whose labels the hub does not have yet."""
        return self._folder.to_send()

    def abandon(self) -> None:
        """Stop waiting for the hub: what is not acknowledged is sent at the next start."""
        self._sync.stop()

    # On the errands' thread

    def _fetch(self) -> None:
        done = threading.Event()
        threading.Thread(target=self._watch, args=[done], daemon=True).start()
        try:
            if self._before is not None:
                self._before(lambda text: self._deliver(self._preparing, text))
            result = self._call("fetch")
        except SessionError as error:
            result = 1, str(error)
        except OSError as error:  # sync.sh could not be started: tell, and try again later
            result = 1, f"sync.sh cannot be run ({error.strerror}); nothing is lost."
        finally:
            done.set()
        self._deliver(self._fetched, *result)

    def _call(self, verb: str) -> tuple[int, str]:
        """Call sync.sh; once the hub has answered, hub and user are kept for the next time."""
        status, said = self._sync.call(verb)
        if status in (0, NOTHING_LEFT):
            try:
                self._sync.remember()
            except SessionError as error:
                self._deliver(self._say, str(error))
        return status, said

    def _watch(self, done: threading.Event) -> None:
        """Tell how much of a chunk has arrived: its size is in the name that it has till then."""
        while not done.wait(0.5):
            for path in self._folder.arriving():
                total = path.name.split(".")[-3]
                try:
                    size = path.stat().st_size
                except FileNotFoundError:
                    continue
                if total.isdecimal():
                    self._deliver(self._arriving, size / max(1, int(total)))

    def send_earlier(self) -> None:
        """Send what earlier sessions left."""
        if self._folder.has_waiting():
            status, said = self._call("upload")
            if status:
                self._deliver(self._say, said)

    def send_last(self) -> tuple[int, str]:
        """Send what is here, asking for a password if need be; return code and sentence."""
        if not self._folder.has_waiting():
            return 0, ""
        status, said = self._call("upload")
        if status == NO_TICKET and has_terminal():
            self._deliver(
                self._say, "The terminal may ask you to log in; Ctrl+C there leaves it for later."
            )
            if self._sync.login() == 0:
                status, said = self._call("upload")
        return status, said
