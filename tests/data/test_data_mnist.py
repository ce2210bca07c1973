"""MNIST from four IDX files: read, refused, downloaded (from a server in this process)."""

from __future__ import annotations

import gzip
import hashlib
import struct
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import evenbatch.data
from evenbatch.data import DataError, load, mnist
from evenbatch.data.idx import read_idx

NAMES = list(mnist.FILES)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny files never become "mnist" for other tests, and no proxy is asked for them."""
    monkeypatch.setattr(evenbatch.data, "_cache", {})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def idx(array: np.ndarray[Any, Any]) -> bytes:
    """The IDX bytes of an array, from the format's description."""
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("u1").tobytes()


def tiny() -> dict[str, np.ndarray[Any, Any]]:
    """13 training and 5 test images of 3 × 2 pixels, 4 classes."""
    rng = np.random.default_rng(3)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (13, 3, 2)),
        "train-labels-idx1-ubyte": np.arange(13) % 4,
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (5, 3, 2)),
        "t10k-labels-idx1-ubyte": np.arange(5) % 4,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, array in tiny().items():
        (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def check_tiny(data: Any) -> None:
    arrays = tiny()
    assert (data.n_features, data.n_outputs, data.n_train, data.n_test) == (6, 4, 13, 5)
    assert data.features[:3] == ("pixel_0_0", "pixel_0_1", "pixel_1_0")
    expected = arrays["train-images-idx3-ubyte"].reshape(13, 6) / 255
    np.testing.assert_allclose(data.x_train, expected, rtol=1e-6)
    np.testing.assert_array_equal(data.y_test, arrays["t10k-labels-idx1-ubyte"])


def test_four_files(folder: Path) -> None:
    data = load("mnist", data_dir=str(folder), check=False)
    check_tiny(data)
    assert data.name == "mnist:check=False"
    assert "not checked" in data.source
    assert str(folder) in data.source


def test_the_folder_may_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENBATCH_MNIST_DIR", str(folder))
    check_tiny(mnist.load(check=False))


def test_compressed_and_renamed_files(folder: Path) -> None:
    """.gz, the name that unpackers give, and a .gz whose name does not say so."""
    one, two, three, _ = (folder / name for name in NAMES)
    (folder / f"{one.name}.gz").write_bytes(gzip.compress(one.read_bytes()))
    one.unlink()
    two.rename(folder / "train-labels.idx1-ubyte")
    three.write_bytes(gzip.compress(three.read_bytes()))
    check_tiny(mnist.load(folder, check=False))


def test_files_that_are_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / NAMES[1]).unlink()
    (folder / NAMES[2]).unlink()
    with pytest.raises(DataError) as error:
        mnist.load(folder)
    message = str(error.value)
    assert f"{folder} lacks {NAMES[1]}, {NAMES[2]}\n" in message
    assert "EVENBATCH_MNIST_DIR" in message
    assert "pip install 'evenbatch[mnist]'" in message
    monkeypatch.setenv("EVENBATCH_DATA_DIR", "off")
    with pytest.raises(DataError, match="no folder to look in"):
        mnist.load()


def test_other_content_is_refused_unless_it_is_asked_for(folder: Path) -> None:
    with pytest.raises(DataError) as error:
        mnist.load(folder)
    message = str(error.value)
    found = hashlib.sha256((folder / NAMES[0]).read_bytes()).hexdigest()[:12]
    assert f"{NAMES[0]}: not the published MNIST file: SHA-256 {found}" in message
    assert "expected ba891046e650" in message
    assert "check=False" in message


def test_published_content_is_accepted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the tiny files had been the published ones, plain and compressed."""
    sums = {n: (hashlib.sha256((folder / n).read_bytes()).hexdigest(), "") for n in NAMES}
    monkeypatch.setattr(mnist, "FILES", sums)
    path = folder / NAMES[0]
    path.write_bytes(gzip.compress(path.read_bytes()))
    data = mnist.load(folder)
    check_tiny(data)
    assert data.source == mnist.SOURCE
    (folder / NAMES[3]).write_bytes(idx(np.zeros(5)))
    with pytest.raises(DataError, match=r"t10k-labels.*not the published"):
        mnist.load(folder)


IMAGES = idx(tiny()[NAMES[0]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (IMAGES[:-1], r"is cut off: its header says 13 × 3 × 2 = 78 values, and 77 bytes follow"),
        (IMAGES + b"\0\0", r"has bytes left over: .*78 values, and 80 bytes follow"),
        (IMAGES[:9], "cut off within its header"),
        (idx(np.zeros(13)), "begins with 00 00 08 01, not 00 00 08 03. It holds labels: were two"),
        (b"\0\0\x0d\x03" + IMAGES[4:], "no IDX file of images: it begins with 00 00 0d 03"),
        (b"<html>Not found</html>", "looks like a web page"),
        (gzip.compress(IMAGES)[:-9], "damaged gzip file"),
        (gzip.compress(IMAGES)[:-8] + b"12345678", "damaged gzip file"),
        (b"\x1f\x8b" + b"x" * 40, "damaged gzip file"),
        (
            struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 2**31),
            "cut off: its header says 2147483648",
        ),
    ],
)
def test_damaged_files(folder: Path, content: bytes, message: str) -> None:
    (folder / NAMES[0]).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        mnist.load(folder, check=False)
    assert str(folder / NAMES[0]) in str(error.value)


def test_files_that_do_not_belong_together(folder: Path) -> None:
    (folder / NAMES[1]).write_bytes(idx(np.zeros(12)))
    with pytest.raises(DataError, match="13 train images but 12 labels"):
        mnist.load(folder, check=False)
    (folder / NAMES[1]).write_bytes(idx(tiny()[NAMES[1]]))
    (folder / NAMES[2]).write_bytes(idx(np.zeros((5, 2, 2))))
    with pytest.raises(DataError, match=r"images are \(3, 2\) pixels, test images \(2, 2\)"):
        mnist.load(folder, check=False)
    (folder / NAMES[2]).write_bytes(idx(np.zeros((0, 3, 2))))
    (folder / NAMES[3]).write_bytes(idx(np.zeros(0)))
    with pytest.raises(DataError, match="the t10k files hold no images"):
        mnist.load(folder, check=False)


@given(array=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 7)] * 3)), zipped=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_round_trip(tmp_path: Path, array: np.ndarray[Any, Any], zipped: bool) -> None:
    content = idx(array)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if zipped else content)
    read, sha256 = read_idx(path, 3)
    np.testing.assert_array_equal(read, array)
    assert sha256 == hashlib.sha256(content).hexdigest()


# Downloading


@pytest.fixture
def server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A server on this machine that has the tiny files as .gz; its address, and what was asked."""
    files = {f"/good/{n}.gz": gzip.compress((folder / n).read_bytes()) for n in NAMES}
    files |= {path.replace("good", "bad"): b"something else" for path in files}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path in files else 404)
            self.end_headers()
            self.wfile.write(files.get(self.path, b"no such file"))

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}/", asked
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def sums(folder: Path) -> dict[str, str]:
    packed = {n: gzip.compress((folder / n).read_bytes()) for n in NAMES}
    return {n: hashlib.sha256(content).hexdigest() for n, content in packed.items()}


def test_download(
    folder: Path, tmp_path: Path, server: tuple[str, list[str]], sums: dict[str, str]
) -> None:
    address, asked = server
    new = tmp_path / "a" / "b"
    mnist.fetch(new, [address + "good/"], sums)
    check_tiny(mnist.load(new, check=False))
    assert asked == [f"/good/{n}.gz" for n in NAMES]
    mnist.fetch(new, [address + "good/"], sums)  # all there: nothing is asked
    assert len(asked) == 4


def test_download_only_what_is_missing(
    folder: Path, server: tuple[str, list[str]], sums: dict[str, str]
) -> None:
    address, asked = server
    (folder / NAMES[2]).unlink()
    mnist.fetch(folder, [address + "good/"], sums)
    assert asked == [f"/good/{NAMES[2]}.gz"]
    check_tiny(mnist.load(folder, check=False))


def test_download_from_the_next_mirror(
    tmp_path: Path, server: tuple[str, list[str]], sums: dict[str, str]
) -> None:
    """No such file, wrong content, no connection: the next address is tried."""
    address, _ = server
    mirrors = [address + "none/", address + "bad/", "http://127.0.0.1:1/", address + "good/"]
    mnist.fetch(tmp_path / "new", mirrors, sums)
    check_tiny(mnist.load(tmp_path / "new", check=False))


def test_download_that_fails_says_why_for_each_address(
    tmp_path: Path, server: tuple[str, list[str]], sums: dict[str, str]
) -> None:
    address, _ = server
    mirrors = [address + "none/", address + "bad/", "http://127.0.0.1:1/"]
    new = tmp_path / "new"
    with pytest.raises(DataError) as error:
        mnist.fetch(new, mirrors, sums)
    message = str(error.value)
    assert f"{NAMES[0]}.gz could not be downloaded to {new}" in message
    assert f"{address}none/{NAMES[0]}.gz: HTTPError: 404" in message
    assert "ValueError" in message
    assert sums[NAMES[0]] in message
    assert "127.0.0.1:1" in message
    assert "ConnectionError" in message
    assert [p for p in new.iterdir() if p.stat().st_size] == []  # the wrong content is not kept


def test_download_into_a_folder_that_cannot_be_made(
    folder: Path, server: tuple[str, list[str]], sums: dict[str, str]
) -> None:
    address, _ = server
    with pytest.raises(DataError, match="could not be downloaded"):
        mnist.fetch(folder / NAMES[0] / "below a file", [address + "good/"], sums)


def test_download_without_pooch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"needs pooch: pip install 'evenbatch\[mnist\]'"):
        mnist.fetch(tmp_path)


def test_load_downloads_into_the_kept_folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    server: tuple[str, list[str]],
    folder: Path,
    sums: dict[str, str],
) -> None:
    """load("mnist", download=True) from end to end, against published sums of tiny files."""
    address, _ = server
    plain = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in NAMES}
    monkeypatch.setattr(mnist, "FILES", {n: (plain[n], sums[n]) for n in NAMES})
    monkeypatch.setattr(mnist.fetch, "__defaults__", ([address + "good/"], None))
    monkeypatch.setenv("EVENBATCH_DATA_DIR", str(tmp_path / "kept"))
    data = load("mnist", download=True)
    check_tiny(data)
    assert data.name == "mnist"
    assert len(list((tmp_path / "kept" / "mnist").iterdir())) == 4


def test_published_sums_have_the_right_form() -> None:
    assert len(NAMES) == 4
    for both in mnist.FILES.values():
        for sha256 in both:
            assert len(bytes.fromhex(sha256)) == 32
    assert all(m.startswith("https://") and m.endswith("/mnist/") for m in mnist.MIRRORS)
