"""What a process writes to a terminal, for tests that are the terminal."""

import os
import re
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


def shown(written: str) -> list[str]:
    """Return the lines that stand on a terminal in the end, but for empty ones."""
    lines, row, column = [""], 0, 0
    for number, command, character in re.findall(r"\x1b\[\??(\d*)([a-zA-Z])|([\s\S])", written):
        if command == "A":
            row -= int(number or 1)
        elif command == "K":
            lines[row] = ""
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif character:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines if line.strip()]
