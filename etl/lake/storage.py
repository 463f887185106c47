"""Where a lake lies: a folder of this machine, or a prefix of an S3-compatible object store (`s3a://bucket/prefix`).

The one place that turns a root into what each reader needs: Spark (hadoop-aws), delta-rs and Polars, boto3 (landed
files, leases), s3fs (Petastorm). Endpoint and credentials come from AWS's standard chain (AWS_ENDPOINT_URL,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, profiles, roles of machines) and nowhere else: they are no
settings, so that no table, log, run or command line can hold them.
"""

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etl.errors import ConfigError, StorageRefused, StorageUnreachable

S3_CONNECTOR = "org.apache.hadoop:hadoop-aws:3.4.1"
"""Of the Hadoop that pyspark 4.0 ships."""
WORK_VARIABLE = "FORENSICS_WORK"
_ADDRESS = re.compile(r"(?i:s3a?)://([A-Za-z0-9][A-Za-z0-9.-]*)((?:/[A-Za-z0-9!_.'()@=&~:,+-]*)*)")
"""What all readers take alike: a space, a percent sign or a letter beyond ASCII has two names among them."""
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:\d+)?(/[A-Za-z0-9._/-]*)?")
_REFUSALS = {
    "AccessDenied": "check what the credentials may do",
    "ExpiredToken": "get new credentials",
    "InvalidAccessKeyId": "check AWS_ACCESS_KEY_ID",
    "InvalidToken": "check AWS_SESSION_TOKEN",
    "NoSuchBucket": "make the bucket, or correct --root",
    "SignatureDoesNotMatch": "check AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "401": "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "403": "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do",
    "404": "make the bucket, or correct --root",
}
_SAYS = re.compile("|".join(key for key in _REFUSALS if not key.isdigit()))
_TROUBLE = re.compile(
    r"AwsServiceException|SdkClientException|S3Exception|AWSS3IOException|fs\.s3a\.|S3AFileSystem|ConnectException|"
    r"EndpointConnectionError|ConnectTimeoutError|ReadTimeoutError|ConnectionClosedError|Could not connect to the"
)


def is_local(root: str) -> bool:
    """Whether `root` is a folder of this machine rather than an object store's address."""
    return "://" not in root


def split(address: str) -> tuple[str, str]:
    """Return the bucket and the key of an address. Raises ConfigError for one that is no S3 address."""
    scheme, _, rest = address.partition("://")
    if "@" in rest.partition("/")[0] or ":" in rest.partition("/")[0]:
        raise ConfigError(
            "--root must hold no credentials: give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    found = _ADDRESS.fullmatch(address)
    if not found and scheme.lower() in ("s3", "s3a"):
        raise ConfigError(
            "--root must be s3a://BUCKET/PREFIX, of ASCII letters, digits and none of the signs space ? # % * [ ]"
        )
    if not found:
        raise ConfigError(f"--root must be a folder or s3a://BUCKET/PREFIX, not {scheme}://…")
    return found[1], found[2].strip("/")


def normal(root: str) -> str:
    """Return a remote root in the form that Spark and delta-rs both take, a local one as it is."""
    if is_local(root):
        return root
    bucket, prefix = split(root)
    return f"s3a://{bucket}/{prefix}".rstrip("/")


def workplace(root: str) -> Path:
    """Return the folder of this machine for what stages keep beside the tables: homes, downloads, checkpoints.

    The root itself where it is a folder; else one of this machine's own under FORENSICS_WORK (by default the
    user's cache). What must outlive the machine goes to the store besides.
    """
    if is_local(root):
        return Path(root).resolve()
    return machine_folder() / hashlib.sha256(normal(root).encode()).hexdigest()[:16]


def machine_folder() -> Path:
    """Return the folder of this machine for what commands may lose at any time, whatever their lake."""
    return Path(os.environ.get(WORK_VARIABLE) or Path.home() / ".cache" / "forensics").resolve()


def require(root: str) -> None:
    """Ask the store of a remote root for its bucket, before anything else is done.

    Raises ConfigError, StorageRefused where it does not let us in, StorageUnreachable where it does not answer.
    """
    if is_local(root):
        if re.match(r"(?i)s3[an]?:", root):
            raise ConfigError("--root must be a folder or s3a://BUCKET/PREFIX, with two slashes after the colon")
        return
    bucket, _ = split(root)
    with answered(root):
        client().list_objects_v2(Bucket=bucket, MaxKeys=1)  # an answer to HEAD would not say why not


@contextlib.contextmanager
def answered(root: str) -> Iterator[None]:
    """Raise StorageRefused or StorageUnreachable, one sentence without credentials, for boto3's errors."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    bucket = split(root)[0]
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in _REFUSALS:
            raise StorageRefused(_refusal(bucket, code)) from None
        raise StorageUnreachable(_silence(bucket, f"it answers {code or 'nothing readable'}")) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise StorageRefused(
            f"there are no credentials for the bucket {bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or a profile by AWS_PROFILE"
        ) from None
    except (BotoCoreError, OSError) as error:
        raise StorageUnreachable(_silence(bucket, type(error).__name__)) from None


def failure(root: str, error: Exception) -> StorageRefused | StorageUnreachable | None:
    """Return what another reader's error says of the store of a remote root or file; None where it says nothing.

    The reader's own text is not repeated: it may hold the request that was signed.
    """
    if is_local(root) or root.startswith("file://"):
        return None
    bucket, text = urlsplit(root).netloc, str(error)
    if found := _SAYS.search(text):
        return StorageRefused(_refusal(bucket, found[0]))
    if "S3AFileSystem not found" in text:
        return StorageRefused(
            f"this Spark session cannot read {normal(root)}: submit with --properties-file of conf/cluster, or "
            f"--packages {S3_CONNECTOR}"
        )
    if (
        isinstance(error, ConnectionError | TimeoutError)
        or _TROUBLE.search(text)
        or "error sending request" in text
        or "Generic S3 error" in text
    ):
        return StorageUnreachable(_silence(bucket, "it failed during a read or a write"))
    return None


def away(root: str) -> StorageUnreachable | None:
    """Return that the store of a remote root does not answer now; None where it does.

    For errors that do not say it: with the store away, Delta sees no table where there is one.
    """
    try:
        require(root)
    except StorageUnreachable as silent:
        return silent
    except (StorageRefused, ConfigError):
        pass
    return None


def delta_options(root: str) -> dict[str, str] | None:
    """Return the storage options of delta-rs and Polars; credentials they find by themselves."""
    if is_local(root):
        return None
    options = {"AWS_REGION": _region()}
    if endpoint := _endpoint():
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    return options


def spark_settings() -> dict[str, str]:
    """Return Spark's settings for S3, without credentials: those Spark takes from the driver's environment.

    A call is tried again for half a minute, with waits that double. S3A's default is a minute, with ten tries of
    the SDK's own within each of its own, and Delta calls once for every folder above a table: that a store is away
    for good would be told after a quarter of an hour.
    """
    settings = {
        "fs.s3a.endpoint.region": _region(),
        "fs.s3a.attempts.maximum": "2",
        "fs.s3a.retry.limit": "6",
    }
    if endpoint := _endpoint():
        is_tls = str(not endpoint.startswith("http://")).lower()
        settings |= {
            "fs.s3a.endpoint": endpoint,
            "fs.s3a.path.style.access": "true",
            "fs.s3a.connection.ssl.enabled": is_tls,
        }
    return settings


def client() -> Any:
    """Return boto3's client of the store, this process's own."""
    return _client(os.getpid(), _endpoint())


def file_system() -> Any:
    """Return fsspec's file system of the store, for readers that need one; it takes `bucket/key`."""
    from s3fs import S3FileSystem

    # Tried again for about half a minute, as Spark does.
    patience = {"retries": {"max_attempts": 8, "mode": "standard"}, "connect_timeout": 10}
    at = {"endpoint_url": _endpoint(), "region_name": _region()}
    return S3FileSystem(client_kwargs=at, config_kwargs=patience)


@functools.lru_cache(maxsize=2)
def _client(process: int, endpoint: str | None) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"max_attempts": 4, "mode": "standard"},
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    return boto3.client("s3", endpoint_url=endpoint, region_name=_region(), config=config)


def _endpoint() -> str | None:
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise ConfigError(
            "AWS_ENDPOINT_URL must be http://HOST:PORT or https://HOST:PORT, and hold no credentials"
        )
    return endpoint or None


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _refusal(bucket: str, code: str) -> str:
    said = {"401": "", "403": "", "404": ""}.get(code, f" ({code})")
    what = "has no bucket" if code in ("404", "NoSuchBucket") else "refuses the credentials for the bucket"
    return f"{_store()} {what} {bucket}{said}: {_REFUSALS[code]}"


def _silence(bucket: str, how: str) -> str:
    return (
        f"{_store()} cannot be used for the bucket {bucket} ({how}): check AWS_ENDPOINT_URL and the store, then "
        "run the same command again; the tables are as after the last commit"
    )


def _store() -> str:
    endpoint = _endpoint()
    host = urlsplit(endpoint).netloc.rpartition("@")[2] if endpoint else "Amazon S3"
    return f"the object store at {host}" if endpoint else host
