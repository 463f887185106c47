"""The real huggingface_hub client against the demo Hub: what it gets right, and every fault on demand."""

import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    BadRequestError,
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from etl.demo.hub import DemoHub, Fault, Faults
from etl.errors import ConfigError, PortInUse

WEIGHTS = bytes(range(256)) * 400
CARD = """---
license: mit
pipeline_tag: text-to-image
tags: [demo]
base_model: lab/base
base_model_relation: finetune
---
# A model
"""


def write_repository(root: Path, repo_id: str, card: str = CARD, **settings: Any) -> Path:
    """A repository of five files, two of them in folders and one in LFS."""
    folder = root / repo_id
    (folder / "unet").mkdir(parents=True)
    (folder / "vae" / "deep").mkdir(parents=True)
    (folder / "README.md").write_text(card)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    (folder / "unet" / "config.json").write_text("{}")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(WEIGHTS + repo_id.encode())
    (folder / "vae" / "deep" / "config.json").write_text("[]")
    (folder / ".hub.json").write_text(json.dumps({"createdAt": "2023-01-01T00:00:00.000Z"} | settings))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five repositories, created in the order a, b, c, d, e."""
    for position, name in enumerate("abcde"):
        created = f"202{position + 2}-06-01T00:00:00.000Z"
        write_repository(tmp_path / "hub", f"lab/{name}", createdAt=created, downloads=100 - position)
    return tmp_path / "hub"


@pytest.fixture
def hub(root: Path) -> Iterator[DemoHub]:
    with DemoHub(root) as running:
        yield running


@pytest.fixture
def api(hub: DemoHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=False)


def names(models: Any) -> list[str]:
    return [model.id.split("/")[1] for model in models]


def raw(hub: DemoHub, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request as it is, without a client that tidies the path or retries."""
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=5)
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


# Listing


def test_pages_follow_one_another_and_give_every_model_once(root: Path) -> None:
    with DemoHub(root, page_limit=2) as hub:
        models = HfApi(endpoint=hub.endpoint, token=False).list_models(sort="created_at")
        assert names(models) == ["e", "d", "c", "b", "a"]
        assert len(hub.requests) == 3


def test_a_last_page_that_is_full_links_no_further(hub: DemoHub) -> None:
    assert "Link" not in raw(hub, "/api/models?limit=5")[1]


def test_direction_one_sorts_ascending(hub: DemoHub) -> None:
    _, _, body = raw(hub, "/api/models?sort=createdAt&direction=1")
    assert [row["id"][-1] for row in json.loads(body)] == ["a", "b", "c", "d", "e"]


def test_a_model_that_comes_between_two_pages_neither_shifts_nor_repeats_the_others(
    hub: DemoHub, root: Path
) -> None:
    _, headers, body = raw(hub, "/api/models?sort=createdAt&limit=2")
    write_repository(root, "lab/newest", createdAt="2026-01-01T00:00:00.000Z")
    _, _, rest = raw(hub, headers["Link"].split(">")[0].removeprefix(f"<{hub.endpoint}"))
    assert [row["id"][-1] for row in json.loads(body) + json.loads(rest)] == ["e", "d", "c", "b"]


def test_filters_search_and_author_narrow_the_listing(api: HfApi, root: Path) -> None:
    write_repository(root, "guild/x-ray", card="---\nlicense: gpl-3.0\ntags: [demo, rare]\n---\n")
    assert names(api.list_models(filter=["demo", "rare"])) == ["x-ray"]
    assert names(api.list_models(filter="diffusers:StableDiffusionPipeline", author="guild")) == ["x-ray"]
    assert names(api.list_models(search="X-RAY")) == ["x-ray"]
    assert len(list(api.list_models(pipeline_tag="text-to-image"))) == 5


def test_gated_models_can_be_left_out(api: HfApi, root: Path) -> None:
    write_repository(root, "lab/closed", gated="manual")
    assert names(api.list_models(gated=True)) == ["closed"]
    assert "closed" not in names(api.list_models(gated=False))


def test_a_plain_listing_has_no_files_and_a_full_one_has(api: HfApi) -> None:
    assert next(iter(api.list_models(limit=1))).siblings is None
    full = next(iter(api.list_models(limit=1, full=True, cardData=True, fetch_config=True)))
    assert len(full.siblings or []) == 5
    assert full.sha and full.gated is False and full.author == "lab" and full.last_modified
    assert full.card_data and full.card_data["license"] == "mit"
    assert full.config == {"diffusers": {"_class_name": "StableDiffusionPipeline"}}


def test_expand_names_the_fields_that_come(api: HfApi) -> None:
    model = next(iter(api.list_models(limit=1, expand=["downloads", "sha"])))
    assert model.downloads is not None and model.sha and model.tags is None


def test_a_wrong_cursor_sort_or_limit_is_a_bad_request(hub: DemoHub, api: HfApi) -> None:
    with pytest.raises(BadRequestError):
        list(api.list_models(sort="colour"))  # type: ignore[arg-type]
    assert raw(hub, "/api/models?cursor=bm8=")[0] == 400
    assert raw(hub, "/api/models?limit=many")[0] == 400


def test_settings_replace_fields_of_the_record_however_odd(api: HfApi, root: Path) -> None:
    write_repository(root, "lab/odd", likes="many", cardData=None, tags=["<script>"])
    found = {model.id: model for model in api.list_models(sort="likes", cardData=True)}
    assert len(found) == 6
    assert found["lab/odd"].card_data is None and "<script>" in (found["lab/odd"].tags or [])


def test_a_card_that_is_not_yaml_counts_as_no_card(api: HfApi, root: Path) -> None:
    write_repository(root, "lab/odd", card="---\n: [unclosed\n---\n")
    assert api.model_info("lab/odd").card_data is None


# One model


def test_model_info_tells_sizes_hashes_and_tags(api: HfApi) -> None:
    info = api.model_info("lab/a", files_metadata=True)
    files = {sibling.rfilename: sibling for sibling in info.siblings or []}
    weights = WEIGHTS + b"lab/a"
    lfs = files["unet/diffusion_pytorch_model.safetensors"].lfs
    assert lfs and lfs.size == len(weights) and lfs.sha256 == hashlib.sha256(weights).hexdigest()
    assert files["unet/config.json"].size == 2 and files["unet/config.json"].lfs is None
    assert files["unet/config.json"].blob_id == hashlib.sha1(b"blob 2\0{}").hexdigest()
    assert {
        *("diffusers", "safetensors", "text-to-image", "license:mit", "base_model:lab/base"),
        *("base_model:finetune:lab/base", "diffusers:StableDiffusionPipeline"),
    } <= set(info.tags or [])


def test_model_info_names_files_without_sizes_unless_asked(api: HfApi) -> None:
    assert {sibling.size for sibling in api.model_info("lab/a").siblings or []} == {None}


def test_model_info_can_be_expanded(api: HfApi) -> None:
    assert api.model_info("lab/a", expand=["usedStorage"]).used_storage == sum(
        sibling.size or 0 for sibling in api.model_info("lab/a", files_metadata=True).siblings or []
    )


def test_the_tree_lists_folders_and_files_at_each_depth(api: HfApi) -> None:
    assert [entry.path for entry in api.list_repo_tree("lab/a")] == [
        *("unet", "vae", "README.md", "model_index.json"),
    ]
    assert "vae/deep" in [entry.path for entry in api.list_repo_tree("lab/a", recursive=True)]
    assert [entry.path for entry in api.list_repo_tree("lab/a", "vae")] == ["vae/deep"]
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("lab/a", "nowhere"))


def test_refs_commits_and_auth_check_answer(api: HfApi) -> None:
    sha = api.model_info("lab/a").sha
    assert [(ref.name, ref.target_commit) for ref in api.list_repo_refs("lab/a").branches] == [("main", sha)]
    assert [commit.commit_id for commit in api.list_repo_commits("lab/a")] == [sha]
    api.auth_check("lab/a")


def test_the_commit_changes_with_the_bytes_and_only_then(api: HfApi, root: Path) -> None:
    before = api.model_info("lab/a").sha
    os.utime(root / "lab/a/README.md", (0, 0))
    assert api.model_info("lab/a").sha == before
    (root / "lab/a/README.md").write_text("other")
    assert api.model_info("lab/a").sha != before


def test_a_kept_revision_is_served_by_name_and_by_commit(api: HfApi, root: Path) -> None:
    kept = root / "lab/a/.revisions/v1"
    kept.mkdir(parents=True)
    (kept / "README.md").write_text("the first card")
    sha = api.model_info("lab/a", revision="v1").sha
    assert sha != api.model_info("lab/a").sha
    assert [f.rfilename for f in api.model_info("lab/a", revision=sha).siblings or []] == ["README.md"]


def test_an_unknown_revision_is_named_so(api: HfApi) -> None:
    with pytest.raises(RevisionNotFoundError):
        api.model_info("lab/a", revision="f" * 40)


# Files


def test_a_snapshot_has_all_bytes_and_costs_two_requests_a_file(hub: DemoHub, root: Path, tmp_path: Path) -> None:
    folder = snapshot_download("lab/a", endpoint=hub.endpoint, cache_dir=tmp_path / "cache", token=False)
    files = sorted(path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file())
    assert len(files) == 5
    assert all((folder / path).read_bytes() == (root / "lab/a" / path).read_bytes() for path in files)
    assert len(hub.requests) == 2 + 2 * 5


def test_a_snapshot_of_a_known_commit_asks_nothing_again(hub: DemoHub, api: HfApi, tmp_path: Path) -> None:
    sha, cache = api.model_info("lab/a").sha, tmp_path / "cache"
    snapshot_download("lab/a", revision=sha, endpoint=hub.endpoint, cache_dir=cache, token=False)
    hub.requests.clear()
    snapshot_download("lab/a", revision=sha, endpoint=hub.endpoint, cache_dir=cache, token=False)
    assert hub.requests == []


def test_a_missing_file_is_named_so(hub: DemoHub, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        hf_hub_download("lab/a", "no.json", endpoint=hub.endpoint, cache_dir=tmp_path, token=False)


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=2-4", 206, "2-4"),
        ("bytes=102400-", 206, "102400-102404"),
        ("bytes=-5", 206, "102400-102404"),
        ("bytes=0-999999", 206, "0-102404"),
        ("bytes=102405-", 416, "*"),
        ("lines=1-2", 416, "*"),
    ],
)
def test_a_range_gives_that_part(hub: DemoHub, asked: str, status: int, expected: str) -> None:
    path = "/lab/a/resolve/main/unet/diffusion_pytorch_model.safetensors"
    got, headers, body = raw(hub, path, Range=asked)
    assert (got, headers["Content-Range"]) == (status, f"bytes {expected}/102405")
    if status == 206:
        first, last = map(int, expected.split("-"))
        assert body == (WEIGHTS + b"lab/a")[first : last + 1]


def test_a_download_cut_twice_resumes_by_range(hub: DemoHub, tmp_path: Path) -> None:
    hub.faults.add(Fault("safetensors", "drop", times=2, method="GET", after_bytes=40_000))
    name = "unet/diffusion_pytorch_model.safetensors"
    path = hf_hub_download("lab/a", name, endpoint=hub.endpoint, cache_dir=tmp_path, token=False)
    assert Path(path).read_bytes() == WEIGHTS + b"lab/a"
    assert [method for method, _ in hub.requests] == ["HEAD", "GET", "GET", "GET"]


# Refusals


def test_a_gated_model_shows_its_card_data_but_not_its_files(
    hub: DemoHub, api: HfApi, root: Path, tmp_path: Path
) -> None:
    write_repository(root, "lab/closed", gated="manual")
    assert api.model_info("lab/closed").gated == "manual"
    with pytest.raises(GatedRepoError):
        hf_hub_download("lab/closed", "README.md", endpoint=hub.endpoint, cache_dir=tmp_path, token=False)
    with pytest.raises(GatedRepoError):
        api.auth_check("lab/closed")


@pytest.mark.parametrize("token", [False, "hf_demo"])
def test_missing_and_private_models_look_alike(hub: DemoHub, root: Path, token: str | bool) -> None:
    write_repository(root, "lab/secret", private=True)
    api = HfApi(endpoint=hub.endpoint, token=token)
    for repo_id in ("lab/secret", "lab/nothing"):
        with pytest.raises(RepositoryNotFoundError) as caught:
            api.model_info(repo_id)
        assert not isinstance(caught.value, GatedRepoError)
    assert "secret" not in names(api.list_models())


def test_a_disabled_model_is_listed_and_refused(api: HfApi, root: Path) -> None:
    write_repository(root, "lab/off", disabled=True)
    assert [m.id for m in api.list_models(full=True) if m.disabled] == ["lab/off"]
    with pytest.raises(DisabledRepoError):
        api.model_info("lab/off")


def test_a_renamed_model_is_followed_everywhere(hub: DemoHub, api: HfApi, root: Path, tmp_path: Path) -> None:
    write_repository(root, "old/name", moved_to="lab/a")
    status, headers, _ = raw(hub, "/api/models/old/name?blobs=true")
    assert (status, headers["Location"]) == (307, "/api/models/lab/a?blobs=true")
    assert api.model_info("old/name").id == "lab/a"
    snapshot = snapshot_download("old/name", endpoint=hub.endpoint, cache_dir=tmp_path, token=False)
    assert (Path(snapshot) / "model_index.json").is_file()
    assert "name" not in names(api.list_models())


def test_an_index_that_lags_lists_the_old_name_too(api: HfApi, root: Path) -> None:
    write_repository(root, "old/name", moved_to="lab/a", listed=True)
    assert "name" in names(api.list_models())


# Limits and faults


def test_every_answer_tells_what_is_left_of_the_quota(root: Path) -> None:
    with DemoHub(root, quota=5, window_seconds=60) as hub:
        assert raw(hub, "/api/models")[1]["RateLimit"].startswith('"api";r=4;t=')
        assert raw(hub, "/api/models")[1]["RateLimit"].startswith('"api";r=3;t=')


def test_beyond_the_quota_the_client_waits_for_the_next_window(root: Path) -> None:
    with DemoHub(root, quota=1, window_seconds=1) as hub:
        api = HfApi(endpoint=hub.endpoint, token=False)
        assert len(list(api.list_models())) == len(list(api.list_models())) == 5
        assert len(hub.requests) == 3


@pytest.mark.parametrize("limit", [{"retry_after": 0}, {"headers": {"Retry-After": "0"}}])
def test_after_429_the_listing_waits_as_told_and_succeeds(hub: DemoHub, api: HfApi, limit: dict[str, Any]) -> None:
    hub.faults.add(Fault("/api/models", "status", status=429, **limit))
    assert len(list(api.list_models())) == 5
    assert len(hub.requests) == 2


def test_a_503_on_the_listing_is_retried(hub: DemoHub, api: HfApi) -> None:
    hub.faults.add(Fault("/api/models", "status"))
    assert len(list(api.list_models())) == 5


def test_a_503_on_model_info_is_not_retried_by_the_client(hub: DemoHub, api: HfApi) -> None:
    hub.faults.add(Fault("/api/models/lab/a", "status"))
    with pytest.raises(HfHubHTTPError, match="503"):
        api.model_info("lab/a")


def test_html_with_200_is_no_json(hub: DemoHub, api: HfApi) -> None:
    hub.faults.add(Fault("/api/models", "html"))
    with pytest.raises(json.JSONDecodeError):
        list(api.list_models())


def test_a_page_cut_short_breaks_the_connection(hub: DemoHub) -> None:
    hub.faults.add(Fault("/api/models", "drop", after_bytes=20))
    with pytest.raises(http.client.IncompleteRead):
        raw(hub, "/api/models")


def test_a_delay_holds_the_answer_back(hub: DemoHub) -> None:
    hub.faults.add(Fault("/api/models", "delay", seconds=0.3))
    start = time.monotonic()
    assert raw(hub, "/api/models")[0] == 200
    assert time.monotonic() - start >= 0.3


def test_corrupt_bytes_pass_the_clients_size_check_and_fail_the_hash(hub: DemoHub, tmp_path: Path) -> None:
    hub.faults.add(Fault("safetensors", "corrupt", method="GET"))
    name = "unet/diffusion_pytorch_model.safetensors"
    path = hf_hub_download("lab/a", name, endpoint=hub.endpoint, cache_dir=tmp_path, token=False)
    got, right = Path(path).read_bytes(), WEIGHTS + b"lab/a"
    assert len(got) == len(right) and hashlib.sha256(got).digest() != hashlib.sha256(right).digest()


def test_a_next_link_can_loop_or_lead_elsewhere(hub: DemoHub) -> None:
    hub.faults.add(Fault("/api/models", "next"))
    hub.faults.add(Fault("/api/models", "next", url="http://elsewhere.invalid/api/models"))
    assert raw(hub, "/api/models?limit=1")[1]["Link"] == f'<{hub.endpoint}/api/models?limit=1>; rel="next"'
    assert raw(hub, "/api/models")[1]["Link"] == '<http://elsewhere.invalid/api/models>; rel="next"'
    assert "Link" not in raw(hub, "/api/models")[1]


def test_an_unknown_kind_or_field_of_a_fault_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="explode"):
        Fault("/", "explode")  # type: ignore[arg-type]
    (tmp_path / "faults.json").write_text('[{"path": "/", "kind": "drop", "colour": 1}]')
    with pytest.raises(ConfigError, match="colour"):
        Faults.from_json(tmp_path / "faults.json")


# The server itself


def test_only_files_of_a_repository_are_served(hub: DemoHub, root: Path) -> None:
    (root.parent / "secret.txt").write_text("secret")
    (root / "lab/a/link.txt").symlink_to(root.parent / "secret.txt")
    (root / "lab/a/.git").mkdir()
    (root / "lab/a/.git/config").write_text("secret")
    for path in (
        *("../../../secret.txt", "..%2F..%2F..%2Fsecret.txt", "/secret.txt", "link.txt"),
        *(".hub.json", ".git/config", "unet/../.hub.json"),
    ):
        status, _, body = raw(hub, f"/lab/a/resolve/main/{path}")
        assert status == 404 and b"secret" not in body
    for path in ("/../secret.txt", "/api/models/..%2F../x", "/api/models/../..", "/lab/%2e%2e/resolve/main/x"):
        assert raw(hub, path)[0] in (401, 404)
    files = [entry["path"] for entry in json.loads(raw(hub, "/api/models/lab/a/tree/main")[2])]
    assert "link.txt" not in files and ".hub.json" not in files


def test_a_taken_port_is_named(hub: DemoHub, root: Path) -> None:
    with pytest.raises(PortInUse, match=str(hub.port)):
        DemoHub(root, port=hub.port).start()


def test_the_server_listens_on_the_loopback_only(hub: DemoHub) -> None:
    assert hub._server and hub._server.server_address[0] == "127.0.0.1"


def _ask_again(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/api/models")
    connection.getresponse()


def test_a_stopped_hub_is_unreachable_over_kept_connections_too(root: Path) -> None:
    with DemoHub(root) as hub:
        connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=5)
        connection.request("GET", "/api/models")
        connection.getresponse().read()
    connection.auto_open = 0
    with pytest.raises((OSError, http.client.HTTPException)):
        _ask_again(connection)


def test_the_command_serves_with_faults_from_a_file_until_interrupted(root: Path, tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[{"path": "/api/models", "kind": "status", "status": 500}]')
    command = [sys.executable, "-m", "etl.demo.hub", str(root), "--faults", str(tmp_path / "faults.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        endpoint = process.stdout.readline().strip()
        with pytest.raises(HTTPError, match="500"):
            urlopen(Request(f"{endpoint}/api/models"), timeout=5)
        with urlopen(f"{endpoint}/api/models", timeout=5) as reply:
            assert len(json.load(reply)) == 5
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
