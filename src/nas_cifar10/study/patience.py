"""How a driver outlives its database's absence; knows no trial.

Back-off between tries, a limit to all of it, and the question that comes first: is the study still
ours? Another driver may have come, and gone, while nobody could ask.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from nas_cifar10 import interrupts
from nas_cifar10.errors import StorageError
from nas_cifar10.runs.database import Database, ServerAwayError
from nas_cifar10.runs.database_lock import StudyLock

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_TICK = 0.1  # how soon a wait notices that the process is to end

R = TypeVar("R")


class Patience:
    """Asks a database again until it answers; with no seconds to wait, it asks once."""

    def __init__(
        self,
        database: Database,
        seconds: float = 0.0,
        lock: StudyLock | None = None,
        check_ours: Callable[[], None] = lambda: None,
    ) -> None:
        """Start with the first question.

        Args:
            lock: Has to be held whenever something is asked.
            check_ours: Raises where another driver has been at the study; asked when the lock had
                been lost.
        """
        self._database, self._seconds = database, seconds
        self._lock, self._check_ours = lock, check_ours
        self._must_check = False
        self._since: float | None = None
        self._pause = _FIRST_PAUSE
        self._next = 0.0

    def through(self, act: Callable[[], R]) -> R:
        """Do something that must be done before anything else can be.

        Raises:
            StorageError: the database has been away for too long.
            CannotCreateError: the study is another driver's now.
        """
        while True:
            try:
                return self._once(act)
            except ServerAwayError as error:
                self._note(error)
                while time.monotonic() < self._next:
                    interrupts.check()
                    time.sleep(_TICK)

    def attempt(self, act: Callable[[], None]) -> bool:
        """Do something that can also be done later; say whether it was done.

        Raises:
            NasError: as `through`.
        """
        if time.monotonic() < self._next:
            return False
        try:
            self._once(act)
        except ServerAwayError as error:
            self._note(error)
            return False
        return True

    def _once(self, act: Callable[[], R]) -> R:
        if self._lock is not None:
            self._must_check |= self._lock.ensure()
        if self._must_check:
            self._check_ours()
            self._must_check = False
        done = act()
        if self._since is not None:
            away = time.monotonic() - self._since
            log.warning("%s: answers again, after %.1f s", self._database, away)
            self._since, self._pause, self._next = None, _FIRST_PAUSE, 0.0
        return done

    def _note(self, error: ServerAwayError) -> None:
        now, reason = time.monotonic(), self._database.reason(error)
        if self._seconds == 0:
            raise error
        if self._since is None:
            self._since = now
            log.warning(
                "%s: is away (%s); training goes on as far as it can, for at most %g s",
                self._database,
                reason,
                self._seconds,
            )
        left = self._since + self._seconds - now
        if left <= 0:
            raise StorageError(
                f"{self._database}: cannot be used: {reason}; waited {self._seconds:g} s for it "
                f"(search.storage_retry_seconds); nothing is lost, go on with --resume"
            )
        self._next = now + min(self._pause, left)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
