"""What a process writes to a terminal, for tests that are the terminal."""

import os
import select
import time


def read_until(terminal: int, text: bytes | None, seconds: float) -> bytes:
    """Read what a process writes to its terminal, until `text` or its end."""
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and (text is None or text not in seen):
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # Linux says so when the other side is closed
                return seen
            if not chunk:
                return seen
            seen += chunk
    return seen
