"""The door of the page: who comes in, and what is told to whom."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import pytest

from streamstyle.apps.web import studio as studios
from streamstyle.apps.web.key import kept_key, state_folder
from streamstyle.apps.web.site import FILES
from streamstyle.apps.web.studio import Studio
from streamstyle.errors import UsageError
from tests.webs import TOKEN, InvalidStatus, ask, connect

FORBIDDEN = 403


@pytest.fixture(scope="module")
def studio():
    with Studio(port=0, token=TOKEN, styles=["ink"]) as made:
        yield made


def test_without_the_token_nothing_is_shown(studio: Studio) -> None:
    for path in ["/", "/studio.js", "/sample.jpg", "/thumbnails/ink.jpg", "/stream.mjpg", "/nothing"]:
        assert ask(studio.url, "GET", path)[0] == 401, path
    for wrong in ["", TOKEN[:-1], TOKEN + "x", "%C3%A4"]:
        assert ask(studio.url, "GET", f"/?token={wrong}")[0] == 401
    status, _, text = ask(studio.url, "POST", "/clips", b"x", origin=studio.url.split("/?")[0])
    assert status == 401 and b"link that the program printed" in text


def test_the_token_is_exchanged_for_a_cookie_that_scripts_do_not_see(studio: Studio) -> None:
    status, headers, _ = ask(studio.url, "GET", f"/?token={TOKEN}")
    cookie = headers["set-cookie"]
    assert status == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie
    pair = cookie.partition(";")[0]
    assert ask(studio.url, "GET", "/studio.js", cookie=pair)[0] == 200
    assert ask(studio.url, "GET", "/studio.js", cookie=pair[:-1])[0] == 401
    assert "set-cookie" not in ask(studio.url, "GET", "/studio.js", cookie=pair)[1]


@pytest.mark.parametrize("beside", ['prefs={"x": 1}', "bare", "a[b]=1", "d=a b"])
def test_odd_cookies_of_other_programs_do_no_harm(studio: Studio, beside: str) -> None:
    """All programs that are served on one machine share the header, whatever their ports."""
    cookie = ask(studio.url, "GET", f"/?token={TOKEN}")[1]["set-cookie"].partition(";")[0]
    for header in (f"{beside}; {cookie}", f"{cookie}; {beside}"):
        assert ask(studio.url, "GET", "/studio.js", cookie=header)[0] == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "example.org:8787", "127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", "",
     "localhost@example.org", "localhost/x", "127.0.0.1:80:80", "[::1", "localhost:99999x",
     "[1.2.3.4]", "[:::]", "[1]"],
)  # fmt: skip
def test_foreign_names_are_refused(studio: Studio, host: str) -> None:
    """A page whose own name was made to point here cannot read anything, even with the key."""
    assert ask(studio.url, "GET", f"/?token={TOKEN}", host=host)[0] == FORBIDDEN


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8787", "127.0.0.1:9", "[::1]:8787"])
def test_own_names_are_served_also_through_a_forwarded_port(studio: Studio, host: str) -> None:
    assert ask(studio.url, "GET", f"/?token={TOKEN}", host=host)[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("192.168.1.7:8787", 200), ("[fe80::1]", 200), ("painter.LOCAL", 200), ("example.org", FORBIDDEN),
     ("1.2.3.4.example.org", FORBIDDEN)],
)  # fmt: skip
def test_on_the_network_addresses_will_do_but_foreign_names_will_not(
    open_studio: Studio, host: str, status: int
) -> None:
    assert ask(f"http://127.0.0.1:{open_studio.port}", "GET", f"/?token={TOKEN}", host=host)[0] == status


@pytest.fixture(scope="module")
def open_studio():
    with Studio("0.0.0.0", 0, TOKEN, styles=["ink"], names=["painter.local"]) as made:
        yield made


@pytest.mark.parametrize(
    "origin", ["http://example.org", "null", "http://{}.example.org", "file://", "http://127.0.0.1:1",
               "ftp://{}", "http://", "http://{}/", None],
)  # fmt: skip
def test_foreign_pages_can_neither_paint_nor_upload(studio: Studio, origin: str | None) -> None:
    host = f"127.0.0.1:{studio.port}"
    named = {} if origin is None else {"origin": origin.format(host)}
    assert ask(studio.url, "POST", f"/clips?visit=x&token={TOKEN}", b"x", **named)[0] == FORBIDDEN
    with pytest.raises(InvalidStatus) as refused:  # noqa: SIM117
        with connect(f"ws://{host}/paint?token={TOKEN}", additional_headers=named):
            pass
    assert refused.value.response.status_code == FORBIDDEN


def test_a_socket_without_the_key_is_refused(studio: Studio) -> None:
    host = f"127.0.0.1:{studio.port}"
    for query in ["", "?token=", f"?token={TOKEN}x"]:
        with pytest.raises(InvalidStatus) as refused:  # noqa: SIM117
            with connect(f"ws://{host}/paint{query}", additional_headers={"origin": f"http://{host}"}):
                pass
        assert refused.value.response.status_code == 401


def test_every_answer_forbids_what_the_page_does_not_need(studio: Studio) -> None:
    for path in [f"/?token={TOKEN}", "/", f"/nothing?token={TOKEN}", f"/sample.jpg?token={TOKEN}"]:
        headers = ask(studio.url, "GET", path)[1]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store" and headers["x-frame-options"] == "DENY"
        assert "server" not in headers


UP = ["..", "%2e%2e", "%2e.", ".%2e", "..%00", "%252e%252e", "..;", "....", "%c0%ae%c0%ae", "..%01"]
TRAVERSALS = [
    form.format(up=up)
    for up in UP
    for form in (
        "/{up}/site.py",
        "/thumbnails/{up}/{up}/site.py",
        "/thumbnails/{up}%2f{up}%2fetc%2fpasswd.jpg",
        "/{up}\\{up}\\{up}\\etc\\passwd",
        "//{up}//{up}/etc/passwd",
        "/studio.js/{up}/{up}/__init__.py",
    )
]


def test_no_way_leads_to_another_file(studio: Studio) -> None:
    known = {Path(studios.__file__).with_name(name).read_bytes() for name in ("site.py", "__init__.py")}
    assert len(TRAVERSALS) >= 50
    for path in [*TRAVERSALS, "/etc/passwd", "/site.py", "/page/index.html", "/thumbnails/.jpg"]:
        status, _, body = ask(studio.url, "GET", f"{path}?token={TOKEN}")
        assert status in (400, 404), path
        assert body not in known and b"root:" not in body and b"/streamstyle" not in body, path


def test_every_file_of_the_page_is_there_and_named_by_its_kind(studio: Studio) -> None:
    for path, (_, kind) in FILES.items():
        status, headers, body = ask(studio.url, "GET", f"{path}?token={TOKEN}")
        assert (status, headers["content-type"]) == (200, kind) and body


def test_the_page_holds_no_script_and_names_no_other_server() -> None:
    page = Path(studios.__file__).parent / "page"
    text = (page / "index.html").read_text(encoding="utf-8")
    assert text.count("<script") == 1 and ' src="/studio.js"></script>' in text
    assert " style=" not in text and "<style" not in text and " on" + "click" not in text
    for file in page.glob("*.[chj][sti]*"):
        assert "http://" not in file.read_text(encoding="utf-8").replace("came over http from", ""), file.name


def test_it_listens_on_this_machine_alone(studio: Studio) -> None:
    assert studio.host == "127.0.0.1" and studio.url.startswith(f"http://127.0.0.1:{studio.port}/?token=")
    assert studio._socket.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_named_with_a_free_one(studio: Studio) -> None:
    with pytest.raises(UsageError, match=rf"^port {studio.port} is in use; --port \d+ is free$"):
        Studio(port=studio.port, styles=["ink"])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"host": "no.such.host.invalid"}, "no such address"),
        ({"host": "192.0.2.7"}, "this machine has no such address"),
        ({"port": 70000}, "port is 70000, expected 0 to 65535"),
        ({"token": "short"}, "at least 8 characters"),
        ({"styles": ["nothing"]}, "unknown style 'nothing'"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_line(options: dict[str, object], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Studio(**{"port": 0, "styles": ["ink"], **options})  # type: ignore[arg-type]


def test_missing_packages_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studios, "find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(UsageError, match=r"needs uvicorn: pip install 'streamstyle\[web\]'"):
        Studio(port=0)


def test_others_are_let_in_only_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "streamstyle"), Studio("0.0.0.0", 0, TOKEN, styles=["ink"]) as made:
        assert ask(f"http://127.0.0.1:{made.port}", "GET", f"/?token={TOKEN}")[0] == 200
        assert (
            ask(f"http://127.0.0.1:{made.port}", "GET", f"/?token={TOKEN}", host="example.org")[0]
            == FORBIDDEN
        )
        assert "0.0.0.0" not in made.url
    assert "everyone on the network" in caplog.text and "only over https" in caplog.text


def test_a_stopped_studio_leaves_port_and_folder_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Studio(port=0, styles=["ink"]) as made:
        assert len(list(tmp_path.iterdir())) == 1
    made.stop()
    assert not list(tmp_path.iterdir())
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", made.port))


def test_the_key_is_kept_for_its_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSTYLE_STATE", str(tmp_path / "state"))
    key = kept_key()
    file = tmp_path / "state" / "page-key"
    assert kept_key() == key and len(key) >= 20
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
        assert kept_key() != key, "others may have read it"
        assert file.stat().st_mode & 0o777 == 0o600
    file.write_text("short\n")
    assert len(kept_key()) >= 20


def test_where_no_key_can_be_kept_each_start_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREAMSTYLE_STATE", str(tmp_path / "file" / "state"))
    assert kept_key() != kept_key()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system has other folders")
def test_state_lies_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMSTYLE_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert state_folder() == Path("/somewhere/streamstyle")
