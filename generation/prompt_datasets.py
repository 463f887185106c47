"""One file of a dataset on the Hub, pinned to a commit: `hub:owner/name[@revision]/path/to/file[#column]`.

A file is downloaded and read as data; the scripts of a dataset are never looked at.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote

import httpx2
from huggingface_hub import DatasetInfo, HfApi
from huggingface_hub.errors import DisabledRepoError, RepositoryNotFoundError, RevisionNotFoundError

from etl.errors import ConfigError, HubUnreachable
from etl.models.names import is_safe_id
from generation.download import TIMEOUT_SECONDS, fetch
from generation.failures import GenerationFailure
from generation.prompt_files import FORMATS
from generation.repository import RepoFile, Repository, check_names

PREFIX = "hub:"
MAX_BYTES = 1 << 30
"""Largest file of prompts that is downloaded; the largest tables of prompts on the Hub lie below it."""
_SPEC = re.compile(r"(?P<repo>[^/@#]+/[^/@#]+)(?:@(?P<revision>[^/#]+))?/(?P<path>[^#]+)(?:#(?P<column>.+))?")
_INSTEAD = "check --prompts, or download the file by hand and name it there"


@dataclass(frozen=True)
class DatasetFile:
    """One file of a dataset; `revision` None is its main branch."""

    dataset: str
    path: str
    revision: str | None = None
    column: str | None = None

    def __str__(self) -> str:
        revision = f"@{quote(self.revision, safe='')}" if self.revision else ""
        return f"{PREFIX}{self.dataset}{revision}/{self.path}"


def parse_dataset(spec: str) -> DatasetFile:
    """Return what a spec names; raises ConfigError for one that is not of the form above.

    A slash in the name of a revision is written %2F, as in `@refs%2Fconvert%2Fparquet`.
    """
    found = _SPEC.fullmatch(spec.removeprefix(PREFIX))
    if not found or not is_safe_id(found["repo"]):
        raise ConfigError(
            f"--prompts must be like hub:owner/name@revision/path/to/file.parquet#column, not '{spec}'"
        )
    if Path(found["path"]).suffix.lower() not in FORMATS:
        raise ConfigError(f"prompts of a dataset come from {', '.join(FORMATS)} files only, not '{found['path']}'")
    revision = unquote(found["revision"]) if found["revision"] else None
    return DatasetFile(found["repo"], found["path"], revision, found["column"])


def download_dataset(
    file: DatasetFile, folder: Path, endpoint: str, max_bytes: int = MAX_BYTES
) -> tuple[Path, DatasetFile, str | None]:
    """Download the file; return where it lies, itself at the commit that was taken, and the card's licence.

    No token is sent. Raises ConfigError where the Hub does not have it, asks for an agreement first, or lists it
    larger than `max_bytes`; HubUnreachable where it cannot be had now.
    """
    info = _info(file, endpoint)
    size, sha256 = _listed(file, info)
    if size > max_bytes:
        raise ConfigError(
            f"{file} has {size:,} bytes, more than the {max_bytes:,} that are downloaded for prompts"
        )
    wanted = RepoFile(file.path, size, sha256)
    repository = Repository(file.dataset, str(info.sha), (wanted,), None)
    try:
        check_names(repository)
        fetch(repository, [wanted], folder, endpoint, repo_type="dataset")
    except GenerationFailure as failure:
        if failure.code.permanent:
            raise ConfigError(f"{file} cannot be read: {failure.message}; {_INSTEAD}") from None
        raise HubUnreachable(
            f"{file} cannot be downloaded ({failure.code}: {failure.message}); run the same command again"
        ) from None
    return folder / file.path, replace(file, revision=repository.revision), _licence(info)


def _info(file: DatasetFile, endpoint: str) -> DatasetInfo:
    """Ask the Hub for the dataset at its revision."""
    api = HfApi(endpoint=endpoint.rstrip("/"), token=False, library_name="forensics-lake")
    try:
        return api.dataset_info(file.dataset, revision=file.revision, files_metadata=True, timeout=TIMEOUT_SECONDS)
    except RevisionNotFoundError:
        raise ConfigError(f"the dataset {file.dataset} has no revision '{file.revision}'; {_INSTEAD}") from None
    except (RepositoryNotFoundError, DisabledRepoError):
        raise ConfigError(f"{endpoint} has no dataset {file.dataset} that is open to all; {_INSTEAD}") from None
    except (httpx2.HTTPError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise HubUnreachable(
            f"{endpoint} does not say what is in the dataset {file.dataset} ({said}); check the network and "
            "--endpoint, then run the same command again"
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise HubUnreachable(
            f"{endpoint} answers for the dataset {file.dataset} with what is no dataset; check --endpoint"
        ) from None


def _listed(file: DatasetFile, info: DatasetInfo) -> tuple[int, str | None]:
    """Return the size and, of a large file, the SHA-256 that the Hub lists."""
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}
    if file.path not in listed:
        usable = sorted(name for name in listed if Path(name).suffix.lower() in FORMATS)
        names = repr(", ".join(usable)[:300])[1:-1] or "none"
        raise ConfigError(f"the dataset {file.dataset} has no file {file.path}; of use for prompts: {names}")
    found = listed[file.path]
    return found.size or 0, found.lfs.sha256 if found.lfs else None


def _licence(info: DatasetInfo) -> str | None:
    """The licences of the dataset's card, which the Hub repeats among its tags."""
    tags = [tag for tag in info.tags or [] if isinstance(tag, str)]
    return ",".join(tag.removeprefix("license:") for tag in tags if tag.startswith("license:")) or None
