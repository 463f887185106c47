"""Faults that the demo Hub commits on demand, so that every refusal a crawl can meet is met in a test."""

import json
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from etl.errors import ConfigError

Kind = Literal["status", "drop", "html", "delay", "corrupt", "next"]


@dataclass(frozen=True)
class Fault:
    """One rule: requests whose path (with query) matches `path` get this fault, the first `times` of them.

    - status: answer `status`; `retry_after` seconds are sent as the Hub does, `RateLimit: "api";r=0;t=N`
    - drop: send the headers and `after_bytes` bytes of the right answer, then close the socket
    - html: answer 200 with an HTML page where JSON or weights were asked for
    - delay: wait `seconds`, then answer rightly
    - corrupt: answer with the right length but every byte inverted
    - next: send `url` as the link to the next page; without one, a link to the page itself
    """

    path: str
    kind: Kind
    times: int | None = 1
    """How many requests; None means all of them."""
    method: str | None = None
    """Only GET or only HEAD; None means both."""
    status: int = 503
    retry_after: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int = 0
    seconds: float = 0.0
    url: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"fault kind must be one of {get_args(Kind)}, not {self.kind!r}")
        re.compile(self.path)


class Faults:
    """The rules in force, in order; the first that matches and is not used up strikes. Thread-safe."""

    def __init__(self, rules: Iterable[Fault] = ()):
        self._lock = threading.Lock()
        self._rules: list[Fault] = []
        self._left: list[int | None] = []
        for rule in rules:
            self.add(rule)

    @classmethod
    def from_json(cls, path: Path | str) -> "Faults":
        """Rules from a JSON list of objects with the fields of Fault; raises ConfigError for any other file."""
        try:
            return cls(Fault(**rule) for rule in json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError, re.error) as error:
            raise ConfigError(f"{path} is not a list of faults: {error}") from error

    def add(self, rule: Fault) -> None:
        """Put one more rule in force, after those there are."""
        with self._lock:
            self._rules.append(rule)
            self._left.append(rule.times)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request gets, counted as used; None for a right answer."""
        with self._lock:
            for position, rule in enumerate(self._rules):
                left = self._left[position]
                if left == 0 or rule.method not in (None, method) or not re.search(rule.path, path):
                    continue
                self._left[position] = None if left is None else left - 1
                return rule
        return None
