"""A lake in an object store on this machine."""

from collections.abc import Iterator

import pytest

from tests.cluster.servers import BUCKET, Server, object_store

Store = tuple[Server, dict[str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Iterator[Store]:
    """The object store, and the environment of whoever uses it."""
    with object_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def root(store, monkeypatch, request) -> str:
    """A lake of the test's own in the object store, which this process may use too."""
    for key, value in store[1].items():
        monkeypatch.setenv(key, value)
    return f"s3a://{BUCKET}/{request.node.name[:40]}"
