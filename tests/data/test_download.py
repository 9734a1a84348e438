"""Fetching over a real connection, to a server on loopback that misbehaves as asked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import shutil
import stat
import sys
import threading
import time
import zipfile
from collections import namedtuple
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from data_factory import Scan, write_scan
from guided_attention.data import CHAOS_TRAIN, Archive, fetch_chaos, open_source
from guided_attention.errors import DataError

ROOT = Path(__file__).parents[2]
CHUNK = 1 << 14  # what a cut may cost


class Server(ThreadingHTTPServer):
    """Serves ``content``; each of ``script`` spoils one request: ("cut", bytes) or (status, headers)."""

    daemon_threads = True
    content = b""
    ranges = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.asked = [], []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range", "bytes=0-")
        server.asked.append(wanted)
        step = server.script.pop(0) if server.script else None
        if step and step[0] != "cut":
            self.send_response(step[0])
            for name, value in {**step[1], "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if server.ranges else 200)
        self.send_header("Content-Length", str(len(body)))
        if server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        self.wfile.write(body[: step[1]] if step else body)
        if step:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(1)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def good_zip(tmp_path_factory):
    """The layout of the release, one subject; noise makes it large enough to be cut."""
    folder = tmp_path_factory.mktemp("release")
    write_scan(folder / "Train_Sets" / "MR" / "5", Scan())
    (folder / "Train_Sets" / "noise").write_bytes(np.random.default_rng(0).bytes(200_000))
    return Path(shutil.make_archive(str(folder / "made"), "zip", folder, "Train_Sets")).read_bytes()


def zip_of(members, mode=None):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode or stat.S_IFREG | 0o644) << 16
            zipped.writestr(info, data)
    return content.getvalue()


def serve(server, content):
    server.content = content
    return Archive(
        url=f"http://127.0.0.1:{server.server_port}/CHAOS_Train_Sets.zip?download=1",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        unpacked=10_000,
        top="Train_Sets",
        licence="CC BY-NC-SA 4.0",
        citation="Kavur et al.",
    )


class Fetch:
    """`fetch_chaos` with everything it says and waits for written down."""

    def __init__(self):
        self.said, self.waited = [], []

    def __call__(self, out, archive, **options):
        self.said = []
        return fetch_chaos(out, archive, progress=False, say=self.said.append, sleep=self.waited.append, **options)


@pytest.fixture
def fetch():
    return Fetch()


def names(folder):
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_what_is_fetched_is_what_was_released():
    """Figures of the Zenodo record 3431873, v1.03."""
    assert CHAOS_TRAIN.url == "https://zenodo.org/records/3431873/files/CHAOS_Train_Sets.zip?download=1"
    assert CHAOS_TRAIN.sha256 == "535f7d3417a0e0f0d9133fb3d962423d2a9cf3f103e4f09a3d8a1daf87d5d2fc"
    assert CHAOS_TRAIN.size == 890_771_694
    assert CHAOS_TRAIN.unpacked > CHAOS_TRAIN.size


def test_fetched_verified_unpacked_readable_and_once(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    out = tmp_path / "data" / "chaos"
    assert fetch(out, archive) == out
    assert "CC BY-NC-SA 4.0" in fetch.said[0]
    assert names(out) == ["Train_Sets"]
    source = open_source(out)
    assert source.name == "chaos-t1dual-in"
    np.testing.assert_array_equal(source.read("5").image, Scan().images["InPhase"])
    record = json.loads((out / "Train_Sets" / "SOURCE.json").read_text())
    assert (record["sha256"], record["licence"]) == (archive.sha256, archive.licence)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    fetch(out, archive)
    assert fetch.said == [f"{out / 'Train_Sets'}: already there, nothing to do"]
    assert len(server.asked) == 1
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*")} == times


def test_the_archive_can_be_kept_and_is_then_not_fetched_again(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    fetch(tmp_path, archive, keep_archive=True)
    assert names(tmp_path) == ["Train_Sets", "Train_Sets.zip"]
    shutil.rmtree(tmp_path / "Train_Sets")
    fetch(tmp_path, archive)
    assert names(tmp_path) == ["Train_Sets"]
    assert len(server.asked) == 1


def test_a_wrong_checksum_leaves_nothing(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    server.content = good_zip[:-1] + bytes([good_zip[-1] ^ 1])
    with pytest.raises(DataError, match=f"expected sha256 {archive.sha256}.*has another one"):
        fetch(tmp_path / "out", archive)
    assert names(tmp_path / "out") == []


def test_a_cut_connection_goes_on_where_it_stopped(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    server.script = [("cut", 100_000), ("cut", 50_000)]
    fetch(tmp_path, archive)
    first, second, third = (int(asked[len("bytes=") : -1]) for asked in server.asked)
    assert first == 0
    assert 100_000 - CHUNK < second <= 100_000
    assert second + 50_000 - CHUNK < third <= second + 50_000
    assert names(tmp_path) == ["Train_Sets"]


def test_what_has_arrived_outlives_the_call(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    server.script = [("cut", 100_000)] + [("cut", 0)] * 6
    with pytest.raises(DataError, match=rf"[89]\d,\d\d\d of {len(good_zip):,} bytes have arrived and are kept"):
        fetch(tmp_path, archive)
    assert names(tmp_path) == ["Train_Sets.zip.part"]
    arrived = (tmp_path / "Train_Sets.zip.part").read_bytes()
    assert arrived == good_zip[: len(arrived)]
    server.asked.clear()
    server.script.clear()
    fetch(tmp_path, archive)
    assert server.asked == [f"bytes={len(arrived)}-"]
    assert names(tmp_path) == ["Train_Sets"]


def test_a_server_that_cannot_resume_starts_again(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    server.ranges = False
    server.script = [("cut", 100_000)]
    fetch(tmp_path, archive)
    assert len(server.asked) == 2
    assert names(tmp_path) == ["Train_Sets"]


def test_a_busy_server_is_waited_for_as_long_as_it_asks(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    later = formatdate(timeval=time.time() + 30, usegmt=True)
    server.script = [
        (429, {"Retry-After": "7"}),
        (503, {"Retry-After": later}),
        (429, {}),
        (502, {"Retry-After": "soon"}),
    ]
    fetch(tmp_path, archive)
    assert fetch.waited[0] == 7
    assert 25 <= fetch.waited[1] <= 30
    assert fetch.waited[2:] == [8, 16]
    assert names(tmp_path) == ["Train_Sets"]


def test_a_server_that_stays_busy_is_left_alone(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    server.script = [(429, {})] * 20
    with pytest.raises(DataError, match=r"answers 429.*run the same command again later"):
        fetch(tmp_path, archive)
    assert len(server.asked) == 6
    server.script = [(429, {"Retry-After": "3600"})]
    with pytest.raises(DataError, match=r"again later \(in 3600 s\)"):
        fetch(tmp_path, archive)
    assert 3600 not in fetch.waited


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(tmp_path, server, good_zip, fetch, status):
    archive = serve(server, good_zip)
    server.script = [(status, {})]
    with pytest.raises(DataError, match=f"the server answers {status}"):
        fetch(tmp_path, archive)
    assert len(server.asked) == 1


def test_no_server_at_all(tmp_path, server, good_zip, fetch):
    archive = replace(serve(server, good_zip), url="http://127.0.0.1:9/x.zip")
    with pytest.raises(DataError, match="the connection failed"):
        fetch(tmp_path, archive)
    assert fetch.waited == [2, 4, 8, 16, 32]


def test_another_size_is_noticed_before_the_download(tmp_path, server, good_zip, fetch):
    archive = replace(serve(server, good_zip), size=len(good_zip) + 5)
    with pytest.raises(DataError, match=rf"expected {len(good_zip) + 5:,} bytes.*offers {len(good_zip)} bytes"):
        fetch(tmp_path / "out", archive)


ESCAPES = {
    "parent": zip_of({"Train_Sets/a": b"1", "../evil": b"2"}),
    "deep parent": zip_of({"Train_Sets/../../evil": b"2"}),
    "absolute": zip_of({"/tmp/evil": b"2"}),
    "backslash": zip_of({"Train_Sets\\..\\..\\evil": b"2"}),
    "drive": zip_of({"C:/evil": b"2"}),
    "link": zip_of({"Train_Sets/evil": b"/etc"}, stat.S_IFLNK | 0o777),
}


@pytest.mark.parametrize("kind", ESCAPES)
def test_no_path_escapes(tmp_path, server, fetch, kind):
    archive = serve(server, ESCAPES[kind])
    out = tmp_path / "inner" / "out"
    with pytest.raises(DataError, match=r"evil.*(leads out of the folder|is a link).*Nothing was unpacked"):
        fetch(out, archive)
    assert not [p for p in tmp_path.rglob("*") if "evil" in p.name]
    assert not (out / "Train_Sets").exists()


def test_an_archive_of_something_else(tmp_path, server, fetch):
    with pytest.raises(DataError, match=r"expected the folder Train_Sets in it, found cats"):
        fetch(tmp_path, serve(server, zip_of({"cats/1.txt": b"meow"})))
    with pytest.raises(DataError, match="expected a whole zip file"):
        fetch(tmp_path / "other", serve(server, b"not a zip" * 99))
    assert not (tmp_path / "Train_Sets").exists()
    assert names(tmp_path / "other") == ["Train_Sets.zip"]


Usage = namedtuple("Usage", "total used free")


def test_too_little_disk_is_noticed_before_a_byte_is_fetched(tmp_path, server, good_zip, fetch, monkeypatch):
    archive = serve(server, good_zip)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, len(good_zip) + 9_999))
    with pytest.raises(DataError, match=r"GB of free disk space for Train_Sets \(zip and unpacked\), found 0\.00 GB"):
        fetch(tmp_path / "not" / "yet", archive)
    assert server.asked == []
    assert names(tmp_path) == []


def test_too_little_disk_for_what_the_zip_really_holds(tmp_path, server, fetch, monkeypatch):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("Train_Sets/zeros", bytes(5_000_000))
    archive = serve(server, content.getvalue())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 1_000_000))
    with pytest.raises(DataError, match=r"to unpack Train_Sets\.zip"):
        fetch(tmp_path, archive)
    assert names(tmp_path) == ["Train_Sets.zip"]


def test_an_interrupted_unpacking_leaves_no_half_set(tmp_path, server, good_zip, fetch, monkeypatch):
    archive = serve(server, good_zip)
    whole, done = zipfile.ZipFile.extract, []

    def dies(self, member, *rest):
        if len(done) == 5:
            raise OSError("No space left on device")
        done.append(member)
        return whole(self, member, *rest)

    monkeypatch.setattr(zipfile.ZipFile, "extract", dies)
    with pytest.raises(OSError, match="No space left"):
        fetch(tmp_path, archive)
    assert names(tmp_path) == ["Train_Sets.zip"]
    monkeypatch.undo()
    (tmp_path / ".Train_Sets.unpacking").mkdir()  # what a killed process leaves
    fetch(tmp_path, archive)
    assert names(tmp_path) == ["Train_Sets"]


def test_a_set_with_missing_files_or_of_unknown_origin_is_not_taken_for_whole(tmp_path, server, good_zip, fetch):
    archive = serve(server, good_zip)
    fetch(tmp_path, archive)
    next((tmp_path / "Train_Sets").rglob("*.dcm")).unlink()
    with pytest.raises(DataError, match=r"expected 21 files of archive .*found 20 files"):
        fetch(tmp_path, archive)
    os.remove(tmp_path / "Train_Sets" / "SOURCE.json")
    with pytest.raises(DataError, match=r"SOURCE\.json, which a complete set has"):
        fetch(tmp_path, archive)


def test_the_script_reports_errors_with_its_exit_status(tmp_path, monkeypatch, capsys):
    (tmp_path / "Train_Sets").mkdir()
    monkeypatch.setattr(sys, "argv", ["chaos.py", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(ROOT / "data_download" / "chaos.py"), run_name="__main__")
    assert stop.value.code == 2
    assert "error: " in capsys.readouterr().err
