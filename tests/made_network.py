"""Another machine as far as networks go: a network namespace on a bridge, where they can be had."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """This machine and another one, which changes its address.

    Args:
        prefix: Of all addresses; this machine's ends with 1.
        other: The other machine's namespace; None: it has none, and all addresses are loopback's.
    """

    prefix: str
    other: str | None

    @property
    def here(self) -> str:
        """This machine's address."""
        return f"{self.prefix}1"

    def there(self, number: int) -> tuple[str, list[str]]:
        """Return the other machine's address from now on, and what starts a command on it."""
        address = f"{self.prefix}{2 + number % 200}"
        if self.other is None:
            return address, []
        _ip("-n", self.other, "address", "flush", "dev", "eth0")
        _ip("-n", self.other, "address", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", self.other, "link", "set", "eth0", "up")
        return address, ["nsenter", f"--net=/run/netns/{self.other}"]

    def cut(self) -> None:
        """Let the other machine say nothing more, not even that its connections end."""
        if self.other is not None:
            _ip("-n", self.other, "link", "set", "eth0", "down")


@contextmanager
def two_machines() -> Iterator[Network]:
    """Make both, with names and addresses that are this process's own; needs root on Linux."""
    number = os.getpid()
    name, prefix = f"nas{number}", f"10.{200 + number // 250 % 50}.{number % 250}."
    if not shutil.which("ip") or not _ip_can("netns", "add", name):
        yield Network("127.0.0.", None)
        return
    try:
        _ip("link", "add", name, "type", "bridge")
        _ip("address", "add", f"{prefix}1/24", "dev", name)
        _ip("link", "set", name, "up")
        _ip("link", "add", f"{name}v", "type", "veth", "peer", "eth0", "netns", name)
        _ip("link", "set", f"{name}v", "master", name, "up")
        for device in ("lo", "eth0"):
            _ip("-n", name, "link", "set", device, "up")
        yield Network(prefix, name)
    finally:
        _ip("netns", "delete", name)
        _ip_can("link", "delete", name)


def _ip_can(*words: str) -> bool:
    return subprocess.run(["ip", *words], check=False, capture_output=True).returncode == 0


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
