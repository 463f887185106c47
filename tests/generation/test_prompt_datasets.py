"""Prompts from datasets of the Hub: the real client against the demo Hub, and every way in which it can say no."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from etl.demo.hub import DemoHub, Fault
from etl.demo.hub.answers import answer
from etl.errors import ConfigError, HubUnreachable, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, MODELS, PLANS, PROMPTS
from generation import download
from generation.jobs import generate
from generation.prompt_datasets import DatasetFile, download_dataset, parse_dataset
from generation.prompts import Prompt, read_prompts

CARD = "---\nlicense: cc-by-4.0\ntags: [captions]\n---\n# Prompts\n"
OLD, NEW = ["a dog"], ["a dog", "a heron"]


def table(prompts: list[str]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"prompt": prompts, "text": ["other"] * len(prompts)}), out)
    return out.getvalue()


def write_dataset(root: Path, name: str = "lab/prompts", **settings) -> Path:
    """A dataset of four files, one of them a loading script, with an older revision beside it."""
    folder = root / ".datasets" / name
    for below, prompts in (
        (folder / "data", NEW),
        (folder / ".revisions" / "v 1" / "data", OLD),
    ):
        below.mkdir(parents=True)
        (below / "train.parquet").write_bytes(table(prompts))
    (folder / "README.md").write_text(CARD)
    (folder / "prompts.py").write_text("raise SystemExit('never run')")
    (folder / "lines.txt").write_text("a fox\n")
    (folder / ".hub.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def served(tmp_path) -> Iterator[DemoHub]:
    write_dataset(tmp_path / "hub")
    with DemoHub(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def commit(served) -> str:
    return served.store.datasets.get("lab/prompts").main.sha


@pytest.fixture
def read(served):
    def prompts(spec: str) -> list[str]:
        return [prompt.text for prompt in read_prompts("nowhere", spec, served.endpoint)]

    return prompts


# The demo Hub


def test_the_client_sees_a_dataset_with_its_card_files_and_commit(served, commit):
    info = HfApi(endpoint=served.endpoint, token=False).dataset_info("lab/prompts", files_metadata=True)
    assert (info.id, info.sha, info.card_data.license) == ("lab/prompts", commit, "cc-by-4.0")
    assert not hasattr(info, "modelId")
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
    assert set(sizes) == {"README.md", "data/train.parquet", "lines.txt", "prompts.py"}
    assert sizes["lines.txt"] == 6


def test_the_client_downloads_a_file_of_a_dataset(served, commit, tmp_path):
    about = {"repo_type": "dataset", "endpoint": served.endpoint, "token": False, "cache_dir": tmp_path / "cache"}
    path = hf_hub_download("lab/prompts", "data/train.parquet", revision=commit, **about)
    assert pq.read_table(path)["prompt"].to_pylist() == NEW


def test_a_dataset_is_no_model_and_is_not_listed_among_them(served):
    api = HfApi(endpoint=served.endpoint, token=False)
    assert list(api.list_models()) == []
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("lab/prompts")


def test_a_gated_dataset_is_called_a_dataset(served, tmp_path):
    write_dataset(tmp_path / "hub", "lab/gated", gated="auto")
    with pytest.raises(GatedRepoError, match="Access to dataset lab/gated is restricted"):
        HfApi(endpoint=served.endpoint, token=False).auth_check("lab/gated", repo_type="dataset")


# Prompts


def test_prompts_of_a_dataset_name_the_commit_and_the_licence(served, commit, capsys):
    found = read_prompts("nowhere", "hub:lab/prompts/data/train.parquet", served.endpoint)
    source = f"hub:lab/prompts@{commit}/data/train.parquet"
    assert found == [Prompt("a dog", source, "1", "cc-by-4.0"), Prompt("a heron", source, "2", "cc-by-4.0")]
    assert f"taken from {source}; name this commit" in capsys.readouterr().err


def test_a_pinned_commit_gives_the_same_prompts_whatever_comes_later(read, served, commit, tmp_path, capsys):
    older = served.store.datasets.get("lab/prompts").revisions["v 1"].sha
    assert read(f"hub:lab/prompts@{older}/data/train.parquet") == OLD
    assert read("hub:lab/prompts@v%201/data/train.parquet#prompt") == OLD
    assert read(f"hub:lab/prompts@{commit}/data/train.parquet#text") == ["other"]
    assert capsys.readouterr().err.count("name this commit") == 1


def test_a_dataset_is_found_under_its_new_name(read, tmp_path):
    write_dataset(tmp_path / "hub", "lab/renamed", moved_to="lab/prompts")
    assert read("hub:lab/renamed/lines.txt") == ["a fox"]


def test_a_text_file_of_a_dataset_is_read_by_lines(read):
    assert read("hub:lab/prompts/lines.txt") == ["a fox"]


def test_no_token_is_sent(read, monkeypatch):
    tokens = []

    def noting(store, request):
        tokens.append(request.token)
        return answer(store, request)

    monkeypatch.setattr("etl.demo.hub.server.answer", noting)
    monkeypatch.setenv("HF_TOKEN", "secret")
    read("hub:lab/prompts/lines.txt")
    assert tokens == [False, False]


def test_no_file_but_the_named_one_is_asked_for(read, served):
    read("hub:lab/prompts/lines.txt")
    assert [path.split("?")[0].split("/")[-1] for _, path in served.requests] == ["prompts", "lines.txt"]


@pytest.mark.parametrize(
    "spec",
    [
        *("hub:", "hub:lab", "hub:lab/prompts", "hub:lab/prompts/", "hub:lab/prompts@/a.txt", "hub:../up/a.txt"),
        *("hub:lab/prompts/script.py", "hub:lab/prompts/a.parquet#", "hub:lab/prompts/a.json"),
    ],
)
def test_a_spec_of_another_form_is_refused_before_any_request(read, served, spec):
    with pytest.raises(ConfigError, match=r"must be like hub:owner/name|files only"):
        read(spec)
    assert served.requests == []


def test_a_revision_with_a_slash_is_written_encoded():
    spec = "hub:lab/prompts@refs%2Fconvert%2Fparquet/default/0.parquet#prompt"
    assert parse_dataset(spec) == DatasetFile("lab/prompts", "default/0.parquet", "refs/convert/parquet", "prompt")
    assert f"{parse_dataset(spec)}#prompt" == spec


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hub:lab/none/a.txt", "has no dataset lab/none that is open to all; check --prompts, or download"),
        ("hub:lab/prompts@gone/lines.txt", "lab/prompts has no revision 'gone'"),
        ("hub:lab/prompts/gone.txt", "no file gone.txt; of use for prompts: data/train.parquet, lines.txt"),
        ("hub:lab/prompts/data/train.parquet#gone", "no column 'gone'; its columns: prompt, text"),
        ("hub:lab/gated/lines.txt", "asks for an agreement .* download the file by hand"),
    ],
)
def test_what_the_hub_does_not_give_is_wrong_usage_with_a_remedy(read, tmp_path, spec, message):
    write_dataset(tmp_path / "hub", "lab/gated", gated="auto")
    with pytest.raises(ConfigError, match=message):
        read(spec)


def test_a_dataset_file_without_prompts_is_nothing_usable(read, tmp_path):
    write_dataset(tmp_path / "hub", "lab/empty").joinpath("lines.txt").write_text("\n")
    with pytest.raises(NothingUsable, match=r"no prompt in hub:lab/empty/lines\.txt"):
        read("hub:lab/empty/lines.txt")


def test_a_file_above_the_cap_is_not_downloaded(served, tmp_path):
    with pytest.raises(ConfigError, match="has 6 bytes, more than the 5 that are downloaded"):
        download_dataset(parse_dataset("hub:lab/prompts/lines.txt"), tmp_path / "x", served.endpoint, max_bytes=5)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("/api/datasets", "status", status=503), "does not say what is in the dataset .*503"),
        (Fault("/api/datasets", "html"), "answers for the dataset lab/prompts with what is no dataset"),
        (Fault("/resolve/", "status", times=None, status=500), "cannot be downloaded .HUB_ERROR.* run the same"),
        (Fault("/resolve/", "corrupt", times=None), "cannot be downloaded .BAD_DOWNLOAD: .*SHA-256"),
    ],
)
def test_a_hub_that_fails_is_unreachable(read, served, monkeypatch, fault, message):
    monkeypatch.setattr(download, "TRIES", 1)
    served.faults.add(fault)
    with pytest.raises(HubUnreachable, match=message):
        read("hub:lab/prompts/data/train.parquet")


def test_no_hub_at_all_is_unreachable(served):
    served.stop()
    with pytest.raises(HubUnreachable, match="check the network and --endpoint"):
        read_prompts("nowhere", "hub:lab/prompts/lines.txt", served.endpoint)


def test_a_listed_name_that_leaves_its_folder_is_refused(read, tmp_path):
    siblings = [{"rfilename": "../../x.txt", "size": 1}]
    write_dataset(tmp_path / "hub", "lab/evil", siblings=siblings)
    with pytest.raises(ConfigError, match=r"file '\.\./\.\./x\.txt'"):
        read("hub:lab/evil/../../x.txt")


def test_the_job_records_the_prompts_that_it_asks_for_and_a_rerun_adds_none(served, commit, tmp_path):
    """A planned generator that may not be sampled any more is asked for all the same, and costs no sampling."""
    root = str(tmp_path / "lake")
    model = {"model_id": "lab/a", "revision": "1" * 40, "pipeline_class": "StableDiffusionPipeline"}
    closed = {"generator_id": "lab/a", "kind": "hub", "eligible": False, "reason": "GATED"}
    planned = {"plan_id": "p", "generator_id": "lab/a", "revision": "1" * 40, "rank": 1, "images": 1}
    for table_, row in ((GENERATORS, model | closed), (MODELS, model), (PLANS, planned)):
        snapshot.append(root, table_, [row])
    spec = f"hub:lab/prompts@{commit}/data/train.parquet"
    command = ["--root", root, "--endpoint", served.endpoint, "--plan", "p", "--prompts", spec]
    for _ in range(2):
        assert generate.main(command) == 3
        [row] = snapshot.read(root, PROMPTS).to_dicts()
        assert row["text"] in NEW and (row["source"], row["licence"]) == (spec, "cc-by-4.0")
