"""A file is there whole or not at all."""

import errno
import multiprocessing
import os
import stat

import pytest

import disk


def test_a_replaced_file_has_the_new_content_and_nothing_is_left_beside_it(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"old")
    disk.write_whole(target, b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_on_a_full_disk_the_old_content_stays_and_no_part_is_left(small_disk):
    target = small_disk / "a"
    target.write_bytes(b"old")
    with pytest.raises(OSError) as error:
        disk.write_whole(target, bytes(500_000))
    assert error.value.errno == errno.ENOSPC
    assert target.read_bytes() == b"old"
    assert [path.name for path in small_disk.iterdir()] == ["a"]


def test_a_created_file_is_never_overwritten(tmp_path):
    disk.create(tmp_path / "a", b"first")
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"


def test_a_dangling_link_counts_as_taken(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "a", b"mine")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("write", [disk.write_whole, disk.create])
def test_what_is_written_is_on_the_disk_before_it_has_its_name_and_the_name_is_too(
    tmp_path, monkeypatch, write
):
    """After a power cut there was a name without its content, or no name."""
    done, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        status = os.fstat(descriptor)
        done.append("folder" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("named") or replace(*paths))
    write(tmp_path / "a", b"content")
    named = ["named"] if write is disk.write_whole else []
    assert done == ["7 bytes", *named, "folder"]


def test_what_is_made_for_its_owner_alone_is_so_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        disk.make_private(tmp_path / "a" / "b")
        disk.make_private(tmp_path / "a" / "b")
        with open(tmp_path / "a" / "file", "w", opener=disk.private):
            pass
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/file")]
    assert modes == [0o700, 0o700, 0o600]


def test_on_a_full_disk_nothing_is_created(small_disk):
    with pytest.raises(OSError):
        disk.create(small_disk / "a", bytes(500_000))
    assert not list(small_disk.iterdir())


def _try(folder, gate, number):
    gate.wait()
    try:
        disk.create(folder / "claim", str(number).encode())
    except FileExistsError:
        os._exit(1)
    os._exit(0)


def test_of_many_who_create_at_once_one_succeeds(tmp_path):
    gate = multiprocessing.Barrier(8)
    people = [multiprocessing.Process(target=_try, args=(tmp_path, gate, n)) for n in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    winners = [n for n, person in enumerate(people) if person.exitcode == 0]
    assert [(tmp_path / "claim").read_text()] == [str(n) for n in winners]


def test_on_a_mac_what_is_written_goes_through_the_disks_own_cache(tmp_path, monkeypatch):
    """There fsync alone stops at it. No such disk is here: what is asked for is looked at."""
    asked, plain = [], []
    monkeypatch.setattr(disk.fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(disk.fcntl, "fcntl", lambda descriptor, what: asked.append(what))
    monkeypatch.setattr(os, "fsync", lambda descriptor: plain.append(descriptor))
    with open(tmp_path / "file", "wb") as file:
        disk.sync(file.fileno())
        assert (asked, plain) == ([51], [])
        monkeypatch.setattr(disk.fcntl, "fcntl", lambda *_: os.stat("/nowhere"))
        disk.sync(file.fileno())  # a file system that does not know it
        assert plain == [file.fileno()]
