"""Files: hashed, written whole or not at all, never overwritten unasked."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from streamstyle.errors import InputError, OutputError, UsageError
from streamstyle.files import PendingFile, refuse_overwrite, sha256_of, sync, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_a_file_that_cannot_be_hashed_is_named(tmp_path):
    with pytest.raises(InputError, match="absent: cannot be read: No such file"):
        sha256_of(tmp_path / "absent")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        sha256_of(tmp_path)


def test_overwriting_needs_permission(tmp_path):
    refuse_overwrite(tmp_path / "a", False)
    (tmp_path / "a").touch()
    refuse_overwrite(tmp_path / "a", True)
    with pytest.raises(UsageError, match=f"{tmp_path / 'a'}: exists; -y overwrites it"):
        refuse_overwrite(tmp_path / "a", False)
    with pytest.raises(UsageError, match="exists"):
        refuse_overwrite(tmp_path, False)


def test_a_name_that_is_too_long_does_not_exist():
    refuse_overwrite(Path("n" * 5000), False)


def test_writing_replaces_a_former_file_and_leaves_nothing_else(tmp_path):
    for data in (b"old", b"new"):
        write_whole(tmp_path / "a", data)
        assert (tmp_path / "a").read_bytes() == data
    assert names(tmp_path) == ["a"]


def test_a_link_is_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/a")
    write_whole(tmp_path / "link", b"data")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere" / "a").read_bytes() == b"data"
    assert names(tmp_path) == ["elsewhere", "link"]


def test_a_full_disk_is_named_and_the_former_file_stays(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"precious")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputError, match="a: cannot be written: No space left"):
        write_whole(tmp_path / "a", b"data")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"precious"


def test_what_is_not_a_regular_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(OutputError, match="cannot be written: exists and is not a regular file"):
            write_whole(path, b"data")
    assert names(tmp_path) == ["pipe"]
    with pytest.raises(OutputError, match=r"absent/a: cannot be written: the folder .*absent does not exist"):
        write_whole(tmp_path / "absent" / "a", b"data")


def test_a_pending_file_gets_its_name_when_it_is_published(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    pending = PendingFile(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    pending.publish()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_a_discarded_file_leaves_nothing(tmp_path):
    pending = PendingFile(tmp_path / "a", b"new")
    pending.discard()
    pending.discard()
    assert names(tmp_path) == []


def test_a_file_that_cannot_be_renamed_is_removed(tmp_path):
    pending = PendingFile(tmp_path / "a", b"new")
    (tmp_path / "a").mkdir()
    with pytest.raises(OutputError, match="a: cannot be written: Is a directory"):
        pending.publish()
    assert names(tmp_path) == ["a"]


def test_only_files_have_to_be_synced(tmp_path, monkeypatch):
    """Some systems cannot sync folders."""
    (tmp_path / "a").touch()
    sync(tmp_path / "a")
    sync(tmp_path)
    monkeypatch.setattr(os, "fsync", no_space)
    sync(tmp_path)
    with pytest.raises(OutputError, match="a: cannot be written: No space left"):
        sync(tmp_path / "a")
