"""A file is there whole or not at all."""

import errno
import multiprocessing
import os

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
