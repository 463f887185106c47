"""How a command begins and ends: one line of counts for a stage, one line for an error, an exit code."""

import contextlib
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TextIO

from etl.errors import FINISHED_WITH_REJECTS, OK, DiskFull, ForensicsError, TableDamaged

Main = Callable[[Sequence[str] | None], int]


def run(main: Main, argv: Sequence[str] | None = None) -> int:
    """Call a job's `main` and return its exit code; a ForensicsError or a full disk is one line on stderr."""
    heed_interrupts()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("etl").setLevel(logging.INFO)  # the pages and batches of a crawl, for people and logs
    try:
        return main(argv)
    except ForensicsError as error:
        return _told(error)
    except Exception as error:  # of Python's own files, of delta-rs or Polars
        if (named := _named(error)) is None:
            raise
        return _told(named)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def _named(error: Exception) -> ForensicsError | None:
    """Return what a library's error means, where that can be told."""
    if DiskFull.SAID in str(error):
        return DiskFull()
    of_a_file = type(error).__module__.startswith("polars") or isinstance(error, FileNotFoundError)
    return TableDamaged.of_a_file(error) if of_a_file and "parquet" in str(error) else None


def _told(error: ForensicsError) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return error.exit_code


@contextlib.contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end of the block where one that came within it was swallowed.

    For imports: Python drops what is raised in the callbacks of its import locks, and libraries catch the rest.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if came:
            raise KeyboardInterrupt


def heed_interrupts() -> None:
    """Let an interrupt end a wait for a thread too, once all is imported.

    Polars puts a handler of its own under Python's, which does not. Where interrupts are ignored, as in the
    background of a shell, they stay so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Stage:
    """Counts of one stage: everything that came in was accepted, rejected, or already there.

    `finish` prints the line that people and the demo read, checks the sum, and gives the exit code.
    """

    def __init__(self, name: str, noun: str):
        self.name = name
        self.noun = noun
        self._started = time.monotonic()

    def finish(
        self,
        total: int,
        accepted: int,
        rejected: int = 0,
        already_there: int = 0,
        note: str = "",
        to: TextIO | None = None,
    ) -> int:
        """Print `<stage>: N nouns = a new + r rejected + t already there` (on stdout, or to `to`); return 0 or 3.

        Raises AssertionError when the counts do not add up, since then something was lost.
        """
        seconds = time.monotonic() - self._started
        counts = f"{accepted} new + {rejected} rejected + {already_there} already there"
        print(
            f"{self.name}: {total} {self.noun} = {counts}{'; ' + note if note else ''} ({seconds:.1f} s)",
            flush=True,
            file=to,
        )
        if total != accepted + rejected + already_there:
            raise AssertionError(f"{self.name} lost count: {total} {self.noun} are not {counts}")
        return FINISHED_WITH_REJECTS if rejected else OK
