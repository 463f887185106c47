"""From a request to the right answer: routes, access rules and the headers that the client relies on."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from etl.demo.hub import listing, records
from etl.demo.hub.repository import Repository, RepositoryStore, Snapshot

DISABLED = "Access to this resource is disabled."
"""The client recognises a disabled repository by exactly this message."""


_OF_MODELS = {"config", "library_name", "modelId", "pipeline_tag", "spaces"}
"""Fields that the Hub's records of datasets lack."""


@dataclass(frozen=True)
class Request:
    """What decides an answer; `target` is the path with its query as sent."""

    method: str
    target: str
    range: str | None = None
    token: bool = False
    endpoint: str = ""
    page_limit: int = listing.PAGE_LIMIT

    @property
    def segments(self) -> list[str]:
        """The parts of the path, each decoded on its own, so that an encoded slash stays inside its part."""
        return [unquote(part) for part in urlsplit(self.target).path.split("/")[1:]]

    @property
    def query(self) -> listing.Query:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer; the body is left out for HEAD, its length is not."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def answer(store: RepositoryStore, request: Request) -> Answer:
    """The answer of a Hub without faults."""
    match request.segments:
        case ["api", "models"]:
            return _list_models(store, request)
        case ["api", "datasets", owner, name, *rest]:
            return _about(store.datasets, f"{owner}/{name}", rest, request)
        case ["datasets", owner, name, "resolve", revision, *path] if path:
            return _file(store.datasets, f"{owner}/{name}", revision, "/".join(path), request)
        case ["api", "models", owner, name, *rest]:
            return _about(store, f"{owner}/{name}", rest, request)
        case [owner, name, "resolve", revision, *path] if path:
            return _file(store, f"{owner}/{name}", revision, "/".join(path), request)
    return refused(404, "", "Sorry, we can't find the page you are looking for.")


def refused(status: int, code: str, message: str) -> Answer:
    """An error as the client reads it: from X-Error-Code and X-Error-Message, never from the body."""
    headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
    return Answer(status, headers | _JSON, json.dumps({"error": message}).encode())


def _list_models(store: RepositoryStore, request: Request) -> Answer:
    shown = [
        records.record(repository, repository.main)
        for repository in store.all()
        if not repository.settings.get("private")
        and ("moved_to" not in repository.settings or repository.settings.get("listed"))
    ]
    try:
        rows, cursor = listing.page(shown, request.query, request.page_limit)
    except listing.BadQuery as error:
        return refused(400, "", str(error))
    found = _json([records.choose_fields(row, request.query) for row in rows])
    if cursor is None:
        return found
    query = urlencode(request.query | {"cursor": [cursor]}, doseq=True)
    return Answer(
        200, found.headers | {"Link": f'<{request.endpoint}/api/models?{query}>; rel="next"'}, found.body
    )


def _about(store: RepositoryStore, repo_id: str, rest: list[str], request: Request) -> Answer:
    repository = store.get(repo_id)
    refusal = _refusal(repository, repo_id, request, needs_gate=rest == ["auth-check"])
    if refusal or repository is None:
        return refusal or _missing(request)
    match rest:
        case ["auth-check"]:
            return _json({})
        case ["refs"]:
            return _json(_refs(repository))
        case [] | ["revision", _] | ["tree", _, *_] | ["commits", _]:
            snapshot = repository.snapshot(rest[1] if rest else "main")
            if snapshot is None:
                return refused(404, "RevisionNotFound", f"Invalid rev id: {rest[1]}")
            return _of_revision(repository, snapshot, rest, request)
    return refused(404, "", "No such endpoint.")


def _of_revision(repository: Repository, snapshot: Snapshot, rest: list[str], request: Request) -> Answer:
    """Model info, tree or commits of one revision."""
    query = request.query
    date = records.record(repository, snapshot)["lastModified"]
    if rest[:1] == ["tree"]:
        below = "/".join(rest[2:])
        entries = records.tree(snapshot, below, _is_on(query, "recursive"), _is_on(query, "expand"), date)
        if not entries and below:
            return refused(404, "EntryNotFound", f"{below} does not exist on {rest[1]!r}")
        return _json(entries)
    if rest[:1] == ["commits"]:
        author = [{"user": repository.id.split("/")[0]}]
        commit = {"id": snapshot.sha, "title": "Upload", "message": "", "authors": author, "date": date}
        return _json([commit])
    fields = records.record(repository, snapshot, blobs=_is_on(query, "blobs"))
    if request.segments[1] == "datasets":
        fields = {name: value for name, value in fields.items() if name not in _OF_MODELS}
    if expand := query.get("expand", []) + query.get("expand[]", []):
        fields = {name: fields[name] for name in ("_id", "id", *expand) if name in fields}
    return _json(fields)


def _refs(repository: Repository) -> dict[str, Any]:
    branches = {"main": repository.main} | repository.revisions
    return {
        "branches": [
            {"name": name, "ref": f"refs/heads/{name}", "targetCommit": snapshot.sha}
            for name, snapshot in branches.items()
        ],
        "converts": [],
        "tags": [],
    }


def _file(store: RepositoryStore, repo_id: str, revision: str, path: str, request: Request) -> Answer:
    """One file or the part of it that Range asks for, straight away: the demo has no CDN to redirect to."""
    repository = store.get(repo_id)
    refusal = _refusal(repository, repo_id, request, needs_gate=True)
    if refusal or repository is None:
        return refusal or _missing(request)
    snapshot = repository.snapshot(revision)
    if snapshot is None:
        return refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    commit = {"X-Repo-Commit": snapshot.sha}
    file = snapshot.files.get(path)
    if file is None:
        missing = refused(404, "EntryNotFound", "Entry not found")
        return Answer(404, missing.headers | commit, missing.body)
    data = file.source.read_bytes()
    headers = commit | {
        "ETag": f'"{file.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if file.sha256:
        headers |= {"X-Linked-Size": str(file.size), "X-Linked-Etag": f'"{file.sha256}"'}
    if request.range is None:
        return Answer(200, headers, data)
    span = byte_range(request.range, len(data))
    if span is None:
        return Answer(416, headers | {"Content-Range": f"bytes */{len(data)}"})
    start, stop = span
    return Answer(206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}, data[start:stop])


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """(start, stop) of `bytes=a-b`, `bytes=a-` or `bytes=-n`; None: not satisfiable (RFC 9110, 14.1)."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size) if int(last) and size else None
    stop = min(size, int(last) + 1) if last else size
    return (int(first), stop) if int(first) < stop else None


def _refusal(repository: Repository | None, repo_id: str, request: Request, needs_gate: bool) -> Answer | None:
    """Why this repository may not be read, or where it went; None where it may. No token opens a gate."""
    if repository is None or repository.settings.get("private"):
        return _missing(request)
    settings = repository.settings
    if moved_to := settings.get("moved_to"):
        location = request.target.replace(quote(repo_id), quote(moved_to), 1)
        return Answer(307, {"Location": location})
    if settings.get("disabled"):
        return refused(403, "", DISABLED)
    if settings.get("gated") and needs_gate:
        kind = "dataset" if "datasets" in request.segments[:2] else "model"
        message = f"Access to {kind} {repo_id} is restricted. You must have access to it and be authenticated."
        return refused(403 if request.token else 401, "GatedRepo", message)
    return None


def _missing(request: Request) -> Answer:
    """The Hub does not tell an anonymous caller whether a repository is missing or private."""
    if request.token:
        return refused(404, "RepoNotFound", "Repository not found")
    return refused(401, "RepoNotFound", "Invalid username or password.")


_JSON = {"Content-Type": "application/json; charset=utf-8"}


def _json(data: Any) -> Answer:
    return Answer(200, dict(_JSON), json.dumps(data, default=str).encode())


def _is_on(query: listing.Query, name: str) -> bool:
    return query.get(name, ["false"])[-1].lower() in ("true", "1")
