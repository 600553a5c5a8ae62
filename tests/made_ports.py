"""Ports for the servers of tests."""

import os
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a port, free at every address, that stays so until a slow server takes it.

    It lies below those that a system gives to connections by itself, and tests that run beside
    these begin to look elsewhere.
    """
    for port in range(20_000 + os.getpid() % 10_000, 32_768):
        with suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("no port is free")
