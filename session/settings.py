"""Who labels what, for which hub, in which folder: decided before the window opens.

``site.ini`` is the site's, ``settings.ini`` in the data folder the user's and stands above it, what
is asked for on the command line stands above both and is remembered. Each has one section
``[artifactspy]`` with ``hub``, ``user``, ``realm``, ``contact``, ``comments``, and how the window
was left.
"""

from __future__ import annotations

import configparser
import getpass
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
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
    given: Mapping[str, str] = MappingProxyType({})  # to be remembered once the hub has answered
    comments: tuple[str, ...] = ()  # the site's own, to be had by a number

    @property
    def remote(self) -> bool:
        """Tell whether the hub is another machine's."""
        return _host(self.hub) is not None


class _Address(NamedTuple):
    """The parts of a remote hub: ``[login@]host:folder``."""

    login: str
    host: str
    folder: str


def _address(hub: str) -> _Address | None:
    """Return the parts of a remote hub, or None of a local folder."""
    match = re.fullmatch(r"(?:([^/\[\]]*)@)?\[([^/\[\]]*)\]:(.*)", hub)  # IPv6
    if match:
        return _Address(match[1] or "", match[2], match[3])
    before, colon, folder = hub.partition(":")
    if not colon or "/" in before:
        return None
    login, _, host = before.rpartition("@")
    return _Address(login, host, folder)


def _host(hub: str) -> str | None:
    """Return the host of a hub, or None of a local folder."""
    address = _address(hub)
    return address.host if address else None


def _domain(host: str | None) -> str:
    """Return the realm that a host is in if nobody says another; an address is in none."""
    if not host or ":" in host or re.fullmatch(r"[0-9.]+", host):
        return "none"
    return host.partition(".")[2].upper() or "none"


def _plain(hub: str) -> str:
    """Return a hub as it is kept; what git writes ``ssh://host/folder`` is ``host:/folder``."""
    return re.sub(r"^ssh://([^/]*)/", r"\1:/", hub)


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
        disk.write_whole(path, text.getvalue().encode(), 0o600)
    except OSError as error:
        raise SessionError(
            f"The settings cannot be kept in {path} ({error.strerror}): nothing is lost, make room "
            "or name another folder with --data."
        ) from error


def _who(values: dict[str, str]) -> tuple[str, str]:
    """Return the hub and the user that settings amount to; either may be empty."""
    hub = _plain(values.get("hub", ""))
    address = _address(hub)
    user = values.get("user") or (address.login if address else "")
    if not user and hub and address is None:
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
        As on the command line; to be remembered once the hub has answered, see `Settings.given`.
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
    if hub:
        given["hub"] = _plain(hub)
        if _host(given["hub"]) is None:
            given["hub"] = os.path.abspath(Path(hub).expanduser())
    mine = stored(home / "settings.ini")
    before = {**stored(ROOT / "site.ini"), **mine}
    hub, user = _who({**before, **given})
    host = _host(hub)
    if host != _host(_who(before)[0]) and not realm:
        given["realm"] = _domain(host)  # the one that was set is the other host's
    values = {**before, **given}
    realm = values.get("realm") or _domain(host)
    _check(hub, user, realm)
    if "hub" in given and host is None and not (Path(hub) / "hub").exists():
        raise SessionError(
            f"There is no hub in {hub}: nothing was changed, correct the folder's name."
        )
    given = {name: value for name, value in given.items() if mine.get(name) != value}
    if given:
        _check_owner(home, _who(before), (hub, user))
    contact, comments = values.get("contact", ""), _comments(values.get("comments", ""))
    if practice is None and user:
        return Settings(home, home, hub, user, realm, contact, False, 0, expert, given, comments)
    if practice is None and "hub" in options and options["hub"]:
        raise SessionError(f"Nobody is set to label for {hub}: say who you are, with --user NAME.")
    if expert:
        raise SessionError("--expert needs a hub and a user: name them with --hub and --user.")
    data = home / "practice-session"
    hub, count = str(data / "hub"), practice or 0
    return Settings(home, data, hub, "practice", "none", contact, True, count, comments=comments)


def _comments(text: str) -> tuple[str, ...]:
    """Return the comments in a list that semicolons part; a number alone is none."""
    try:
        comments = [labelfile.clean_comment(part) for part in text.split(";")]
    except labelfile.LabelError as error:
        raise SessionError(
            "A comment in site.ini or settings.ini is too long: nothing was changed, part the "
            "comments there by semicolons."
        ) from error
    return tuple(comment for comment in comments if comment and not comment.isdecimal())


def _check(hub: str, user: str, realm: str) -> None:
    """Refuse names that are none, or that programs on the way would take for something else."""
    address = _address(hub)
    if address is not None:
        login, host, folder = address
        if not (
            re.fullmatch(r"[A-Za-z0-9._@\\-]*", login)
            and not login.startswith("-")
            and re.fullmatch(
                r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%[\w.-]+)?", host
            )
            and not folder.startswith("//")
        ):
            raise SessionError(
                f"{hub!r} is no hub: it is [user@]host:folder, or a local folder; an IPv6 host "
                "stands in brackets. Nothing was changed."
            )
        if re.match(r":?[0-9]+:", folder):
            raise SessionError(
                f"{hub!r} names a port: give the host a name and its port in ~/.ssh/config, and "
                "name the hub as [user@]host:folder. Nothing was changed."
            )
        if not re.fullmatch(r"[A-Za-z0-9@%+=._/,-]+", folder):
            raise SessionError(
                f"The hub's folder in {hub!r} may hold letters, digits and @%+=._/,- only."
            )
    if not re.fullmatch(r"[A-Za-z0-9.-]+", realm):
        raise SessionError(f"{realm!r} is no Kerberos realm: give one like HEP.WISC.EDU, or none.")
    if user and not labelfile.is_user(user):
        raise SessionError(
            f"{user!r} is no user name: 1 to 32 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit and without two dashes in a row. Name yourself so "
            "with --user, whatever account the hub's address names."
        )


def _where(hub: str) -> tuple[str, ...]:
    """Return what two hubs must have in common to be the same."""
    address = _address(hub)
    return address[1:] if address else (hub,)


def _check_owner(home: Path, before: tuple[str, str], now: tuple[str, str]) -> None:
    """Refuse to mix two people, or two hubs: each hub takes only labels of what it handed out."""
    (old_hub, old_user), (hub, user) = before, now
    same = _where(old_hub) == _where(hub) and old_user == user
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
