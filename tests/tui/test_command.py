"""`localfin` as a person starts it: a real process on a real terminal."""

import os
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")


class Terminal:
    """A child of ours on a pseudo-terminal of 80x24."""

    def __init__(self, home: Path, *arguments: str) -> None:
        import fcntl
        import pty
        import struct
        import termios

        environment = {
            **os.environ,
            "LOCALFIN_HOME": str(home),
            "LOCALFIN_LANG": "en",
            "TERM": "xterm-256color",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        }
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execve(sys.executable, [sys.executable, "-m", "localfin", *arguments], environment)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def wait_for(self, words: bytes) -> None:
        end = time.monotonic() + 20
        while words not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            self._read()

    def press(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def exit_code(self) -> int:
        while self._read():
            pass
        _pid, status = os.waitpid(self._pid, 0)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux says EIO when the other side has gone
            return False
        self.seen += data
        return bool(data)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_it_opens_says_what_is_missing_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text('{"default": "/nowhere/gone.gguf"}')
    terminal = Terminal(tmp_path)
    terminal.wait_for(b"No model")
    terminal.wait_for(b"Quit")
    terminal.press(b"\x11")  # Ctrl+Q
    assert terminal.exit_code() == 0
    assert terminal.seen.rstrip().count(b"\x1b[?1049h") == terminal.seen.count(b"\x1b[?1049l") == 1
    assert (tmp_path / "localfin.db").is_file()
    if sys.platform == "linux":
        assert b"sealed: no network" in terminal.seen


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_history_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "localfin.db").write_bytes(b"not a database, but long enough to be read as one. " * 20)
    terminal = Terminal(tmp_path, "app")
    assert terminal.exit_code() == 3
    assert b"no readable history" in terminal.seen
    assert terminal.seen.strip().count(b"\n") == 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_model_that_is_not_there_is_4(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "app", "-m", "nowhere.gguf")
    assert terminal.exit_code() == 4


def test_without_a_terminal_it_is_wrong_usage(tmp_path: Path) -> None:
    import subprocess

    environment = {
        **os.environ, "LOCALFIN_HOME": str(tmp_path), "LOCALFIN_LANG": "en",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "localfin"], input="", capture_output=True, text=True, env=environment, timeout=60
    )
    assert ended.returncode == 2
    assert "needs a terminal" in ended.stderr
    assert ended.stdout == ""
