"""Something between a driver and its server that loses answers; knows no query but COMMIT."""

import random
import socket
import threading
from contextlib import suppress


class Proxy:
    """Passes bytes on; of a share of the commits it keeps the answer, and cuts the line.

    At random: what is tried again takes as many commits as before, and one in every so many would
    meet the same one each time.
    """

    def __init__(self, port: int, seed: int) -> None:
        """Stand before the server at this port of loopback, and lose nothing yet."""
        self._target, self._generator = port, random.Random(seed)
        self.share = 0.0
        self.commits = self.lost = 0
        self._counted = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take nobody any more."""
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server:
            answering = threading.Event()
            answering.set()
            back = threading.Thread(target=self._answer, args=(server, client, answering))
            back.start()
            with suppress(OSError):
                while data := client.recv(2**16):
                    if b"COMMIT\0" in data and self._is_lost():
                        answering.clear()
                        server.sendall(data)
                        break
                    server.sendall(data)
            if not answering.is_set():
                back.join()  # the answer has come, so the commit is done
            else:
                with suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)
                back.join()

    def _answer(
        self, server: socket.socket, client: socket.socket, answering: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(2**16):
                if not answering.is_set():
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _is_lost(self) -> bool:
        with self._counted:
            self.commits += 1
            lost = self._generator.random() < self.share
            self.lost += lost
            return lost
