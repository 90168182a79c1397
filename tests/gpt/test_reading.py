"""Text files and downloads: what is read, and what is refused (row 62 of the awkward cases)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.data import downloads, reading
from gpt.data.config import DataConfig
from gpt.data.downloads import Download, fetched
from gpt.data.opening import opened
from gpt.errors import DataError


def read(*files: Path) -> str:
    return "".join(reading.characters(files))


# ---- files -----------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(1, 9))
def test_any_text_is_read_as_it_is_whatever_the_pieces(text: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_bytes(text.encode())
        patch.setattr(reading, "_CHUNK", chunk)
        pieces = list(reading.characters([path]))
    expected = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(pieces) == expected
    assert all(piece.endswith("\n") for piece in pieces[:-1])


def test_a_byte_order_mark_is_left_out_and_line_ends_become_newlines(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read(path) == "one\ntwo\nthree\n"


@pytest.mark.parametrize("chunk", [1, 3, 1 << 22])
def test_what_is_not_utf8_is_named_by_byte_and_line(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CHUNK", chunk)
    path = tmp_path / "latin.txt"
    path.write_bytes("Größe\ncafé\n".encode() + "Größe".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt: not UTF-8: byte 0xf6 at 16, line 3; save the file as UTF-8$"):
        read(path)
    path.write_bytes("é".encode()[:1])
    with pytest.raises(DataError, match="byte 0xc3 at 0, line 1"):
        read(path)
    path.write_bytes("two\n".encode("utf-16"))
    with pytest.raises(DataError, match="byte 0xff at 0, line 1"):
        read(path)


def test_a_folder_is_its_files_in_order_of_their_names(tmp_path: Path) -> None:
    for name, text in {"b.txt": "second\n", "a/z.txt": "first\n", ".git/x": "hidden", "c/.x": "hidden"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    files = reading.files_of(tmp_path)
    assert read(*files) == "first\nsecond\n"
    assert reading.digest(files) == hashlib.sha256(b"first\nsecond\n").hexdigest()
    with pytest.raises(DataError, match="no such file or folder; give --data"):
        reading.files_of(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no file in this folder"):
        reading.files_of(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the text is empty"),
        ("\ufeff", "the text is empty"),
        ("short", "the part to learn from needs more than 8 tokens, the block, and has 5; give a longer text or"),
        ("x" * 50, "the part for validation needs more than 8 tokens, the block, and has 5"),
    ],
)
def test_a_text_that_is_too_short_says_what_it_needs_and_has(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "short.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        opened(DataConfig(str(path)), block=8)


# ---- downloads -------------------------------------------------------------------------------------------------------

CONTENT = b"emma\nolivia\nava\n" * 20


class Server(BaseHTTPRequestHandler):
    """Answers by the name that is asked for."""

    timeout = 5

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        content = {"/good": CONTENT, "/short": CONTENT[:-7], "/other": CONTENT.upper(), "/long": CONTENT * 9}[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)) if self.path == "/short" else str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BLAMEFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


def wanted(url: str) -> Download:
    return Download(url, "names.txt", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.mark.parametrize("name", ["good", "moved"])
def test_a_file_is_fetched_once_and_kept(name: str, address: str, kept: Path) -> None:
    path = fetched(wanted(f"{address}/{name}"))
    assert path == kept / "names.txt"
    assert path.read_bytes() == CONTENT
    assert fetched(wanted("http://127.0.0.1:1/closed")) == path  # from the cache: nothing is asked for
    assert [file.name for file in kept.iterdir()] == ["names.txt"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", r"cannot be downloaded \(.*404.*\)"),
        ("short", "cannot be downloaded|not the file of 320 bytes"),
        ("other", "what came is not the file of 320 bytes that was expected"),
        ("long", "what came is not the file of 320 bytes that was expected"),
    ],
)
def test_a_wrong_file_is_not_kept(name: str, said: str, address: str, kept: Path) -> None:
    with pytest.raises(DataError, match=said) as caught:
        fetched(wanted(f"{address}/{name}"))
    assert str(caught.value).endswith(f"fetch it yourself and put it at {kept / 'names.txt'}")
    assert "\n" not in str(caught.value)
    assert not kept.exists() or not list(kept.iterdir())


def test_without_a_network_the_error_says_where_to_put_the_file(kept: Path) -> None:
    with pytest.raises(DataError, match=r"^http://127\.0\.0\.1:1/x: cannot be downloaded \(.+\); fetch it "):
        fetched(wanted("http://127.0.0.1:1/x"))


def test_a_file_that_was_changed_in_the_cache_is_refused(kept: Path) -> None:
    kept.mkdir()
    (kept / "names.txt").write_bytes(CONTENT + b"x")
    with pytest.raises(DataError, match=r"names\.txt: its SHA-256 is not that of http.*; remove the file"):
        fetched(wanted("http://127.0.0.1:1/x"))


def test_a_data_set_is_what_the_command_names(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.mkdir()
    (kept / "names.txt").write_bytes(CONTENT)
    monkeypatch.setitem(downloads.DOWNLOADS, "names", wanted("http://127.0.0.1:1/x")._replace(shuffled=True))
    data = opened(DataConfig("names"), block=8)
    text = data.tokenizer.decode(data.learned.tolist() + data.validation.tolist())  # type: ignore[union-attr]
    assert text != CONTENT.decode()
    assert sorted(text.splitlines()) == sorted(CONTENT.decode().splitlines())
