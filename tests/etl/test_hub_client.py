"""The Hub's client against a demo Hub that misbehaves on demand; nothing here needs Spark."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.demo.hub import DemoHub, Fault
from etl.demo.hub.server import RateWindow
from etl.errors import HubUnreachable
from etl.models.hub import CallFailed, HubClient
from tests.etl.tiny_hub import write_repository


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DemoHub]:
    for number in range(5):
        write_repository(tmp_path, f"lab/model-{number}", createdAt=f"2024-01-0{number + 1}T00:00:00.000Z")
    with DemoHub(tmp_path) as hub:
        yield hub


@pytest.fixture
def waits() -> list[float]:
    """What the client slept; it sleeps no second of it."""
    return []


@pytest.fixture
def client(hub: DemoHub, waits: list[float]) -> HubClient:
    return HubClient(hub.endpoint, sleep=waits.append)


def first(client: HubClient, page_size: int = 2) -> str:
    return client.first("filter=diffusers", page_size)


def test_pages_follow_the_cursor_from_the_oldest_model_to_the_newest(client: HubClient) -> None:
    ids, path = [], first(client)
    while path:
        page = client.page(path)
        ids.append([record["id"] for record in page.records])
        path = page.next
    assert ids == [["lab/model-0", "lab/model-1"], ["lab/model-2", "lab/model-3"], ["lab/model-4"]]


def test_a_cursor_is_kept_without_the_host_so_that_it_outlives_a_port(client: HubClient, hub: DemoHub) -> None:
    following = client.page(first(client)).next
    assert following is not None
    assert following.startswith("/api/models?")


def test_the_call_after_one_that_used_up_the_quota_waits_for_the_next_window(
    client: HubClient, hub: DemoHub, waits: list[float]
) -> None:
    hub.rate = RateWindow(quota=1, seconds=60)
    assert len(client.page(first(client)).records) == 2
    assert waits == []  # the page is handed over before anybody waits
    hub.rate = RateWindow(quota=9, seconds=60)
    client.page(first(client))
    assert len(waits) == 1 and 55 < waits[0] <= 61


def test_too_many_requests_are_waited_out_as_long_as_the_hub_says(
    client: HubClient, hub: DemoHub, waits: list[float]
) -> None:
    hub.faults.add(Fault("/api/models", "status", times=2, status=429, retry_after=7))
    assert len(client.page(first(client)).records) == 2
    assert waits == [8.0, 8.0]


def test_retry_after_is_obeyed_too(client: HubClient, hub: DemoHub, waits: list[float]) -> None:
    hub.faults.add(Fault("/api/models", "status", status=503, headers={"Retry-After": "4"}))
    client.page(first(client))
    assert waits == [5.0]


def test_too_many_requests_for_ever_end_after_six_tries(client: HubClient, hub: DemoHub) -> None:
    hub.faults.add(Fault("/api/models", "status", times=None, status=429))
    with pytest.raises(CallFailed, match="HUB_RATE_LIMIT"):
        client.page(first(client))
    assert len(hub.requests) == 6


def test_a_wait_above_the_cap_is_not_waited(client: HubClient, hub: DemoHub, waits: list[float]) -> None:
    hub.faults.add(Fault("/api/models", "status", status=429, retry_after=86400))
    with pytest.raises(CallFailed, match="asks to wait 86401 s"):
        client.page(first(client))
    assert waits == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/api/models", "status", times=2, status=503),
        Fault("/api/models", "drop", times=2, after_bytes=100),
        Fault("/api/models", "html", times=2),
        Fault("/api/models", "corrupt", times=2),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_page_that_fails_twice_is_had_at_the_third_try(
    client: HubClient, hub: DemoHub, waits: list[float], fault: Fault
) -> None:
    hub.faults.add(fault)
    assert len(client.page(first(client)).records) == 2
    assert waits == [1.0, 2.0]


@pytest.mark.parametrize(
    ("kind", "code"), [("status", "HUB_ERROR"), ("html", "BAD_ANSWER"), ("corrupt", "BAD_ANSWER")]
)
def test_a_page_that_always_fails_ends_with_a_named_code(
    client: HubClient, hub: DemoHub, kind: str, code: str
) -> None:
    hub.faults.add(Fault("/api/models", kind, times=None))  # type: ignore[arg-type]
    with pytest.raises(CallFailed) as failed:
        client.page(first(client))
    assert failed.value.code == code


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api/models?cursor=x", "https://evil.example/", None])
def test_a_next_link_that_leads_astray_is_not_followed_and_the_page_is_kept(
    client: HubClient, hub: DemoHub, url: str | None
) -> None:
    hub.faults.add(Fault("/api/models", "next", url=url))
    page = client.page(first(client))
    assert len(page.records) == 2
    assert page.next is None
    assert page.problem is not None


def test_a_hub_that_is_not_there_is_named_with_the_remedy(waits: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = HubClient(f"http://127.0.0.1:{port}", sleep=waits.append)
    with pytest.raises(HubUnreachable, match="check the network and --endpoint") as caught:
        client.page(first(client))
    assert caught.value.exit_code == 4
    assert len(waits) == 5


def test_a_server_that_trickles_does_not_hold_the_crawl_for_ever(hub: DemoHub) -> None:
    ticks = iter(range(0, 100_000, 1000))
    client = HubClient(hub.endpoint, sleep=lambda _: None, clock=lambda: next(ticks))
    with pytest.raises(HubUnreachable, match="no whole answer in 300 s"):
        client.page(first(client))


def test_details_have_sizes_and_hashes_and_the_index(client: HubClient) -> None:
    detail = client.detail("lab/model-0")
    sizes = {s["rfilename"]: (s["size"], len(s["lfs"]["sha256"])) for s in detail.info["siblings"] if "lfs" in s}
    name = "unet/diffusion_pytorch_model.safetensors"
    assert sizes[name] == (len(f"lab/model-0 {name}"), 64)
    assert detail.model_index is not None
    assert "StableDiffusionPipeline" in detail.model_index


def test_a_web_page_in_place_of_a_file_is_not_taken_for_the_file(client: HubClient, hub: DemoHub) -> None:
    hub.faults.add(Fault("model_index.json", "html"))
    index = client.detail("lab/model-0").model_index
    assert index is not None
    assert index.startswith('{"_class_name"')


def test_details_without_an_index_cost_one_request(client: HubClient, hub: DemoHub, tmp_path: Path) -> None:
    write_repository(tmp_path, "lab/adapter", index=None)
    assert client.detail("lab/adapter").model_index is None
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"disabled": True}, "DISABLED"), ({"private": True}, "GONE")],
    ids=["disabled", "private"],
)
def test_a_closed_repository_is_named(
    client: HubClient, tmp_path: Path, settings: dict[str, bool], code: str
) -> None:
    write_repository(tmp_path, "lab/closed", **settings)
    with pytest.raises(CallFailed) as failed:
        client.detail("lab/closed")
    assert failed.value.code == code


def test_a_model_that_does_not_exist_is_gone(client: HubClient) -> None:
    with pytest.raises(CallFailed, match="GONE"):
        client.detail("lab/never-was")


def test_a_gate_leaves_the_listing_and_closes_the_files(client: HubClient, tmp_path: Path) -> None:
    write_repository(tmp_path, "lab/gated", gated="manual")
    detail = client.detail("lab/gated")
    assert detail.gated
    assert detail.info["gated"] == "manual"


def test_a_renamed_model_comes_with_its_new_name(client: HubClient, tmp_path: Path) -> None:
    write_repository(tmp_path, "lab/old-name", moved_to="lab/model-1")
    assert client.detail("lab/old-name").info["id"] == "lab/model-1"


def test_the_token_comes_from_the_environment_and_stays_out_of_messages(
    hub: DemoHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    hub.faults.add(Fault("/api/models", "status", status=503))
    client = HubClient(hub.endpoint, sleep=lambda _: None)
    with pytest.raises(CallFailed, match="GONE") as failed:  # 404 with a token, 401 without
        client.detail("lab/never-was")
    assert "hf_secret" not in caplog.text + str(failed.value) + repr(vars(failed.value))


def test_requests_name_us_in_the_user_agent(hub: DemoHub) -> None:
    assert "forensics-lake/" in HubClient(hub.endpoint)._headers["user-agent"]
