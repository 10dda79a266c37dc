"""Without an optional package the tests that need it are skipped, and all others are collected."""

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
NO_TESTS = 5  # pytest's exit status if all modules are skipped


def test_tests_of_the_page_skip_without_websockets():
    pages = (*sorted(TESTS.glob("test_web_*.py")), TESTS / "test_cli_studio.py")
    files = [str(path) for path in pages if "tests.webs" in path.read_text(encoding="utf-8")]
    code = (  # an entry of None makes each import of it fail
        "import sys; sys.modules['websockets'] = None; import pytest;"
        "sys.exit(pytest.main(['--collect-only', '-q', '-rs', '-p', 'no:cacheprovider', *sys.argv[1:]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *files], cwd=TESTS.parent, capture_output=True, text=True
    )
    assert done.returncode == NO_TESTS, done.stdout
    assert "could not import 'websockets" in done.stdout
    assert "error" not in done.stdout.lower()
