"""The server of `make serve`: text goes compressed to who accepts it, everything else as it is, and only from here."""

import gzip
import os
import signal
import socket
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from pipeline.layout import BookError
from pipeline.serve import serve, serving
from small_book import ROOT

PAGE = "<h1>Liver</h1>" + "<p>spleen</p>" * 200


@pytest.fixture
def html(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text(PAGE)
    (folder / "picture.webp").write_bytes(bytes(range(256)))
    return folder


def get(address, **headers):
    with urlopen(Request(address, headers=headers)) as answer:
        return answer.headers, answer.read()


def test_text_is_compressed_for_who_accepts_it(html):
    with serving(html) as address:
        headers, body = get(f"{address}/index.html", **{"Accept-Encoding": "gzip, br"})
        assert headers["Content-Encoding"] == "gzip"
        assert headers["Content-Type"].startswith("text/html")
        assert int(headers["Content-Length"]) == len(body) < len(PAGE) / 5
        assert gzip.decompress(body).decode() == PAGE
        headers, body = get(f"{address}/index.html")
        assert headers["Content-Encoding"] is None
        assert body.decode() == PAGE
        assert get(f"{address}/")[1].decode() == PAGE


def test_other_files_go_as_they_are_and_a_changed_page_is_another(html):
    with serving(html) as address:
        headers, body = get(f"{address}/picture.webp", **{"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] is None
        assert body == bytes(range(256))
        get(f"{address}/index.html", **{"Accept-Encoding": "gzip"})
        (html / "index.html").write_text("<h1>Spleen</h1>")
        body = get(f"{address}/index.html", **{"Accept-Encoding": "gzip"})[1]
        assert gzip.decompress(body).decode() == "<h1>Spleen</h1>"


@pytest.mark.parametrize("path", ["/../secret.html", "/%2e%2e/secret.html", "/nothing.html"])
def test_nothing_beside_the_folder_is_served(html, path):
    (html.parent / "secret.html").write_text("no")
    with serving(html) as address:
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(HTTPError, match="404"):
            get(address + path, **{"Accept-Encoding": "gzip"})


def test_what_cannot_be_served_is_said(html):
    with pytest.raises(BookError, match="run `make book` first"):
        serve(html / "nothing", 0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BookError, match="take another: make PORT="):
            serve(html, taken.getsockname()[1])


def test_the_command_serves_until_it_is_interrupted(tmp_path, html):
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build" / "html").symlink_to(html)
    for name, text in (("_toc.yml", "format: jb-book\nroot: index\n"), ("_config.yml", "title: small\n")):
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-u", "-m", "pipeline", "serve", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # the pipeline is not installed

    def listen() -> None:  # a shell's background jobs, and so their children, ignore interrupts
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=listen
    ) as running:
        address = running.stdout.readline().split()[0]
        assert get(address)[1].decode() == PAGE
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
