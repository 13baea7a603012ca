"""What a person works through: the line of detections, the labels given, the way to the hub. No Tk.

A `Session` is used from one thread, the window's. Reading stamps and talking to the hub happen on
threads of its own, which hand their results over through `deliver(function, *arguments)`: it calls
the function on the window's thread. So nothing here needs a lock but the data folder itself.

The data folder holds ``chunks/``, ``labels/{open,waiting,sent}/``, ``settings.ini``, ``lock`` and
``artifactspy.log``; see README.md for what each is.
"""

import configparser
import contextlib
import csv
import fcntl
import getpass
import io
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import disk
import labels
import stamps

ROOT = Path(__file__).resolve().parent
RUNNING_LOW = 50  # detections left at which the next chunk is fetched
RETRY = (30, 60, 120, 240, 300)  # seconds between attempts while the hub cannot be reached
NOTHING_LEFT, NO_TICKET = 3, 5  # exit codes of sync.sh
# Seconds: a chunk of FITS stamps is some MB, which a bad hotel network takes minutes for
SYNC_TIMEOUT = 900
PRACTICE_TIMEOUT = 120  # seconds to simulate and chunk a practice set
log = logging.getLogger("artifactspy")


class SessionError(Exception):
    """The session cannot go on as asked; the message is the sentence that the user reads."""


class Settings(NamedTuple):
    """What was decided before the window opens; see `settings`."""

    home: Path  # the data folder: lock, log and settings
    data: Path  # chunks/ and labels/: the same, but in practice a folder in it
    hub: str
    user: str
    realm: str
    contact: str
    practice: bool
    stamps: int  # how many to simulate for practice; 0: those that come with the program

    @property
    def remote(self):
        """Tell whether the hub is another machine's."""
        return _host(self.hub) is not None


def _host(hub):
    """Return the ``[user@]host`` of a hub, or None of a local folder."""
    host, colon, _ = hub.partition(":")
    return host if colon and "/" not in host else None


def stored(home, name):
    """Return a setting of the user's, or an empty text."""
    return _stored(Path(home) / "settings.ini").get(name, "")


def _stored(*files):
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise SessionError(f"A settings file cannot be read, please mend it: {first}") from error
    return parser["artifactspy"] if parser.has_section("artifactspy") else {}


def remember(home, **values):
    """Keep settings for the next time in the data folder's ``settings.ini``; None forgets one."""
    path = Path(home) / "settings.ini"
    parser = configparser.ConfigParser(interpolation=None)
    parser["artifactspy"] = {**_stored(path), **{k: v for k, v in values.items() if v is not None}}
    for name in (name for name, value in values.items() if value is None):
        parser.remove_option("artifactspy", name)
    text = io.StringIO()
    parser.write(text)
    disk.write_whole(path, text.getvalue().encode())


def settings(home, hub=None, user=None, realm=None, practice=None):
    """Work out who labels what: options stand above the user's settings, these above site.ini.

    Parameters
    ----------
    home : Path
        The data folder.
    hub, user, realm : str or None
        As on the command line; remembered for the next time.
    practice : int or None
        Practise, on so many fresh stamps (0: on those that come with the program).

    Returns
    -------
    Settings

    Raises
    ------
    SessionError
        One of them is none that can be used.
    """
    given = {
        name: value for name, value in (("hub", hub), ("user", user), ("realm", realm)) if value
    }
    if hub and not _host(hub):
        given["hub"] = os.path.abspath(Path(hub).expanduser())
    values = {**_stored(ROOT / "site.ini", home / "settings.ini"), **given}
    hub = values.get("hub", "")
    host = _host(hub)
    if host and not re.fullmatch(r"[A-Za-z0-9@%+=._/,-]+", hub.partition(":")[2]):
        raise SessionError(
            f"The hub's folder in {hub!r} may hold letters, digits and @%+=._/,- only: "
            "scp versions disagree on how to quote anything else."
        )
    if host is not None and not re.fullmatch(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*", host):
        raise SessionError(f"{hub!r} is no hub: it is [user@]host:folder, or a local folder.")
    domain = (host or "").rpartition("@")[2].partition(".")[2]
    if given.get("hub") and host and not realm:  # the realm of site.ini belongs to its own host
        given["realm"] = values["realm"] = domain.upper()
    realm = values.get("realm") or domain.upper()
    if not re.fullmatch(r"[A-Za-z0-9.-]*", realm):
        raise SessionError(f"{realm!r} is no Kerberos realm: give one like HEP.WISC.EDU, or none.")
    user = values.get("user") or (host or "").rpartition("@")[0]
    if not user and hub and host is None:
        user = getpass.getuser()
    if user and not labels.is_user(user):
        raise SessionError(
            f"{user!r} is no user name: 1 to 32 letters, digits, dots, dashes and "
            "underscores, without two dashes in a row."
        )
    if given:
        remember(home, **given)
    contact = values.get("contact", "")
    if practice is None and user:
        return Settings(home, home, hub, user, realm, contact, False, 0)
    data = home / "practice-session"
    hub = str(data / "hub")
    return Settings(home, data, hub, "practice", "none", contact, True, practice or 0)


def take_lock(home):
    """Make sure that no other session uses this data folder; the lock goes with the process.

    Returns
    -------
    file
        To be kept open.
    """
    path = Path(home) / "lock"
    try:
        Path(home).mkdir(parents=True, exist_ok=True)
        lock = path.open("a+")  # noqa: SIM115
    except OSError as error:
        raise SessionError(
            f"Nothing can be written to {home} ({error.strerror}): no label could be kept. "
            "Name another folder with --data."
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise SessionError(
            f"ArtifactSpy is open on {home} already: close that window first, or give this one "
            "a folder of its own with --data."
        ) from None
    except OSError as error:  # a network home without locks: one person rarely starts two
        log.warning("%s cannot be locked: %s", path, error)
    return lock


def has_terminal():
    """Tell whether a person at a terminal can be asked: a background job would only be stopped."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # the terminal was closed
        return False


class Sync:
    """The way to the hub: calls ``sync.sh``, one call at a time, and can stop it.

    To a remote hub one connection is held open, which makes each call 0.2 s faster. It stays in
    this process' group, so that it cannot outlive it.
    """

    def __init__(self, chosen):
        # a socket's path holds some 104 bytes at most on macOS, and nobody else may reach it
        self._private = tempfile.mkdtemp(prefix="artifactspy-", dir="/tmp") if chosen.remote else ""
        self._environment = dict(
            os.environ,
            ARTIFACTSPY_HUB=chosen.hub,
            ARTIFACTSPY_USER=chosen.user,
            ARTIFACTSPY_REALM=chosen.realm,
            ARTIFACTSPY_DATA=str(chosen.data),
            ARTIFACTSPY_SOCKET=f"{self._private}/ssh" if chosen.remote else "",
        )
        self._process = self._connection = None
        self._stopped = False

    def login(self):
        """Get a ticket, asking in the terminal if need be; return sync.sh's exit code."""
        command = [ROOT / "sync.sh", "login"]
        return subprocess.call(command, cwd=ROOT, env=self._environment)

    def _connect(self):
        """Hold a connection open; where that fails, each call makes its own and says why."""
        if self._private and (self._connection is None or self._connection.poll() is not None):
            self._connection = subprocess.Popen(
                [ROOT / "sync.sh", "connect"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def call(self, verb):
        """Run sync.sh, in a worker thread.

        Returns
        -------
        status : int
            Its exit code, see there; 1 also when it was stopped or took too long.
        said : str
            The last line it wrote, which is one sentence for the user.
        """
        if self._stopped:
            return 1, "Stopped."
        self._connect()
        self._process = process = subprocess.Popen(
            [ROOT / "sync.sh", verb],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # a session of its own: no terminal to ask in, and a group that can be ended whole
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=SYNC_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.interrupt()
            process.communicate()
            return 1, f"The hub took longer than {SYNC_TIMEOUT // 60} minutes; nothing is lost."
        finally:
            self._process = None
        text = output.decode(errors="replace").strip()
        log.info("sync.sh %s: exit %d: %s", verb, process.returncode, text)
        return process.returncode, text.splitlines()[-1] if text else ""

    def interrupt(self):
        """End the call that is under way, if any. The next one works again."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def stop(self):
        """End the call that is under way, and refuse further ones."""
        self._stopped = True
        self.interrupt()

    def close(self):
        """End the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection.wait()
        if self._private:
            shutil.rmtree(self._private, ignore_errors=True)


class Detection(NamedTuple):
    """One page of the line."""

    objid: str
    chunk: str
    number: int  # in its chunk, from 1
    total: int  # of its chunk


class Page(NamedTuple):
    """What the window shows: see `Session.page`."""

    detection: object  # Detection, or None past the end of the line
    pictures: object  # three PPM of the side asked for, or None while they are being read
    answer: object  # the labels.Row given earlier, or None


class Session:
    """One sitting of one person.

    Parameters
    ----------
    chosen : Settings
    sync : Sync
    deliver : callable
        ``deliver(function, *arguments)``, from any thread: calls it soon on the window's.
    changed : callable
        Called without arguments, on the window's thread, when `page` or `supply` is new.
    say : callable
        ``say(sentence)``, on the window's thread: something the user should know.

    Attributes
    ----------
    supply : str
        How the supply of chunks stands, for the status line.
    given : dict
        Object ID -> ACTION of what was labelled in this session.
    today : int
        Detections labelled today, in earlier sessions too.
    """

    def __init__(self, chosen, sync, deliver, changed, say):
        self.settings, self.sync = chosen, sync
        self._deliver, self._changed, self._say = deliver, changed, say
        self._reader = ThreadPoolExecutor(1, "reader")
        self._errands = ThreadPoolExecutor(1, "errands")
        self._file = None
        self._line, self._at, self._seen = [], 0, 0
        self._earlier = 0  # how many pages at the line's head were labelled before this session
        self._chunks, self._versions = {}, {}
        self._answers, self._prepared, self._unreadable = {}, {}, {}
        self._truth = {}
        self._asked = set()  # Object IDs whose pictures are being prepared
        self._left, self._side = 0, 0
        self._shown_since, self._seconds = None, {}
        self._fetching, self._exhausted, self._failures, self._timer = False, False, 0, None
        self._closing = False
        self.supply, self.given, self.today = "", {}, 0
        self.began = time.monotonic()

    # The data folder

    def _folder(self, *names):
        folder = self.settings.data.joinpath(*names)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def label_files(self, *places):
        """List the label files in these places: open, waiting, sent."""
        return [path for place in places for path in self._folder("labels", place).glob("*--*.csv")]

    def start(self):
        """Close what a crashed session left, then begin to read chunks and to fetch more.

        Raises
        ------
        SessionError
            The data folder cannot be written to.
        """
        try:
            for place in ("open", "sent"):
                self._folder("labels", place)
            if not self.settings.practice:
                self._settle_crashed()
        except OSError as error:
            raise SessionError(
                f"The labels in {self.settings.data} are as they were, but cannot be put in order "
                f"({error.strerror}): make room or give yourself the right to write there."
            ) from error
        if self.settings.practice:
            self.supply = "preparing the practice stamps"
            self._work(self._errands, self._begin_practice)
        else:
            self._work(self._reader, self._scan, True)
            self._work(self._errands, self._send_earlier)

    def _settle_crashed(self):
        for path in self.label_files("open"):
            _, torn = labels.settle(path, self._folder("labels", "waiting"))
            log.warning("%s was left by a session that crashed; %d torn lines", path.name, torn)

    def _work(self, executor, function, *arguments):
        """Run a function on a thread; a bug in it goes to the log, not to nowhere."""

        def run():
            try:
                function(*arguments)
            except SessionError as error:
                self._deliver(self._say, str(error))
            except Exception:
                log.exception("in the background")
                self._deliver(
                    self._say,
                    "Something went wrong that should not: the labels are safe, close the window "
                    f"and send {self.settings.home / 'artifactspy.log'} to the developers.",
                )

        if not self._closing:
            executor.submit(run)

    # On the errands thread: the hub

    def _begin_practice(self):
        truth = prepare_practice(self.settings)
        self._deliver(self._truth.update, truth)
        self._deliver(self._work, self._reader, self._scan, True)

    def _send_earlier(self):
        if self.label_files("waiting"):
            status, said = self.sync.call("upload")
            if status:
                self._deliver(self._say, said)
        self._drop_finished()

    def _fetch(self):
        if not self._closing:
            self._deliver(self._fetched, *self.sync.call("fetch"))

    def _drop_finished(self):
        """Delete the chunks whose every detection is dealt with and acknowledged by the hub."""
        sent = self.label_files("sent")
        accepted = [path for path in sent if not path.with_suffix(".rejected").exists()]
        for path in self._folder("chunks").glob("*.tar.gz"):
            chunk = self._chunks.get(stamps.stem(path)) or stamps.Chunk(path)
            held = {*chunk.objids, *chunk.incomplete}
            if held and not chunk.damage and held <= labels.latest(accepted, held).keys():
                path.unlink()
                log.info("%s is done and acknowledged, and deleted here", chunk.name)

    # On the reader thread: stamps

    def _scan(self, first=False):
        """Open the chunks that are new in the folder, in the order of their names."""
        if first:
            self._deliver(self._counted, self._count_today())
        for path in sorted(self._folder("chunks").glob("*.tar.gz")):
            status = path.stat()
            version = status.st_mtime_ns, status.st_size
            if self._versions.get(path) != version:
                self._versions[path] = version
                chunk = stamps.Chunk(path)
                files = self.label_files("open", "waiting", "sent")
                answers = labels.latest(files, {*chunk.objids, *chunk.incomplete})
                self._deliver(self._arrived, chunk, answers)
        self._deliver(self._scanned)

    def _count_today(self):
        today = datetime.now().astimezone()
        midnight = today.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        done = set()
        for path in self.label_files("open", "waiting", "sent"):
            if path.stat().st_mtime >= midnight:
                for entry in labels.read(path)[0]:
                    if entry.action != labels.SKIPPED and labels.given_at(entry) >= midnight:
                        done.add(entry.objid)
        return len(done)

    def _prepare(self, detection, side):
        if side == self._side:
            try:
                triplet = self._chunks[detection.chunk].triplet(detection.objid)
                pictures = [stamps.picture(stamp, side) for stamp in triplet]
            except stamps.StampError as error:
                self._deliver(self._cannot_show, detection, str(error))
            else:
                self._deliver(self._has_prepared, detection, side, pictures)

    # On the window's thread: what the workers hand over

    def _supply(self, text):
        self.supply = text
        self._changed()

    def _counted(self, today):
        self.today += today

    def _arrived(self, chunk, answers):
        self._chunks[chunk.name] = chunk
        self._answers = {**answers, **self._answers}
        known = {detection.objid for detection in self._line}
        every = [
            Detection(objid, chunk.name, number, len(chunk.objids))
            for number, objid in enumerate(chunk.objids, 1)
            if objid not in known
        ]
        old = [detection for detection in every if detection.objid in answers]
        old = [d for d in old if answers[d.objid].action != labels.SKIPPED]
        new = [detection for detection in every if detection.objid not in answers]
        head = self._line[: self._earlier] + old
        head.sort(key=lambda detection: self._answers[detection.objid].time)
        self._line[: self._earlier] = head
        for name in ("_earlier", "_at", "_seen"):
            setattr(self, name, getattr(self, name) + len(old))
        self._line += new
        self._left += len(new)
        if chunk.damage:
            self._say(
                f"{chunk.path.name}: {chunk.damage}; {len(chunk.objids)} detections in it can be "
                "labelled, the hub is asked for the rest."
            )
        else:
            self._skip({o: why for o, why in chunk.incomplete.items() if o not in answers}, chunk)
            if not chunk.objids and not chunk.incomplete:
                self._say(f"{chunk.path.name} holds no stamps: the session goes on without it.")
        self._show()

    def _scanned(self):
        self._fetch_if_low()
        self._show()

    def _cannot_show(self, detection, reason):
        self._asked.discard(detection.objid)
        self._unreadable[detection.objid] = reason
        self._show()

    def _has_prepared(self, detection, side, pictures):
        if side == self._side:
            self._asked.discard(detection.objid)
            self._prepared[detection.objid] = pictures
            if detection == self.page().detection:
                self._changed()

    def _fetched(self, status, said):
        self._fetching = False
        if status == 0:
            self._failures = 0
            self._supply("next chunk ready")
            self._work(self._reader, self._scan)
        elif status == NOTHING_LEFT:
            self._exhausted = True
            self._supply("no more chunks at the hub")
        else:
            pause = RETRY[min(self._failures, len(RETRY) - 1)]
            self._failures += 1
            self._supply(f"no next chunk yet, trying again in {pause} s: {said}")
            self._timer = threading.Timer(pause, self._deliver, [self._fetch_if_low])
            self._timer.daemon = True
            self._timer.start()

    def _fetch_if_low(self):
        low = self._left < RUNNING_LOW
        if low and not (self._fetching or self._exhausted or self._closing):
            if self._timer is not None and self._timer.is_alive():
                return
            self._fetching = True
            self._supply("fetching the next chunk")
            self._work(self._errands, self._fetch)
        elif not low:
            self.supply = "next chunk ready"

    # What the window asks

    @property
    def exhausted(self):
        """Tell whether the hub has nothing more for this person."""
        return self._exhausted

    def page(self):
        """Return the `Page` to show now."""
        if self._at == len(self._line):
            return Page(None, None, None)
        detection = self._line[self._at]
        prepared = self._prepared.get(detection.objid)
        return Page(detection, prepared, self._answers.get(detection.objid))

    def resize(self, side):
        """Ask for pictures of `side` screen pixels from now on."""
        if side != self._side:
            self._side = side
            self._prepared.clear()
            self._asked.clear()
            self.read_ahead()

    def read_ahead(self):
        """Have the pictures of this page and of its neighbours prepared, and forget the others."""
        if not self._side:
            return
        wanted = [self._at, self._at + 1, self._at - 1, self._at + 2]
        near = [self._line[i] for i in wanted if 0 <= i < len(self._line)]
        near_ids = {detection.objid for detection in near}
        for objid in [objid for objid in self._prepared if objid not in near_ids]:
            del self._prepared[objid]
        for detection in near:
            objid = detection.objid
            if not (objid in self._prepared or objid in self._unreadable or objid in self._asked):
                self._asked.add(objid)
                self._work(self._reader, self._prepare, detection, self._side)

    def painted(self):
        """Start the clock of the page that has just become visible."""
        if self._shown_since is None:
            self._shown_since = time.monotonic()

    def _leave(self):
        """Stop the clock, and add to what its detection was shown for in all."""
        page = self.page()
        if page.detection and self._shown_since is not None:
            shown = time.monotonic() - self._shown_since
            objid = page.detection.objid
            self._seconds[objid] = self._seconds.get(objid, 0.0) + shown
        self._shown_since = None

    def _show(self):
        """Settle on a page that can be shown, passing over those that cannot."""
        while (page := self.page()).detection and page.detection.objid in self._unreadable:
            reason = self._unreadable[page.detection.objid]
            if page.answer is None:
                chunk = self._chunks[page.detection.chunk]
                if not self._skip({page.detection.objid: reason}, chunk):
                    break
                self._left -= 1
            del self._line[self._at]
            self._earlier -= self._at < self._earlier
            self._seen -= self._at < self._seen
        self._seen = max(self._seen, self._at)
        if page.detection and page.pictures is None:
            self.read_ahead()
        self._changed()

    def _skip(self, reasons, chunk):
        rows = [
            labels.row(objid, labels.SKIPPED, labels.shorten(why), chunk.metadata_stamp)
            for objid, why in reasons.items()
        ]
        if not rows:
            return True
        try:
            self._append(*rows)
        except labels.LabelError as error:
            self._say(str(error))
            return False
        for entry in rows:
            self._answers[entry.objid] = entry
            log.warning("%s of %s is skipped: %s", entry.objid, chunk.name, entry.comment)
        one = len(rows) == 1
        what = f"{rows[0].objid} is" if one else f"{len(rows)} detections are"
        self._say(f"{what} passed over, the stamps cannot be shown: {rows[0].comment}.")
        return True

    def _append(self, *rows):
        if self._file is None:
            self._file = labels.LabelFile(self._folder("labels", "open"), self.settings.user)
        self._file.append(*rows)

    # What the person does

    def label(self, name, comment=""):
        """Keep a label for the page that is shown, on disk, and go one page on.

        Raises
        ------
        labels.LabelError
            It could not be kept; the page stays.
        """
        detection = self.page().detection
        self._leave()
        objid = detection.objid
        stamp = self._chunks[detection.chunk].metadata_stamp
        entry = labels.row(objid, name, comment, stamp, self._seconds.get(objid, 0.0))
        try:
            self._append(entry)
        except labels.LabelError:
            self.painted()
            raise
        if objid not in self._answers:
            self._left -= 1
            self.today += 1
        self._answers[objid] = entry
        self.given[objid] = name
        self._at += 1
        self._show()
        self._fetch_if_low()

    def verdict(self, objid):
        """Compare the label of a practice detection with what it was made as.

        Returns
        -------
        agrees : bool or None
            None if nobody knows: it is no practice, or the answer was no class.
        sentence : str
            What it was made as and what gives that away; empty if nobody knows.
        """
        if objid not in self._truth or objid not in self._answers:
            return None, ""
        name, hint = self._truth[objid]
        action = self._answers[objid].action
        made = labels.BY_NAME[name].text
        if action == name:
            return True, f"Yes, {objid} was made as {made}. {hint}."
        known = labels.BY_NAME[action].kind != "neutral"
        return (False if known else None), f"{objid} was made as {made}. {hint}."

    def back(self):
        """Go one page back."""
        self._turn(-1)

    def forward(self):
        """Go one page on, as far as pages were seen."""
        self._turn(1)

    def _turn(self, pages):
        target = self._at + pages
        if 0 <= target <= self._seen:
            self._leave()
            self._at = target
            self._show()

    # The end

    def to_send(self):
        """Count the detections whose labels the hub does not have yet."""
        count = 0
        for path in self.label_files("open", "waiting"):
            count += len({entry.objid for entry in labels.read(path)[0]})
        return count

    def finish(self, done):
        """Settle the label file and send what is there, in the background.

        Parameters
        ----------
        done : callable
            ``done(status, said)`` on the window's thread: sync.sh's exit code (0 also if there
            was nothing to send), and its sentence.
        """
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
        self.sync.interrupt()  # a fetch that is under way; its claim stays ours
        self._work(self._errands, self._finish, done)
        self._closing = True

    def _finish(self, done):
        status, said = 0, ""
        try:
            if self._file is not None:
                self._file.close()
                labels.settle(self._file.path, self._folder("labels", "waiting"))
            if self.label_files("waiting"):
                status, said = self.sync.call("upload")
                if status == NO_TICKET and has_terminal():
                    self._deliver(self._say, "The terminal asks you to log in.")
                    if self.sync.login() == 0:
                        status, said = self.sync.call("upload")
            self._drop_finished()
        except OSError as error:
            log.exception("at the end")
            status, said = 1, f"The labels are on disk but cannot be moved ({error.strerror})."
        self._deliver(done, status, said)

    def abandon(self):
        """Stop waiting for the hub: what is not acknowledged is sent at the next start."""
        self.sync.stop()

    def summary(self):
        """Describe the session for the terminal, as lines of text."""
        seconds = time.monotonic() - self.began
        if not self.given:
            return ["No labels this time."]
        count = len(self.given)
        each = sum(self._seconds.get(objid, 0.0) for objid in self.given) / count
        lines = [
            f"{count} label{'s' * (count > 1)} in {seconds // 60:.0f} min {seconds % 60:.0f} s, "
            f"{each:.1f} s a detection:"
        ]
        actions = list(self.given.values())
        for label in labels.LABELS:
            if label.name in actions:
                lines.append(f"  {label.name:<26}{actions.count(label.name):>5}")
        return lines

    def whereabouts(self):
        """Return where this session's label file is now, or None if it has none."""
        if self._file is None:
            return None
        for place in ("sent", "waiting", "open"):
            path = self.settings.data / "labels" / place / self._file.path.name
            if path.exists():
                return path
        return None


def prepare_practice(chosen):
    """Make the practice folder afresh: a hub of its own, with the practice stamps in it.

    Returns
    -------
    dict
        Object ID -> the label's name that it was made as, and what gives it away.

    Raises
    ------
    SessionError
        It could not be made.
    """
    folder, python = chosen.data, sys.executable
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("labels/open", "labels/waiting", "labels/sent", "chunks"):
        (folder / part).mkdir(parents=True)
    source, commands = ROOT / "data" / "practice", []
    if chosen.stamps:
        source = folder / "stamps"
        count, seed = str(chosen.stamps), str(time.time_ns() % 2**32)
        simulate = [python, ROOT / "data" / "simulate.py", "practice", source]
        commands.append([*simulate, "--count", count, "--seed", seed])
    commands.append([python, "-m", "cluster", "init", chosen.hub])
    commands.append([python, "-m", "cluster", "add", chosen.hub, source, "--stamp", "practice"])
    for command in commands:
        process = subprocess.run(
            command,
            cwd=ROOT,
            timeout=PRACTICE_TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if process.returncode:
            log.error("%s: %s", command, process.stdout.decode(errors="replace"))
            last = (process.stdout.decode(errors="replace").strip().splitlines() or ["?"])[-1]
            raise SessionError(f"The practice stamps could not be made ready: {last}")
    with (Path(source) / "truth.csv").open(newline="", encoding="utf-8") as table:
        return {entry["OBJID"]: (entry["LABEL"], entry["HINT"]) for entry in csv.DictReader(table)}
