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
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import card
import disk
import labels
import stamps
from look import Look

ROOT = Path(__file__).resolve().parent
PORTION = 4  # triplets of a chunk that are read before other pictures have their turn
KEPT = 2  # chunks whose stamps stay in memory; those of others are read again
RUNNING_LOW = 50  # detections left at which the next chunk is fetched
RETRY = (30, 60, 120, 240, 300)  # seconds between attempts while the hub cannot be reached
OFFERED = 9  # earlier comments, to be had by number
NOTHING_LEFT, NO_TICKET = 3, 5  # exit codes of sync.sh
# Seconds: a chunk of FITS stamps is some MB, which a bad hotel network takes minutes for
SYNC_TIMEOUT = 900
PRACTICE_TIMEOUT = 600  # seconds; a thousand fresh stamps took some 70
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
    expert: bool = False  # what needs the hub's owner, with the labels that others gave

    @property
    def remote(self):
        """Tell whether the hub is another machine's."""
        return _host(self.hub) is not None


def _host(hub):
    """Return the ``[user@]host`` of a hub, or None of a local folder."""
    host, colon, _ = hub.partition(":")
    return host if colon and "/" not in host else None


def stored(*files):
    """Read settings, those of later files above those of earlier ones, as {name: value}."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise SessionError(f"A settings file cannot be read, please mend it: {first}") from error
    return dict(parser["artifactspy"]) if parser.has_section("artifactspy") else {}


def remember(home, **values):
    """Keep settings for the next time, in the data folder's ``settings.ini``."""
    path = Path(home) / "settings.ini"
    parser = configparser.ConfigParser(interpolation=None)
    parser["artifactspy"] = {**stored(path), **values}
    text = io.StringIO()
    parser.write(text)
    try:
        disk.write_whole(path, text.getvalue().encode())
    except OSError as error:
        raise SessionError(
            f"The settings cannot be kept in {path} ({error.strerror}): nothing is lost, make room "
            "or name another folder with --data."
        ) from error


def _who(values):
    """Return the hub and the user that settings amount to; either may be empty."""
    hub = values.get("hub", "")
    host = _host(hub)
    user = values.get("user") or (host or "").rpartition("@")[0]
    if not user and hub and host is None:
        user = getpass.getuser()
    return hub, user


def settings(home, hub=None, user=None, realm=None, practice=None, expert=False):
    """Work out who labels what: options stand above the user's settings, these above site.ini.

    Parameters
    ----------
    home : Path
        The data folder.
    hub, user, realm : str or None
        As on the command line; remembered for the next time.
    practice : int or None
        Practise, on so many fresh stamps (0: on those that come with the program).
    expert : bool
        Label what most needs the expert.

    Returns
    -------
    Settings

    Raises
    ------
    SessionError
        One of them is none that can be used.
    """
    given = {"hub": hub, "user": user, "realm": realm}
    given = {name: value for name, value in given.items() if value}
    if hub and _host(hub) is None:
        given["hub"] = os.path.abspath(Path(hub).expanduser())
    kept = stored(ROOT / "site.ini", home / "settings.ini")
    hub, user = _who({**kept, **given})
    host = _host(hub)
    domain = (host or "").rpartition("@")[2].partition(".")[2].upper() or "none"
    if host != _host(kept.get("hub", "")) and not realm:
        given["realm"] = domain  # the one that was set is the other host's
    values = {**kept, **given}
    realm = values.get("realm") or domain
    if host is not None and not re.fullmatch(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*", host):
        raise SessionError(f"{hub!r} is no hub: it is [user@]host:folder, or a local folder.")
    if host and not re.fullmatch(r"[A-Za-z0-9@%+=._/,-]+", hub.partition(":")[2]):
        raise SessionError(
            f"The hub's folder in {hub!r} may hold letters, digits and @%+=._/,- only: "
            "scp versions disagree on how to quote anything else."
        )
    if not re.fullmatch(r"[A-Za-z0-9.-]+", realm):
        raise SessionError(f"{realm!r} is no Kerberos realm: give one like HEP.WISC.EDU, or none.")
    if user and not labels.is_user(user):
        raise SessionError(
            f"{user!r} is no user name: 1 to 32 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit and without two dashes in a row."
        )
    if "hub" in given and host is None and not (Path(hub) / "hub").exists():
        raise SessionError(
            f"There is no hub in {hub}: nothing was changed, correct the folder's name."
        )
    if given:
        _check_owner(home, _who(kept), (hub, user))
        remember(home, **given)
    contact = values.get("contact", "")
    if practice is None and user:
        return Settings(home, home, hub, user, realm, contact, False, 0, expert)
    if expert:
        raise SessionError("--expert needs a hub and a user: name them with --hub and --user.")
    data = home / "practice-session"
    return Settings(home, data, str(data / "hub"), "practice", "none", contact, True, practice or 0)


def _check_owner(home, before, now):
    """Refuse to mix two people, or two hubs: each hub takes only labels of what it handed out."""
    (old_hub, old_user), (hub, user) = before, now
    same = old_hub.rpartition("@")[2] == hub.rpartition("@")[2] and old_user == user
    held = [
        *home.glob("chunks/*.tar.gz"),
        *home.glob("labels/open/*"),
        *home.glob("labels/waiting/*"),
    ]
    if old_user and held and not same:
        raise SessionError(
            f"{home} still holds stamps or unsent labels of {old_user} for {old_hub}: nothing was "
            f"changed. Use another folder: ./ArtifactSpy --data DIR --hub {hub} --user {user}"
        )


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
            f"A window is open on {home} already: close it first, or give this one a folder of "
            "its own with --data."
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
        self._private = ""
        if chosen.remote:
            with contextlib.suppress(OSError):  # then each call makes a connection of its own
                self._private = tempfile.mkdtemp(prefix="artifactspy-", dir="/tmp")
        self._environment = dict(
            os.environ,
            ARTIFACTSPY_HUB=chosen.hub,
            ARTIFACTSPY_USER=chosen.user,
            ARTIFACTSPY_REALM=chosen.realm,
            ARTIFACTSPY_DATA=str(chosen.data),
            ARTIFACTSPY_SOCKET=f"{self._private}/ssh" if self._private else "",
            ARTIFACTSPY_EXPERT="yes" if chosen.expert else "",
        )
        config = os.environ.get("ARTIFACTSPY_SSH_CONFIG")
        if config:  # sync.sh runs in another folder
            self._environment["ARTIFACTSPY_SSH_CONFIG"] = os.path.abspath(config)
        self._process = self._connection = None
        self._starting = threading.Lock()  # so that no call begins between "stop" and its effect
        self._ending = 0  # 1: only what is `last` is begun, 2: nothing is

    def login(self, quick=False):
        """Get a ticket, asking in the terminal if need be; return sync.sh's exit code.

        With `quick`, a person with a ticket and with stamps to label need not wait for the host.
        """
        environment = dict(self._environment, ARTIFACTSPY_QUICK="yes" if quick else "")
        return subprocess.call([ROOT / "sync.sh", "login"], cwd=ROOT, env=environment)

    def _connect(self):
        """Hold a connection open; where that fails, each call makes its own and says why."""
        if self._private and not Path(self._environment["ARTIFACTSPY_SOCKET"]).exists():
            self._disconnect()
            self._connection = subprocess.Popen(
                [ROOT / "sync.sh", "connect"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,  # its end tells sync.sh that this process has gone
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def _disconnect(self):
        if self._connection is not None:
            self._connection.stdin.close()
            try:
                self._connection.wait(5)
            except subprocess.TimeoutExpired:  # nothing may keep the window from going
                self._connection.kill()
            self._connection = None

    def call(self, verb):
        """Run sync.sh, in a worker thread; see `run` for what is returned."""
        self._connect()
        status, said = self.run([ROOT / "sync.sh", verb], SYNC_TIMEOUT, last=verb == "upload")
        log.info("sync.sh %s: exit %d: %s", verb, status, said)
        if status == NO_TICKET:  # the host keeps the ticket that a connection began with
            self._disconnect()
        return status, said

    def run(self, command, timeout, last=False):
        """Run a command without a terminal, in a group of its own that can be ended whole.

        Parameters
        ----------
        command : list
        timeout : float
            Seconds.
        last : bool
            Begin it even after `only_upload`.

        Returns
        -------
        status : int
            Its exit code; 1 also when it was stopped or took too long.
        said : str
            The last line it wrote, which is one sentence for the user.
        """
        with self._starting:
            if self._ending > last:
                return 1, "Stopped; nothing is lost."
            self._process = process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._end()
            process.communicate()
            return 1, f"It took longer than {timeout // 60} minutes and was ended; nothing is lost."
        finally:
            self._process = None
        text = output.decode(errors="replace").strip()
        return process.returncode, text.splitlines()[-1] if text else ""

    def _end(self):
        process = self._process
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)

    def only_upload(self):
        """End a fetch that is under way, and begin no further one: its claim stays ours."""
        with self._starting:
            self._ending = 1
            self._end()

    def stop(self):
        """End what is under way, and begin nothing more."""
        with self._starting:
            self._ending = 2
            self._end()

    def close(self):
        """End the connection."""
        self._disconnect()
        if self._private:
            shutil.rmtree(self._private, ignore_errors=True)


class Detection(NamedTuple):
    """One page of the line."""

    objid: str
    chunk: str
    number: int  # in its chunk, from 1


class Page(NamedTuple):
    """What the window shows: see `Session.page`."""

    detection: object  # Detection, or None past the end of the line
    pictures: object  # see scaling.picture; on screen still in an earlier look, or None at first
    answer: object  # the labels.Row given earlier, or None
    triplet: object  # three scaling.Stamp, or None while they are being read


class Drawing(NamedTuple):
    """The pictures of a triplet, and of which side and in which look they are."""

    want: tuple
    pictures: list


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
        How the supply of chunks stands.
    reason : str
        Why the hub could not be asked last time; empty if it could.
    exhausted : bool
        The hub has nothing more for this person.
    given : dict
        Object ID -> ACTION of what was labelled in this session.
    comments : list of str
        Those given in this session, each once, in their order; see `offered`.
    """

    def __init__(self, chosen, sync, deliver, changed, say):
        self.settings, self.sync = chosen, sync
        self._deliver, self._changed, self._say = deliver, changed, say
        self._reader = ThreadPoolExecutor(1, "reader")
        self._errands = ThreadPoolExecutor(1, "errands")
        self._file = None
        self._owed = []  # rows of skipped detections that the disk had no room for
        self._line, self._at, self._seen = [], 0, 0
        self._chunks, self._versions = {}, {}
        self._kept = []  # names of the chunks whose stamps are in memory, the latest last
        self._answers, self._unreadable = {}, {}
        self._gone = {}  # chunks that could not be read again -> why
        self._want = 0, Look()  # side in screen pixels, 0 as long as there is no window
        self._drawn, self._triplets = {}, {}  # of this page's detection and its neighbours
        self._asked = {}  # Object ID -> want, of the drawings under way
        self._truth, self._votes = {}, {}
        self._left = 0
        self._shown_since, self._seconds = None, {}  # on screen now, and by Object ID in all
        self._recent = deque(maxlen=21)  # seconds of the latest labels
        self._begun = False  # the chunks that were here at the start are open
        self._fetching, self._pausing, self._failures, self._timer = False, False, 0, None
        self._brought = None  # how many new detections the last fetch brought, while it is opened
        self._closing = False
        self._today = set()
        self.supply, self.reason, self.exhausted, self.given = "", "", False, {}
        self.comments = []
        self.began = time.monotonic()

    # The data folder

    def _folder(self, *names):
        folder = self.settings.data.joinpath(*names)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _label_files(self, *places):
        """List this person's label files in these places: open, waiting, sent."""
        files = [
            path for place in places for path in self._folder("labels", place).glob("*--*.csv")
        ]
        user = self.settings.user
        return [path for path in files if labels.user_of(path.name) == user and path.is_file()]

    def _of_label_files(self, function, *places):
        """Return what a function makes of the list of label files.

        sync.sh moves files from waiting to sent; where one moves meanwhile, look again.
        """
        while True:
            with contextlib.suppress(FileNotFoundError):
                return function(self._label_files(*places))

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
                f"{error.filename or self.settings.data} cannot be written to ({error.strerror}): "
                "the labels there are safe. Make room or make it writable, then start again."
            ) from error
        if self.settings.practice:
            self.supply = "preparing the practice stamps"
            self._work(self._errands, self._begin_practice)
        else:
            self._work(self._reader, self._scan)

    def _settle_crashed(self):
        for path in self._folder("labels", "open").glob("*--*.csv"):
            _, torn = labels.settle(path, self._folder("labels", "waiting"))
            log.warning("%s was left by a session that crashed", path.name)
            self._say("The labels of a session that was interrupted are safe, and are sent now.")
            if torn:
                self._say(f"Part of {path.name} cannot be read: it is kept as {torn}.")

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
        truth = prepare_practice(self.settings, self.sync.run)
        self._deliver(self._truth.update, truth)
        self._deliver(self._work, self._reader, self._scan)

    def _send_earlier(self):
        if any(self._folder("labels", "waiting").glob("*--*.csv")):
            status, said = self.sync.call("upload")
            if status:
                self._deliver(self._say, said)
        self._deliver(self._work, self._reader, self._drop_finished)

    def _fetch(self):
        done = threading.Event()
        threading.Thread(target=self._watch_fetch, args=[done], daemon=True).start()
        try:
            result = self.sync.call("fetch")
        except OSError as error:  # sync.sh could not be started: tell, and try again later
            result = 1, f"sync.sh cannot be run ({error.strerror}); nothing is lost."
        finally:
            done.set()
        self._deliver(self._fetched, *result)

    def _watch_fetch(self, done):
        """Tell how much of a chunk has arrived: its size is in the name that it has till then."""
        while not done.wait(0.5):
            for path in self._folder("chunks").glob(".*.part"):
                total = path.name.split(".")[-3]
                with contextlib.suppress(FileNotFoundError):
                    if total.isdecimal():
                        self._deliver(self._arriving, path.stat().st_size / max(1, int(total)))

    # On the reader thread: stamps, and whatever else reads or deletes chunks

    def _scan(self):
        """Open the next chunk that is new in the folder, in the order of their names."""
        for path in sorted(self._folder("chunks").glob("*.tar.gz")):
            try:
                status = path.stat()
            except FileNotFoundError:  # somebody tidies up
                continue
            version = status.st_mtime_ns, status.st_size
            if self._versions.get(path) == version:
                continue
            self._versions[path] = version
            if not re.fullmatch(r"[A-Za-z0-9._-]+", path.name):  # it will stand in label files
                self._deliver(
                    self._say, f"{path.name!r} is passed over: rename it to plain letters."
                )
                continue
            keeps = len(self._kept) < KEPT or not self._line
            self._open(stamps.Chunk(path, at_once=False, keeps=keeps))
            return  # the first picture comes before the next chunk
        self._deliver(self._scanned)

    def _open(self, chunk):
        """Read a portion of a chunk, and queue for the next: the window may wait for a picture."""
        first = not chunk.objids and not self._line and chunk.keeps
        chunk.read(PORTION)
        answers = None
        if chunk.whole or first:
            objids = {*chunk.objids, *chunk.incomplete}
            answers = self._of_label_files(
                lambda files: labels.latest(files, objids), "open", "waiting", "sent"
            )
        # the very first picture does not wait for the rest, unless Back must know the rest
        if chunk.whole or (first and not answers):
            votes, there = _read_votes(chunk.path), (tuple(chunk.objids), chunk.whole)
            self._deliver(self._arrived, chunk, *there, answers, votes)
        else:
            self._work(self._reader, self._open, chunk)
        if chunk.whole and chunk.keeps and len(self._kept) < KEPT:
            self._kept.append(chunk.name)
        elif chunk.whole:
            chunk.forget()

    def _triplet(self, detection):
        """Read a triplet, and keep the stamps of the chunks used last."""
        name = detection.chunk
        if name in self._kept:
            self._kept.remove(name)
        elif self._chunks[name].whole and len(self._kept) == KEPT:
            self._chunks[self._kept.pop(0)].forget()
        if self._chunks[name].whole:
            self._kept.append(name)
        encoded = self._chunks[name].encoded(detection.objid)
        import scaling

        return scaling.triplet(detection.objid, encoded)

    def _drop_finished(self):
        """Delete the chunks whose every detection is dealt with and acknowledged by the hub."""
        sent = self._label_files("sent")
        accepted = [path for path in sent if not path.with_suffix(".rejected").exists()]
        for path in self._folder("chunks").glob("*.tar.gz"):
            chunk = self._chunks.get(stamps.stem(path)) or stamps.Chunk(path)
            held = {*chunk.objids, *chunk.incomplete}
            known = held and chunk.whole and not chunk.damage
            if known and held <= labels.latest(accepted, held).keys():
                path.unlink()
                votes_of(path).unlink(missing_ok=True)
                log.info("%s is done and acknowledged, and deleted here", chunk.name)

    def _count_today(self):
        now = datetime.now().astimezone()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

        def count(files):
            recent = [path for path in files if path.stat().st_mtime >= midnight]
            rows = [entry for path in recent for entry in labels.read(path)[0]]
            rows = [entry for entry in rows if labels.check(entry) is None]
            return {
                entry.objid
                for entry in rows
                if entry.action != labels.SKIPPED and labels.given_at(entry) >= midnight
            }

        done = self._of_label_files(count, "open", "waiting", "sent")
        self._deliver(self._counted, done)

    def _prepare(self, detection, want, triplet):
        import scaling  # and numpy, which this thread waits for while Tk makes the window

        if want == self._want:
            try:
                triplet = triplet or self._triplet(detection)
                pictures = scaling.pictures(triplet, *want)
            except stamps.StampError as error:
                log.warning("%s: %s", detection, error, exc_info=error.__cause__)
                gone = isinstance(error, stamps.GoneError)
                self._deliver(self._cannot_show, detection, str(error), gone)
            except Exception:  # a bug costs one detection, not the session
                log.exception("%s", detection)
                self._deliver(self._cannot_show, detection, "they cannot be read")
            else:
                self._deliver(self._has_prepared, detection, Drawing(want, pictures), triplet)

    def _make_card(self, detection, triplet, look, answer):
        when = datetime.now(timezone.utc)
        folder = self.settings.home / "pictures"
        time = f"{when:%Y-%m-%d_%H-%M-%S}-{when.microsecond // 1000:03d}"
        path = folder / f"{detection.objid}--{time}.png"
        said = answer.action if answer else "not labelled yet"
        said = labels.BY_NAME[said].title if said in labels.BY_NAME else said
        about = f"{detection.chunk}, {self.settings.user}, {when:%Y-%m-%d %H:%M:%S} UTC"
        if self.settings.practice:
            about = f"Simulated, for practice. {about}"
        if self.settings.contact:
            about += f". Contact: {self.settings.contact}"
        comment = answer.comment if answer else ""
        try:
            folder.mkdir(exist_ok=True)
            picture = card.draw(triplet, look, detection.objid, said, comment, about)
            disk.write_whole(path, picture)
        except OSError as error:
            self._deliver(self._say, f"No picture: {folder} says {error.strerror!r}.")
        else:
            self._deliver(self._say, f"Picture: {path}")

    # On the window's thread: what the workers hand over

    def _supply(self, text):
        self.supply = text
        self._changed()

    def _counted(self, today):
        self._today |= today
        self._changed()

    def _arriving(self, share):
        if self._fetching:
            self._supply(f"fetching the next chunk, {min(share, 1):.0%}")

    def _arrived(self, chunk, objids, whole, answers, votes):
        if self._closing:
            return
        if not chunk.damage:  # the detections of an earlier, better copy are on the line
            self._gone.pop(chunk.name, None)
            self._chunks[chunk.name] = chunk
        self._chunks.setdefault(chunk.name, chunk)
        self._votes.update(votes)
        self._answers = {**answers, **self._answers}
        known = {detection.objid for detection in self._line}
        every = [
            Detection(objid, chunk.name, number)
            for number, objid in enumerate(objids, 1)
            if objid not in known
        ]
        old = [detection for detection in every if detection.objid in self._answers]
        old = [d for d in old if self._answers[d.objid].action != labels.SKIPPED]
        old.sort(key=lambda detection: self._answers[detection.objid].time)
        new = [detection for detection in every if detection.objid not in self._answers]
        # what was labelled earlier goes before all, and the page on screen stays the page on screen
        self._line[:0] = old
        self._at += len(old)
        self._seen += len(old)
        self._line += new
        self._left += len(new)
        if self._brought is not None:
            self._brought += len(new)
        if not whole:
            self._show()  # which asks for the picture, before the rest is read
            self._work(self._reader, self._open, chunk)
            return
        if chunk.damage:
            self._say(
                f"{chunk.path.name}: {chunk.damage}; {len(chunk.objids)} detections in it can be "
                "labelled, the hub is asked for the rest."
            )
        elif not chunk.objids and not chunk.incomplete:
            self._say(f"{chunk.path.name} holds no stamps: the session goes on without it.")
        else:
            known.update(detection.objid for detection in every)
            reasons = {
                objid: why
                for objid, why in chunk.incomplete.items()
                if objid not in self._answers and objid not in known
            }
            self._skip(reasons, chunk.metadata_stamp)
        self._show()
        self._work(self._reader, self._scan)

    def _scanned(self):
        if self._closing:
            return
        if not self._begun:
            self._begun = True
            self._work(self._reader, self._count_today)
            if not self.settings.practice:
                self._work(self._errands, self._send_earlier)
        if self._brought == 0:  # the same damaged chunk again, say: do not ask without a pause
            self._retry_later("the hub sent nothing new")
        self._brought = None
        self._fetch_if_low()
        self._show()

    def _cannot_show(self, detection, reason, gone=False):
        self._asked.pop(detection.objid, None)
        self._unreadable[detection.objid] = reason
        if gone and self._gone.get(detection.chunk) != reason:  # once a chunk
            self._gone[detection.chunk] = reason
            self._say(f"{reason}: its detections are passed over, the hub gives them again.")
        if not self._closing:
            self._show()

    def _has_prepared(self, detection, drawing, triplet):
        if self._asked.get(detection.objid) == drawing.want:
            del self._asked[detection.objid]
        # one that is not wanted any more, too: while somebody drags, each that comes is shown
        self._drawn[detection.objid] = drawing
        self._triplets[detection.objid] = triplet
        if detection == self.page().detection:
            self._changed()

    def _fetched(self, status, said):
        self._fetching = False
        if self._closing:
            return
        self.exhausted = status == NOTHING_LEFT
        if status == 0 or self.exhausted:
            self._failures, self.reason = 0, ""
        if status == 0:
            self._brought = 0
            self._work(self._reader, self._scan)
        elif self.exhausted:
            self._pause("this is the last chunk for now", RETRY[-1])
        else:
            self._retry_later(said)

    def _retry_later(self, reason):
        pause = RETRY[min(self._failures, len(RETRY) - 1)]
        self._failures += 1
        then = time.localtime(time.time() + pause)
        self._pause(f"no next chunk yet, next try at {time.strftime('%H:%M:%S', then)}", pause)
        if reason != self.reason:  # once is enough
            self.reason = reason
            self._say(reason)

    def _pause(self, text, seconds):
        """Leave the hub alone for a while, and show why."""
        self._pausing = True
        self._timer = threading.Timer(seconds, self._deliver, [self._resume])
        self._timer.daemon = True
        self._timer.start()
        self._supply(text)

    def _resume(self):
        self._pausing = False
        self._fetch_if_low()

    def _fetch_if_low(self):
        if self._left >= RUNNING_LOW:
            self.supply = ""  # `next_ready` tells whether there is another chunk
            return
        opening = self._brought is not None  # what was fetched is not counted yet
        if self._begun and not (self._fetching or opening or self._pausing or self._closing):
            self._fetching = True
            self._supply("fetching the next chunk")
            self._work(self._errands, self._fetch)

    # What the window asks

    @property
    def today(self):
        """Return how many detections were labelled today, in earlier sessions too."""
        return len(self._today)

    @property
    def next_ready(self):
        """Tell whether detections of another chunk follow those of this page's."""
        page = self.page()
        return bool(page.detection) and self._line[-1].chunk != page.detection.chunk

    def page(self):
        """Return the `Page` to show now."""
        if self._at == len(self._line):
            return Page(None, None, None, None)
        detection = self._line[self._at]
        objid = detection.objid
        drawing = self._drawn.get(objid)
        # what is on screen already stays there until it is drawn anew
        wanted = drawing and (drawing.want == self._want or self._shown_since is not None)
        pictures = drawing.pictures if wanted else None
        return Page(detection, pictures, self._answers.get(objid), self._triplets.get(objid))

    def progress(self):
        """Return how many detections of this page's chunk are dealt with, and how many it has.

        Past the end of the line that is the last chunk's, and 0 of 1 before there is any.
        """
        if not self._line:
            return 0, 1
        detection = self._line[min(self._at, len(self._line) - 1)]
        objids = self._chunks[detection.chunk].objids
        return sum(objid in self._answers for objid in objids), len(objids)

    @property
    def pace(self):
        """Return how many labels a minute are given, by the median of the latest; or None."""
        middle = sorted(self._recent)[len(self._recent) // 2] if len(self._recent) > 4 else 0
        return 60 / middle if middle else None

    def show_as(self, side, wanted):
        """Ask for pictures of `side` screen pixels in a `Look` from now on."""
        if (side, wanted) != self._want:
            self._want = side, wanted
            self._asked.clear()
            self._ask_for(self._at)

    def read_ahead(self):
        """Have the pictures of this page and of its neighbours drawn, and forget the others."""
        wanted = [self._at, self._at + 1, self._at - 1, self._at + 2]
        near = {self._line[i].objid for i in wanted if 0 <= i < len(self._line)}
        for kept in (self._drawn, self._triplets):
            for objid in kept.keys() - near:
                del kept[objid]
        for i in wanted:
            self._ask_for(i)

    def _ask_for(self, i):
        """Have the pictures of one page drawn as they are wanted now, unless that was done."""
        if not (0 <= i < len(self._line) and self._want[0]):
            return
        detection = self._line[i]
        objid = detection.objid
        drawing = self._drawn.get(objid)
        drawn = drawing is not None and drawing.want == self._want
        if not (drawn or objid in self._unreadable or self._asked.get(objid) == self._want):
            self._asked[objid] = self._want
            triplet = self._triplets.get(objid)
            self._work(self._reader, self._prepare, detection, self._want, triplet)

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
        while (detection := self.page().detection) and detection.objid in self._unreadable:
            del self._line[self._at]
            self._seen -= self._at < self._seen
            self._left -= detection.objid not in self._answers
            reason = self._unreadable[detection.objid]
            if reason == self._gone.get(detection.chunk):  # no word on the stamps themselves
                del self._unreadable[detection.objid]
            elif detection.objid not in self._answers:
                self._skip({detection.objid: reason}, self._stamp(detection))
        self._seen = max(self._seen, self._at)
        page = self.page()
        if page.detection and page.pictures is None:
            self.read_ahead()
        self._changed()

    def _stamp(self, detection):
        return self._chunks[detection.chunk].metadata_stamp

    def _skip(self, reasons, stamp):
        """Write Skipped rows, at the latest together with the next label."""
        if not reasons:
            return
        for objid, why in reasons.items():
            log.warning("%s of %s is skipped: %s", objid, stamp, why)
            self._answers[objid] = labels.row(objid, labels.SKIPPED, labels.shorten(why), stamp)
            self._owed.append(self._answers[objid])
        one = next(iter(reasons))
        what = f"{one} is" if len(reasons) == 1 else f"{len(reasons)} detections are"
        self._say(f"{what} passed over, the stamps cannot be shown: {reasons[one]}.")
        try:
            self._append()
        except labels.LabelError as error:
            self._say(str(error))

    def _append(self, *rows):
        if self._file is None:
            self._file = labels.LabelFile(self._folder("labels", "open"), self.settings.user)
        self._file.append(*self._owed, *rows)
        self._owed.clear()

    # What the person does

    def label(self, objid, name, comment=""):
        """Keep a label for the detection on screen, on disk, and go one page on.

        Parameters
        ----------
        objid : str
            The detection that the person looks at.
        name : str
            Of one of `labels.LABELS`.
        comment : str
            One line; see `labels.clean_comment`.

        Raises
        ------
        labels.LabelError
            It could not be kept, or `objid` is not what is on screen; the page stays.
        """
        detection = self.page().detection
        if detection is None or detection.objid != objid:
            raise labels.LabelError(f"{objid} is no longer on screen: nothing was labelled.")
        self._leave()
        if comment and comment not in self.comments:
            self.comments.append(comment)  # now: where the disk is full, nobody types it again
        entry = labels.row(
            objid, name, comment, self._stamp(detection), self._seconds.get(objid, 0.0)
        )
        try:
            self._append(entry)
        except labels.LabelError:
            self.painted()
            raise
        self._left -= objid not in self._answers
        self._today.add(objid)
        self._answers[objid] = entry
        self.given[objid] = name
        self._recent.append(float(entry.seconds))
        self._at += 1
        self._show()
        self._fetch_if_low()

    @property
    def offered(self):
        """Return the comments that can be had again by their number, from 1."""
        return self.comments[-OFFERED:]

    def comment(self, text):
        """Return the comment that a typed line stands for: itself, or an earlier one by its number.

        Raises
        ------
        labels.LabelError
            It is too long, or there is no comment of that number.
        """
        line = labels.clean_comment(text)
        offered = self.offered
        if not line.isdecimal():  # a number alone is a slip: who would know what it meant?
            return line
        if len(line) == 1 and 0 < int(line) <= len(offered):
            return offered[int(line) - 1]
        raise labels.LabelError(
            f"There is no comment {line[:9]}: nothing was labelled, please say it in words."
        )

    def verdict(self, objid):
        """Tell what is known of a detection that has a label, once it has one.

        In practice that is what it was made as; for the expert, what others have said.

        Returns
        -------
        agrees : bool or None
            None if nobody knows: it is no practice, or the answer was no class.
        sentence : str
            Empty if nothing is known.
        """
        if objid not in self._answers:
            return None, ""
        if objid in self._votes:
            return None, _tell_votes(objid, self._votes[objid])
        if objid not in self._truth:
            return None, ""
        truth = self._truth[objid]
        action = self._answers[objid].action
        made = labels.BY_NAME[truth.label].text
        if action == truth.label:
            return True, f"Yes, {objid} was made as {made}. {truth.hint}."
        known = labels.BY_NAME[action].kind != "neutral"
        return (False if known else None), f"{objid} was made as {made}. {truth.hint}."

    def telling_place(self, objid):
        """Return where a practice detection gives itself away, once it has a label.

        Returns
        -------
        tuple of int or None
            The stamp, 0 to 2, and the pixel's column and row, from the left and the top.
        """
        truth = self._truth.get(objid)
        return truth.place if truth and objid in self._answers else None

    def save_card(self):
        """Write a picture of this page for others to see, in the background, and say where.

        Returns
        -------
        bool
            False if there is nothing to be seen.
        """
        page = self.page()
        if page.triplet:
            look = self._want[1]
            self._work(
                self._reader, self._make_card, page.detection, page.triplet, look, page.answer
            )
        return page.triplet is not None

    def back(self):
        """Go one page back, and tell whether there is one."""
        return self._turn(-1)

    def forward(self):
        """Go one page on, as far as pages were seen."""
        self._turn(1)

    def newest(self):
        """Go to the last page that was seen."""
        self._turn(self._seen - self._at)

    def _turn(self, pages):
        target = self._at + pages
        if 0 <= target <= self._seen:
            self._leave()
            self._at = target
            self._show()
        return 0 <= target <= self._seen

    # The end

    def to_send(self):
        """Count the detections whose labels the hub does not have yet."""

        def count(files):
            rows = [entry for path in files for entry in labels.read(path)[0]]
            return len({entry.objid for entry in rows if entry.action != labels.SKIPPED})

        return self._of_label_files(count, "open", "waiting")

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
        self._closing = True
        self.sync.only_upload()
        self._errands.submit(self._finish, done)

    def _finish(self, done):
        status, said = 0, ""
        try:
            if self._owed:
                with contextlib.suppress(labels.LabelError):  # the next session skips them again
                    self._append()
            if self._file is not None:
                self._file.close()
                labels.settle(self._file.path, self._folder("labels", "waiting"))
            if any(self._folder("labels", "waiting").glob("*--*.csv")):
                status, said = self.sync.call("upload")
                if status == NO_TICKET and has_terminal():
                    self._deliver(
                        self._say,
                        "The terminal may ask you to log in; Ctrl+C there leaves it for later.",
                    )
                    if self.sync.login() == 0:
                        status, said = self.sync.call("upload")
            self._reader.submit(self._drop_finished).result()
        except Exception as error:  # whatever it is, the window must be able to go
            log.exception("at the end")
            why = getattr(error, "strerror", None) or error
            said = f"The labels are on disk, in {self.settings.data / 'labels'}, but could not be "
            said += f"sent ({why}): the next start tries again."
            status = 1
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
        minutes = f"{seconds // 60:.0f} min " if seconds >= 60 else ""
        lines = [
            f"{count} label{'s' * (count > 1)} in {minutes}{seconds % 60:.0f} s, "
            f"{each:.1f} s on screen each:"
        ]
        counts = Counter(self.given.values())
        for label in labels.LABELS:
            if counts[label.name]:
                bar = "#" * max(1, round(30 * counts[label.name] / max(counts.values())))
                lines.append(f"  {label.name:<26}{counts[label.name]:>5}  {bar}")
        if self._truth:
            right = sum(self.verdict(objid)[0] is True for objid in self.given)
            lines += ["", *self._against_truth(), ""]
            lines.append(f"{right} of {count} as they were made. Practice labels are not kept.")
        return lines

    def _against_truth(self):
        """Return the lines of a table: what detections were made as, and what they were called."""
        known = [(self._truth[o].label, name) for o, name in self.given.items() if o in self._truth]
        pairs = Counter(known)
        head = "".join(f"{label.key:>5}" for label in labels.LABELS)
        lines = [f"made as, down; labelled, across{head}"]
        for made in labels.LABELS:
            row = [pairs[made.name, label.name] for label in labels.LABELS]
            if any(row):
                cells = "".join(f"{number or '.':>5}" for number in row)
                lines.append(f"  {made.key}  {made.name:<26}{cells}")
        return lines

    def whereabouts(self):
        """Return where this session's label file is now, or None if it has none."""
        if not self.given or self.settings.practice:
            return None
        for place in ("sent", "waiting", "open"):
            path = self.settings.data / "labels" / place / self._file.path.name
            if path.exists():
                return path
        return None


class Truth(NamedTuple):
    """What a practice detection was made as, and what gives it away."""

    label: str
    hint: str
    place: tuple  # see `Session.telling_place`


def votes_of(path):
    """Return where the labels lie that others gave to a chunk's detections, for the expert."""
    return Path(path).with_name(f"{stamps.stem(path)}.csv")


def _read_votes(path):
    """Return them as {Object ID: [(user, action, comment)]}; nothing where there are none."""
    votes = {}
    with (
        contextlib.suppress(OSError, UnicodeDecodeError, csv.Error),
        votes_of(path).open(newline="", encoding="utf-8") as table,
    ):
        for row in csv.reader(table):
            if len(row) == 4:
                votes.setdefault(row[0], []).append(row[1:])
    return votes


def _tell_votes(objid, votes):
    """Say who gave which label, the most frequent first."""
    people = {}
    for user, action, comment in votes:
        people.setdefault(action, []).append(f"{user}: {comment}" if comment else user)
    order = sorted(people, key=lambda action: -len(people[action]))
    parts = [f"{action} {len(people[action])} ({', '.join(people[action])})" for action in order]
    return f"{objid}, the others: {'; '.join(parts)}."


def prepare_practice(chosen, run):
    """Make the practice folder afresh: a hub of its own, with the practice stamps in it.

    Parameters
    ----------
    chosen : Settings
    run : callable
        Runs a command, as `Sync.run` does.

    Returns
    -------
    dict
        Object ID -> `Truth`.

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
        status, said = run(command, PRACTICE_TIMEOUT)
        if status:
            log.error("%s: %s", command, said)
            raise SessionError(f"The practice stamps could not be made ready: {said}")
    with (source / "truth.csv").open(newline="", encoding="utf-8") as table:
        return {
            entry["OBJID"]: Truth(
                entry["LABEL"],
                entry["HINT"],
                (stamps.KINDS.index(entry["STAMP"]), int(entry["X"]), int(entry["Y"])),
            )
            for entry in csv.DictReader(table)
        }
