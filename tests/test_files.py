"""Files and folders on systems that flush folders, and on those that cannot."""

import errno
import os

import pytest

from guided_attention.files import sync_folder, write_text


@pytest.fixture
def windows(monkeypatch):
    """Open no folder, and flush no handle that is only read, as Windows."""
    real_open, real_fsync, flushed = os.open, os.fsync, []

    def open_file(path, flags, *rest, **more):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, flags, *rest, **more)

    def fsync(handle):
        os.write(handle, b"")  # EBADF unless it was opened for writing
        flushed.append(handle)
        real_fsync(handle)

    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "fsync", fsync)
    return flushed


def test_windows_opens_no_folder(windows, tmp_path):
    written = write_text(tmp_path / "made" / "words.txt", "kept")
    sync_folder(written.parent)
    assert written.read_text() == "kept"
    assert len(windows) == 1


def test_a_folder_is_flushed_where_the_system_can(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_ino))
    sync_folder(tmp_path)
    assert flushed == [tmp_path.stat().st_ino]


@pytest.mark.parametrize(
    ("number", "raised"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True), (errno.ENOSPC, True)]
)
def test_a_drive_that_flushes_no_folder_is_not_one_that_failed(tmp_path, monkeypatch, number, raised):
    def fsync(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if raised:
        with pytest.raises(OSError, match=os.strerror(number)):
            sync_folder(tmp_path)
    else:
        sync_folder(tmp_path)
