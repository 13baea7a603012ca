"""Whether the window can show a stamp, found out as the window does: by decoding it.

That is done by a few processes of their own, bounded in memory and in the time that one stamp may
take, so that whatever bytes do to a decoder costs that stamp alone. `look` is for the hub; run as
a program, this is such a process. Standard library only, but for what decoding takes.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import stamps

_MOST = 4  # processes
_WORTH = 500  # stamps that are worth another one
_BATCH = 100  # stamps asked about at once: questions and answers fit into a pipe
_MEMORY = 2 << 30  # bytes; a stamp of the largest size takes a tenth
_SECONDS = 10  # of processor time for one stamp; real ones take thousandths
_FATAL = "it ends the program that reads it"
_TRIES = 5  # deaths without a single answer, after which not the stamps are to blame


class Place(NamedTuple):
    """Where a stamp is in the file of them all, and what its name says of its format."""

    place: int
    size: int
    suffix: str


class Seen(NamedTuple):
    """What came of a look: the reason why no window can show the stamp, or None if one can.

    `blind` says why nothing could be found out, for which the stamp is not to blame.
    """

    why: str | None = None
    blind: str | None = None


def look(
    file: int, places: Iterable[Place], progress: Callable[[str], None] = lambda text: None
) -> Iterator[tuple[Place, Seen]]:
    """Go through stamps and what came of looking at them, in any order.

    Parameters
    ----------
    file : int
        Descriptor of the file that holds them.
    places : iterable of Place
    progress : callable
        Is told what is going on.
    """
    rest, died, count, answered = iter(places), [], 0, False
    first = list(islice(rest, _MOST * _WORTH))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lookers = [_Looker(file) for _ in range(min(_MOST, cpus or 1, 1 + len(first) // _WORTH))]
    stream = (place for some in (first, rest) for place in some)
    try:
        while batch := list(islice(stream, _BATCH * len(lookers))):
            for number, looker in enumerate(lookers):
                looker.ask(batch[number :: len(lookers)])
            for looker in lookers:
                for place, seen in looker.answers():
                    if seen is None:
                        died.append(place)
                        if not answered and len(died) >= _TRIES:
                            why = f"{sys.executable} has ended {len(died)} times while it looked"
                            left = (*died, *(p for one in lookers for p in one.asked), *stream)
                            yield from ((place, Seen(blind=why)) for place in left)
                            return
                    else:
                        answered = answered or seen.blind is None
                        yield place, seen
            count += len(batch)
            progress(f"{count} stamps looked at")
    finally:
        for looker in lookers:
            looker.end()
    yield from ((place, Seen(_FATAL)) for place in died)


class _Looker:
    """A process that looks; it is started when it is asked, and anew when it has died.

    `asked` has the stamps whose answers are yet to come.
    """

    def __init__(self, file: int):
        self.asked: deque[Place] = deque()
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, places: Sequence[Place]) -> None:
        """Begin to look at stamps; `answers` must have told all there was before."""
        self.asked.extend(places)
        if self._process is None and places:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cluster.looking", str(self._file)],
                cwd=Path(__file__).parent.parent,
                # idle threads of a machine with many cores count as memory too
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[self._file],
            )
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it has died: that is read off its answers
                lines = (f"{stamp.place} {stamp.size} {stamp.suffix}\n" for stamp in places)
                self._process.stdin.write("".join(lines).encode())
                self._process.stdin.flush()

    def answers(self) -> Iterator[tuple[Place, Seen | None]]:
        """Wait for all answers; None is that the process has died of this stamp."""
        while self.asked and self._process and self._process.stdout:
            line = self._process.stdout.readline()
            place = self.asked.popleft()
            if line.endswith(b"\n"):
                yield place, Seen(*json.loads(line))
            else:
                self.end()
                yield place, None
                left, self.asked = self.asked, deque()
                self.ask(left)

    def end(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _look(data: bytes, suffix: str) -> Seen:
    try:
        stamps.decode(data, suffix)
    except stamps.StampError as error:
        return Seen(str(error)[:200])
    except Exception as error:  # of a decoder that is not there or does not work
        return Seen(blind=str(error)[:200].rstrip("."))
    return Seen()


def _main(file: int) -> None:
    """Look at stamps as long as there is a line on stdin, and write a line for each."""
    with contextlib.suppress(OSError, ValueError):  # a system that knows no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever else prints says nothing to the hub
    for line in sys.stdin.buffer:
        place, size, suffix = line.decode().split()
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        seen = _look(os.pread(file, int(size), int(place)), suffix)
        signal.setitimer(signal.ITIMER_PROF, 0)
        os.write(answers, json.dumps(seen).encode() + b"\n")


if __name__ == "__main__":
    _main(int(sys.argv[1]))
