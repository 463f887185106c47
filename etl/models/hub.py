"""The Hub's HTTP interface, as far as the crawl needs it: pages of the listing, and one model's details.

The only networking file of the catalogue. The client library retries neither `model_info` nor a 5xx on a file, and
waits as long as a server says, so every call goes through one retry of our own: at most 6 tries, each wait capped.
Whatever a call ends with has a name (`CallFailed.code`) or is HubUnreachable.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

import httpx2
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, get_session, parse_ratelimit_headers

from etl.errors import HubUnreachable

log = logging.getLogger(__name__)

TRIES = 6
TIMEOUT_SECONDS = 30.0
"""Longest silence of the server within a call."""
DEADLINE_SECONDS = 300.0
"""Longest call in all: a server that sends a byte now and then never times out."""
PAGE_BYTES, DETAIL_BYTES, INDEX_BYTES = 256 << 20, 64 << 20, 1 << 20
"""Largest answers read: a page of the listing, one model's details, a model_index.json."""
MODEL_INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
FIELDS = (
    *("author", "cardData", "config", "createdAt", "disabled", "downloads", "gated", "lastModified"),
    *("library_name", "likes", "pipeline_tag", "private", "sha", "siblings", "tags"),
)
"""Named one by one in the listing, since its default leaves some out."""
DISABLED = "Access to this resource is disabled."
"""The Hub marks a disabled repository by this message alone."""


class CallFailed(Exception):
    """A call that ended badly for a named reason; the next call may go well.

    Codes: HUB_RATE_LIMIT, HUB_ERROR (5xx), BAD_ANSWER (not JSON, or too large), BAD_CURSOR, GATED, GONE, DISABLED,
    HUB_REFUSED (any other 4xx), INTERRUPTED (the client was closed).
    """

    def __init__(self, code: str, detail: str):
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class _TryAgain(Exception):
    """This try failed in a way that the next may not; `wait` is what the server asked for, in seconds."""

    def __init__(self, code: str, detail: str, wait: float | None = None):
        super().__init__(detail)
        self.code, self.detail, self.wait = code, detail, wait


@dataclass(frozen=True)
class Page:
    """One page of the listing; `next` is the path and query of the following one, None at the end.

    `problem` says why a link to a next page was not taken (BAD_CURSOR); the records are good all the same.
    """

    records: list[Any]
    next: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Detail:
    """What one model's repository says; `info["id"]` differs from the id asked for where it was renamed.

    A gate closes the files alone, so a gated repository has its `info` all the same.
    """

    info: dict[str, Any]
    model_index: str | None = None
    scheduler: str | None = None
    gated: bool = False


class HubClient:
    """Polite, patient calls to one Hub. `sleep` and `clock` enter so that tests need not wait.

    `close` ends every wait, in whatever thread; the calls then fail with INTERRUPTED.
    """

    def __init__(
        self,
        endpoint: str,
        max_wait_seconds: float = 300.0,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.endpoint = endpoint.rstrip("/")
        self._closed = threading.Event()
        self._max_wait, self._sleep, self._clock = max_wait_seconds, sleep or self._closed.wait, clock
        self._resume_at = clock()
        """When the Hub's next window begins, once an answer said that this one is used up."""
        self._headers = build_hf_headers(
            token=os.environ.get("HF_TOKEN") or False,
            library_name="forensics-lake",
            library_version=version("forensics-lake"),
        )

    def close(self) -> None:
        """Let no call wait or begin any more."""
        self._closed.set()

    def first(self, listing: str, page_size: int, newest_change: bool = False) -> str:
        """Return the path of a listing's first page: the oldest models first, so that the cursor stays true.

        The Hub's own order is by trending score, whose cursor skips rows as scores move. With `newest_change` the
        models that were changed last come first.
        """
        fields = urlencode([("expand", name) for name in FIELDS])
        order = "sort=lastModified&direction=-1" if newest_change else "sort=createdAt&direction=1"
        return f"/api/models?{listing}&{order}&limit={page_size}&{fields}"

    def page(self, path: str) -> Page:
        """Fetch one page. Raises CallFailed, HubUnreachable."""
        records, headers = self._get(path, PAGE_BYTES, lambda body: _json(body, list))
        link = headers.get("link")
        following = httpx2.Response(200, headers={"link": link}).links.get("next", {}) if link else {}
        if not following.get("url"):
            return Page(records, None)
        try:
            return Page(records, self._relative(following["url"], path))
        except CallFailed as failed:
            return Page(records, None, failed.detail)

    def detail(self, model_id: str) -> Detail:
        """Fetch a model's files with sizes and hashes, its model_index.json and its scheduler's configuration.

        All that a plan needs before any download. Raises as `page`.
        """
        path = f"/api/models/{quote(model_id)}?blobs=true"
        info, _ = self._get(path, DETAIL_BYTES, lambda body: _json(body, dict))
        siblings = info.get("siblings")
        names = [s.get("rfilename") for s in siblings if isinstance(s, dict)] if isinstance(siblings, list) else []
        if MODEL_INDEX not in names:
            return Detail(info)
        try:
            index = self._text(info, MODEL_INDEX)
            scheduler = self._text(info, SCHEDULER) if SCHEDULER in names else None
        except CallFailed as failed:
            if failed.code != "GATED":
                raise
            return Detail(info, gated=True)
        return Detail(info, index, scheduler)

    def _text(self, info: Mapping[str, Any], file: str) -> str:
        """Fetch a small file of a repository at the commit that `info` names."""
        path = f"/{quote(str(info.get('id')))}/resolve/{quote(str(info.get('sha')), safe='')}/{file}"
        text, _ = self._get(path, INDEX_BYTES, lambda body: body.decode("utf-8", errors="replace"))
        return str(text)

    def _relative(self, link: str, current: str) -> str:
        """Return the path and query of a next link; raise CallFailed(BAD_CURSOR) for one that leads astray."""
        target, home = urlsplit(urljoin(self.endpoint + current, link)), urlsplit(self.endpoint)
        if (target.scheme, target.netloc) != (home.scheme, home.netloc):
            raise CallFailed("BAD_CURSOR", f"the next page lies on another host ({target.netloc[:100]})")
        path = f"{target.path}?{target.query}"
        if path == current:
            raise CallFailed("BAD_CURSOR", "the page names itself as the next one")
        return path

    def _get(self, path: str, cap: int, parse: Callable[[bytes], Any]) -> tuple[Any, Mapping[str, str]]:
        """Return the parsed body and the headers of a GET, after as many tries as it takes."""
        self._pause()
        for number in range(1, TRIES + 1):
            if self._closed.is_set():
                raise CallFailed("INTERRUPTED", "the crawl was stopped")
            try:
                body, headers = self._once(path, cap)
                self._note_quota(headers)
                return parse(body), headers
            except _TryAgain as failed:
                wait = float(min(2 ** (number - 1), 30)) if failed.wait is None else failed.wait
                if number < TRIES and wait <= self._max_wait:
                    log.warning("%s; waiting %.0f s (try %d of %d)", failed.detail, wait, number, TRIES)
                    self._sleep(wait)
                    continue
                if failed.code == "HUB_UNREACHABLE":
                    raise HubUnreachable(
                        f"the Hub at {self.endpoint} cannot be reached ({failed.detail}); check the network and "
                        "--endpoint, then run the same command again to go on"
                    ) from None
                asked = f", and the Hub asks to wait {wait:.0f} s" if failed.wait is not None else ""
                raise CallFailed(failed.code, f"{failed.detail}, {number} tries{asked}") from None
        raise AssertionError("a call has at least one try")

    def _note_quota(self, headers: Mapping[str, str]) -> None:
        """Remember when the next window begins, if this answer used up the quota."""
        limit = parse_ratelimit_headers(headers)
        if limit is not None and limit.remaining == 0:
            self._resume_at = self._clock() + min(limit.reset_in_seconds + 1.0, self._max_wait)

    def _pause(self) -> None:
        """Wait for the next window rather than ask and be refused; what was answered is landed by then."""
        wait = self._resume_at - self._clock()
        if wait > 0:
            log.info("the Hub's quota is used up; waiting %.0f s", wait)
            self._sleep(wait)

    def _once(self, path: str, cap: int) -> tuple[bytes, Mapping[str, str]]:
        """One try of a GET: its body and headers. Raises _TryAgain or CallFailed."""
        url, started = self.endpoint + path, self._clock()
        body = bytearray()
        try:
            with get_session().stream("GET", url, headers=self._headers, timeout=TIMEOUT_SECONDS) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > cap:
                        raise CallFailed("BAD_ANSWER", f"an answer of more than {cap} bytes")
                    if self._clock() - started > DEADLINE_SECONDS:
                        raise _TryAgain("HUB_UNREACHABLE", f"no whole answer in {DEADLINE_SECONDS:.0f} s")
        except (httpx2.RequestError, OfflineModeIsEnabled) as error:
            raise _TryAgain("HUB_UNREACHABLE", " ".join(str(error).split()) or type(error).__name__) from None
        _judge(answer.status_code, answer.headers)
        return bytes(body), answer.headers


def _judge(status: int, headers: Mapping[str, str]) -> None:
    """Return for a good answer; raise _TryAgain or CallFailed for any other."""
    if status == 200:
        if headers.get("content-type", "").startswith("text/html"):
            raise _TryAgain("BAD_ANSWER", "the answer is a web page")
        return
    code, message = headers.get("x-error-code", ""), headers.get("x-error-message", "")[:200]
    if status == 429:
        raise _TryAgain("HUB_RATE_LIMIT", "the Hub says: too many requests", _asked_wait(headers))
    if status >= 500 or status == 408:
        raise _TryAgain("HUB_ERROR", f"the Hub answered {status}", _asked_wait(headers))
    if code == "GatedRepo":
        raise CallFailed("GATED", message or "the repository is gated")
    if message == DISABLED:
        raise CallFailed("DISABLED", message)
    if code in ("RepoNotFound", "RevisionNotFound", "EntryNotFound") or status in (404, 410):
        raise CallFailed("GONE", message or f"the Hub answered {status}")
    raise CallFailed("HUB_REFUSED", f"the Hub answered {status} {message}".strip())


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the server asks to wait (RateLimit or Retry-After), None where it doesn't.

    One second is added because the window's end is told in whole seconds.
    """
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds + 1.0
    asked = headers.get("retry-after", "").strip()
    return int(asked) + 1.0 if asked.isascii() and asked.isdigit() else None


def _json(body: bytes, kind: type) -> Any:
    """Return the JSON value of `body`, which must be a `kind`; raise _TryAgain(BAD_ANSWER)."""
    try:
        value = json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError):
        raise _TryAgain("BAD_ANSWER", "the answer is not JSON") from None
    if not isinstance(value, kind):
        raise _TryAgain("BAD_ANSWER", f"the answer is not a JSON {kind.__name__}")
    return value


def _integer(digits: str) -> int | float:
    """Python refuses integers of thousands of digits, which a card may hold; no count needs more than 18."""
    return int(digits) if len(digits) <= 18 else float(digits)
