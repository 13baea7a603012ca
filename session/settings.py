"""Who labels what, for which hub, in which folder: decided before the window opens.

``site.ini`` is the site's, ``settings.ini`` in the data folder the user's and stands above it, what
is asked for on the command line stands above both and is remembered. Each has one section
``[artifactspy]`` with ``hub``, ``user``, ``realm``, ``contact``, and how the window was left.
"""

from __future__ import annotations

import configparser
import getpass
import io
import os
import re
from pathlib import Path
from typing import NamedTuple

import disk
import labelfile

ROOT = Path(__file__).resolve().parent.parent


class SessionError(Exception):
    """The session cannot go on as asked; the message is the sentence that the user reads."""


class Settings(NamedTuple):
    """What was decided; see `choose`."""

    home: Path  # the data folder: lock, log and settings
    data: Path  # chunks/ and labels/: the same, but in practice a folder in it
    hub: str
    user: str
    realm: str
    contact: str
    practice: bool
    fresh: int  # how many stamps to simulate for practice; 0: those that come with the program
    expert: bool = False  # what needs the hub's owner, with the labels that others gave

    @property
    def remote(self) -> bool:
        """Tell whether the hub is another machine's."""
        return _host(self.hub) is not None


def _host(hub: str) -> str | None:
    """Return the ``[user@]host`` of a hub, or None of a local folder."""
    host, colon, _ = hub.partition(":")
    return host if colon and "/" not in host else None


def stored(*files: Path) -> dict[str, str]:
    """Read settings, those of later files above those of earlier ones, as {name: value}."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        first = str(error).splitlines()[0]
        raise SessionError(f"A settings file cannot be read, please mend it: {first}") from error
    return dict(parser["artifactspy"]) if parser.has_section("artifactspy") else {}


def remember(home: Path, **values: str) -> None:
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


def _who(values: dict[str, str]) -> tuple[str, str]:
    """Return the hub and the user that settings amount to; either may be empty."""
    hub = values.get("hub", "")
    host = _host(hub)
    user = values.get("user") or (host or "").rpartition("@")[0]
    if not user and hub and host is None:
        user = getpass.getuser()
    return hub, user


def choose(
    home: Path,
    hub: str | None = None,
    user: str | None = None,
    realm: str | None = None,
    practice: int | None = None,
    expert: bool = False,
) -> Settings:
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

    Raises
    ------
    SessionError
        One of them is none that can be used.
    """
    options = {"hub": hub, "user": user, "realm": realm}
    given = {name: value for name, value in options.items() if value}
    if hub and _host(hub) is None:
        given["hub"] = os.path.abspath(Path(hub).expanduser())
    before = stored(ROOT / "site.ini", home / "settings.ini")
    hub, user = _who({**before, **given})
    host = _host(hub)
    domain = (host or "").rpartition("@")[2].partition(".")[2].upper() or "none"
    if host != _host(before.get("hub", "")) and not realm:
        given["realm"] = domain  # the one that was set is the other host's
    values = {**before, **given}
    realm = values.get("realm") or domain
    _check(hub, user, realm)
    if "hub" in given and host is None and not (Path(hub) / "hub").exists():
        raise SessionError(
            f"There is no hub in {hub}: nothing was changed, correct the folder's name."
        )
    if given:
        _check_owner(home, _who(before), (hub, user))
        remember(home, **given)
    contact = values.get("contact", "")
    if practice is None and user:
        return Settings(home, home, hub, user, realm, contact, False, 0, expert)
    if expert:
        raise SessionError("--expert needs a hub and a user: name them with --hub and --user.")
    data = home / "practice-session"
    return Settings(home, data, str(data / "hub"), "practice", "none", contact, True, practice or 0)


def _check(hub: str, user: str, realm: str) -> None:
    """Refuse names that are none, or that programs on the way would take for something else."""
    host = _host(hub)
    if host is not None and not re.fullmatch(r"([A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*", host):
        raise SessionError(f"{hub!r} is no hub: it is [user@]host:folder, or a local folder.")
    if host and not re.fullmatch(r"[A-Za-z0-9@%+=._/,-]+", hub.partition(":")[2]):
        raise SessionError(
            f"The hub's folder in {hub!r} may hold letters, digits and @%+=._/,- only: "
            "scp versions disagree on how to quote anything else."
        )
    if not re.fullmatch(r"[A-Za-z0-9.-]+", realm):
        raise SessionError(f"{realm!r} is no Kerberos realm: give one like HEP.WISC.EDU, or none.")
    if user and not labelfile.is_user(user):
        raise SessionError(
            f"{user!r} is no user name: 1 to 32 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit and without two dashes in a row."
        )


def _check_owner(home: Path, before: tuple[str, str], now: tuple[str, str]) -> None:
    """Refuse to mix two people, or two hubs: each hub takes only labels of what it handed out."""
    (old_hub, old_user), (hub, user) = before, now
    same = old_hub.rpartition("@")[2] == hub.rpartition("@")[2] and old_user == user
    held = [
        *home.glob("chunks/*.tar.gz"),
        *home.glob("labels/open/*.csv"),
        *home.glob("labels/waiting/*.csv"),
    ]
    if old_user and held and not same:
        raise SessionError(
            f"{home} still holds stamps or unsent labels of {old_user} for {old_hub}: nothing was "
            f"changed. Use another folder: ./ArtifactSpy --data DIR --hub {hub} --user {user}"
        )
