"""`streamstyle studio`, as a person starts and ends it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import app
from streamstyle.apps.web.studio import Studio
from tests.webs import ask


def test_it_prints_the_link_and_ends_cleanly() -> None:
    command = [sys.executable, "-m", "streamstyle", "studio", "--no-open", "--port", "0", "--style", "ink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None and started.stderr is not None
        url = started.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:") and "Ctrl-C stops it" in started.stderr.readline()
        assert ask(url, "GET", "/?" + url.partition("?")[2])[0] == 200
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 0
        assert started.stderr.read() == "the page is stopped\n"


def test_the_link_stays_the_same_from_start_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that open tabs go on after a restart."""
    monkeypatch.setattr(Studio, "wait", lambda _: None)
    links = []
    for options in [(), (), ("--token", "my own key")]:
        arguments = ["studio", "--no-open", "--port", "0", "--style", "ink", *options]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.stderr
        links.append(result.stdout.strip().partition("?")[2])
    assert links[0] == links[1] != links[2] and links[2] == "token=my%20own%20key"


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--style", "monet"), "error: unknown style 'monet'"),
        (("--token", "short"), "error: token: expected at least 8 characters"),
        (("--port", "99999"), "error: port is 99999, expected 0 to 65535"),
        (("--host", "192.0.2.7"), "error: host '192.0.2.7': this machine has no such address"),
        (("--device", "tpu"), "error: "),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(options: tuple[str, ...], line: str) -> None:
    result = CliRunner().invoke(app, ["studio", "--no-open", *options])
    assert result.exit_code == 2 and result.stderr.startswith(line) and result.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line() -> None:
    with Studio(port=0, styles=["ink"]) as made:
        result = CliRunner().invoke(app, ["studio", "--no-open", "--port", str(made.port)])
    assert result.exit_code == 2 and f"port {made.port} is in use; --port" in result.stderr
