"""The stamps of the chunks that are here, drawn while others are still on screen.

`Reader` runs on a thread of its own and owns the chunks, what is read of them and what is decoded.
`Pictures` is its counterpart on the window's thread: it asks, and keeps what was drawn of the page
on screen and its neighbours. What crosses between them is a message, one of the named tuples here,
and nothing in it changes any more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Union

import labelfile
import stamps
from look import Look
from session import aside, verdict
from session.folder import PLACES, Folder
from session.line import Detection
from session.worker import Deliver, Worker

if TYPE_CHECKING:
    from scaling import Stamp

PORTION = 4  # triplets of a chunk that are read before other pictures have their turn
HELD = 2  # chunks whose stamps stay in memory; those of others are read again
DECODED = 4  # triplets that stay decoded: a page, the one before, the two after
log = logging.getLogger("artifactspy")


class Wanted(NamedTuple):
    """How pictures are to be drawn: `side` of a stamp's square in screen pixels, and the look."""

    side: int
    look: Look


class Opened(NamedTuple):
    """A chunk was opened, or as much of it as is read so far.

    `objids`, `incomplete` and `damage` are those of `stamps.Chunk`; `answers` and `votes` are what
    this person and others said of its detections, `facts` what the hub tells of them.
    """

    chunk: str
    objids: tuple[str, ...]
    incomplete: dict[str, str]
    damage: str | None
    whole: bool
    answers: dict[str, labelfile.Row]
    votes: dict[str, list[verdict.Vote]]
    facts: dict[str, str] = {}


class AllOpened(NamedTuple):
    """There is no chunk that was not opened."""


class Drawing(NamedTuple):
    """A detection was drawn: see `scaling.pictures`."""

    detection: Detection
    wanted: Wanted
    pictures: list[bytes]
    triplet: tuple[Stamp, Stamp, Stamp]


class Unreadable(NamedTuple):
    """A detection cannot be drawn; `gone` if nothing is known against the stamps themselves."""

    detection: Detection
    reason: str
    gone: bool


class Broken(NamedTuple):
    """Nothing can be drawn on this computer, whatever the stamps are; told once."""

    sentence: str


Message = Union[Opened, AllOpened, Drawing, Unreadable, Broken]


class Reader:
    """Reads chunks and draws stamps. Every method runs on the reader's thread.

    Parameters
    ----------
    folder : Folder
    tell : callable
        ``tell(message)`` hands a message to the window's thread.
    say : callable
        ``say(sentence)`` tells the user.
    """

    def __init__(self, folder: Folder, tell: Callable[[Message], None], say: Callable[[str], None]):
        self._folder, self._tell, self._say = folder, tell, say
        self._versions: dict[Path, tuple[int, int]] = {}
        self._chunks: dict[str, stamps.Chunk] = {}
        self._held: list[str] = []  # names of the chunks whose stamps are in memory, latest last
        self._decoded: dict[Detection, tuple[Stamp, Stamp, Stamp]] = {}  # the latest last
        self._open: stamps.Chunk | None = None  # which is being read
        self._begun = False  # the first detections were handed over
        self._broken = False  # nothing can be drawn here, which was told
        self._first: set[Path] | None = None  # chunks that come before others

    def read_on(self) -> bool:
        """Read a portion of the next chunk; tell whether a message came of it.

        Those that an earlier session began come first, then they are opened in the order of their
        names, and anew when they have changed.
        """
        self._open = self._open or self._next()
        if self._open is None:
            self._tell(AllOpened())
            return True
        chunk = self._open
        first = not (chunk.objids or self._begun) and chunk.keeps
        with aside.marked(chunk.path):
            chunk.read(PORTION)
        answers = None
        if chunk.whole or first:
            objids = {*chunk.objids, *chunk.incomplete}
            answers = self._folder.latest(objids, chunk.metadata_stamp)
        if chunk.whole:
            self._open = None
        # the very first picture does not wait for the rest, unless Back must know the rest
        if answers is None or (answers and not chunk.whole):
            return False
        self._take(chunk)
        self._tell(
            Opened(
                chunk.name,
                tuple(chunk.objids),
                dict(chunk.incomplete),
                chunk.damage,
                chunk.whole,
                answers,
                verdict.read_votes(chunk.path),
                {objid: chunk.facts[objid] for objid in chunk.objids if objid in chunk.facts},
            )
        )
        return True

    def _next(self) -> stamps.Chunk | None:
        for path in self._in_order(self._folder.archives()):
            try:
                status = path.stat()
            except FileNotFoundError:  # somebody tidies up
                continue
            version = status.st_mtime_ns, status.st_size
            if self._versions.get(path) == version:
                continue
            self._versions[path] = version
            if aside.is_set_aside(path):
                self._say(
                    f"{path.name} ended the program, and is set aside: nothing of it is lost. "
                    "Rename it to have it tried again, and tell the hub's owner."
                )
                continue
            if re.fullmatch(r"[A-Za-z0-9._-]+", path.name):
                keeps = len(self._held) < HELD or not self._begun
                return stamps.Chunk(path, at_once=False, keeps=keeps)
            # it would stand in label files
            self._say(f"{path.name!r} is passed over: rename it to plain letters.")
        return None

    def _in_order(self, archives: list[Path]) -> list[Path]:
        """Put those chunks first that earlier sessions began."""
        if self._first is None:
            self._first = self._begun_before(archives) if len(archives) > 1 else set()
        first = self._first
        return sorted(archives, key=lambda path: (path not in first, path.name))

    def _begun_before(self, archives: list[Path]) -> set[Path]:
        """Return the chunks that have a label among their first detections."""
        if not self._folder.of_label_files(bool, *PLACES):
            return set()
        where = {}
        for path in archives:
            if not aside.mark_of(path).exists():
                chunk = stamps.Chunk(path, at_once=False, keeps=False)
                with aside.marked(path):
                    chunk.read(PORTION)
                where.update(dict.fromkeys(chunk.objids, path))
        labelled = self._folder.latest({*where}, stamp="")  # with what was only skipped left out
        return {where[objid] for objid in labelled}

    def _take(self, chunk: stamps.Chunk) -> None:
        self._begun = self._begun or bool(chunk.objids)
        if not chunk.damage or chunk.name not in self._chunks:  # an earlier copy may be better
            self._chunks[chunk.name] = chunk
        if chunk.whole and chunk.keeps and len(self._held) < HELD:
            self._held.append(chunk.name)
        elif chunk.whole:
            chunk.forget()

    def draw(self, detection: Detection, wanted: Wanted) -> None:
        """Draw a detection."""
        if self._broken:
            return
        try:
            import scaling  # and numpy, which this thread waits for while Tk makes the window

            triplet = self._decoded.pop(detection, None)
            if triplet is None:
                with aside.marked(self._chunks[detection.chunk].path):
                    triplet = scaling.triplet(detection.objid, self._encoded(detection))
            self._decoded[detection] = triplet
            while len(self._decoded) > DECODED:
                del self._decoded[next(iter(self._decoded))]
            pictures = scaling.pictures(triplet, *wanted)
        except stamps.StampError as error:
            log.warning("%s: %s", detection, error, exc_info=error.__cause__)
            gone = isinstance(error, stamps.GoneError)
            self._tell(Unreadable(detection, str(error), gone))
        except stamps.ToolError as error:
            self._break(error)
        except (ImportError, MemoryError) as error:
            self._break(stamps.ToolError(error))
        except Exception as error:
            if not _draws(wanted):
                self._break(stamps.ToolError(error))
                return
            log.exception("%s", detection)  # a bug costs one detection, not the session
            self._tell(Unreadable(detection, "they cannot be read", False))
        else:
            self._tell(Drawing(detection, wanted, pictures, triplet))

    def _break(self, error: stamps.ToolError) -> None:
        log.error("%s", error, exc_info=error)
        self._broken = True
        self._tell(Broken(str(error)))

    def _encoded(self, detection: Detection) -> dict[str, stamps.Part]:
        """Return a triplet as it came, and keep the stamps of the chunks used last."""
        name = detection.chunk
        chunk = self._chunks[name]
        if chunk.whole:
            if name in self._held:
                self._held.remove(name)
            elif len(self._held) == HELD:
                self._chunks[self._held.pop(0)].forget()
            self._held.append(name)
        return chunk.encoded(detection.objid)

    def drop_finished(self) -> None:
        """Delete the chunks whose every detection is dealt with and acknowledged by the hub."""
        for path in self._folder.archives():
            if aside.mark_of(path).exists():
                continue
            chunk = self._chunks.get(stamps.stem(path)) or stamps.Chunk(path)
            objids = {*chunk.objids, *chunk.incomplete}
            known = objids and chunk.whole and not chunk.damage
            if known and self._folder.all_acknowledged(objids, chunk.metadata_stamp):
                path.unlink()
                verdict.votes_of(path).unlink(missing_ok=True)
                log.info("%s is done and acknowledged, and deleted here", chunk.name)


def _draws(wanted: Wanted) -> bool:
    """Tell whether a stamp that is certainly good can be drawn."""
    try:
        import scaling

        scaling.pictures([scaling.read(stamps.sample(), ".fits", stamps.SEARCH)], *wanted)
    except Exception:
        return False
    return True


class Pictures:
    """What is drawn, and what is asked for. Every method runs on the window's thread.

    Parameters
    ----------
    worker : Worker
        The reader's thread, on which nothing else may read or delete chunks.
    folder : Folder
    deliver : callable
        See `worker`.
    receive : callable
        ``receive(message)``, on the window's thread. What is drawn, or cannot be, goes to `take`.
    say : callable
        ``say(sentence)``, on the window's thread.
    """

    def __init__(
        self,
        worker: Worker,
        folder: Folder,
        deliver: Deliver,
        receive: Callable[[Message], None],
        say: Callable[[str], None],
    ):
        self._worker = worker
        self.reader = Reader(
            folder,
            lambda message: deliver(receive, message),
            lambda sentence: deliver(say, sentence),
        )
        self.wanted: Wanted | None = None  # as long as there is no window
        self.unreadable: dict[str, str] = {}  # Object ID -> why
        self._drawings: dict[str, Drawing] = {}
        self._asked: dict[str, Future[None]] = {}

    def read_on(self) -> None:
        """Have the chunks opened, up to the next message."""
        self._worker.do(self._read_on)

    def _read_on(self) -> None:
        if not self.reader.read_on():
            self._worker.do(self._read_on)  # others have their turn before

    def drop_finished(self) -> None:
        """Have the chunks deleted that are done."""
        self._worker.do(self.reader.drop_finished)

    def drawing(self, objid: str) -> Drawing | None:
        """Return what was drawn of a detection last, be it in an earlier look."""
        return self._drawings.get(objid)

    def forgive(self, objid: str) -> None:
        """Forget that a detection could not be drawn: its chunk may come anew."""
        del self.unreadable[objid]

    def want(self, wanted: Wanted) -> bool:
        """Draw in another way from now on; tell whether it is another."""
        if wanted == self.wanted:
            return False
        self.wanted = wanted
        for asked in self._asked.values():
            asked.cancel()
        self._asked.clear()
        return True

    def draw(self, detections: Iterable[Detection]) -> None:
        """Have detections drawn as it is wanted now, in this order, if that is to be done."""
        for detection in detections:
            drawing = self.drawing(detection.objid)
            drawn = drawing is not None and drawing.wanted == self.wanted
            done = drawn or detection.objid in self.unreadable or detection.objid in self._asked
            if done or self.wanted is None:
                continue
            asked = self._worker.do(self.reader.draw, detection, self.wanted)
            if asked is not None:
                self._asked[detection.objid] = asked

    def keep(self, detections: Sequence[Detection]) -> None:
        """Forget what was drawn of all others."""
        near = {detection.objid for detection in detections}
        self._drawings = {objid: d for objid, d in self._drawings.items() if objid in near}

    def take(self, message: Drawing | Unreadable) -> None:
        """Keep a drawing; one that is not wanted any more, too: while somebody drags, all show."""
        objid = message.detection.objid
        if isinstance(message, Unreadable):
            self.unreadable[objid] = message.reason
        else:
            self._drawings[objid] = message
        if isinstance(message, Unreadable) or message.wanted == self.wanted:
            self._asked.pop(objid, None)
