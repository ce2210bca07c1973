"""An address where no cluster is, and Ray that is not there: one clear message."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evenbatch import cli
from evenbatch.runners import RunnerError, reach
from evenbatch.runners.on_ray import OnRay


@pytest.mark.parametrize("address", ["nonsense", "host:port", "host:", ":70000", "ray://host"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(RunnerError, match=r"is not host:port, like 10\.0\.0\.1:6379; or use auto"):
        reach.check_address(address)


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RunnerError, match=rf"joined at 127\.0\.0\.1:{port}: nothing answers \("):
        reach.check_address(f"127.0.0.1:{port}")


def test_something_else_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "JOIN", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with pytest.raises(
            RunnerError, match=r"no Ray cluster can be joined at .*ray start --head"
        ):
            reach.check_address(address)


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunnerError, match=r"Ray is not installed: pip install 'evenbatch\[ray\]'"):
        OnRay()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--on", "ray", "--address", "127.0.0.1:1"], "joined at 127.0.0.1:1: nothing answers"),
        (["--on", "rya"], "'rya' is not one of 'local', 'ray'."),
        (["--address", "auto"], "--address auto is about a Ray cluster: add --on ray"),
    ],
)
def test_the_command_ends_with_one_message(args: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('data = "digits"\n[network]\nhidden = [8]\n')
    for command in (["sweep", str(tmp_path / "my.toml")], ["prove", "speed", "--no-report"]):
        result = CliRunner().invoke(cli.app, [*command, *args])
        assert result.exit_code == 2, result.output
        assert message in " ".join(result.stderr.split())
        assert "Traceback" not in result.output
    assert sorted(os.listdir(tmp_path)) == ["my.toml"]
