"""Where a plan stands: refused images, other tries, what a kill left, and errors of this process."""

import fcntl
import json
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from etl.errors import EnvironmentAtFault
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import GENERATION_ATTEMPTS, REJECTS
from generation import model_run
from generation.attempts import Outcome
from generation.conversation import Ending, Used
from generation.disk import DiskBudget
from generation.execution import Standing, Work, largest_first, record, standing, sweep, try_generator
from generation.failures import Code
from generation.jobs import generate
from generation.landing import Landing
from generation.plan import Generator, ModelTask, Plan, make_plan
from generation.repository import RepoFile, Repository, Selection
from generation.settings import GenerateSettings

FLAT = (Code.FLAT_IMAGE, "1 colours")


@pytest.fixture
def settings(tmp_path) -> GenerateSettings:
    return GenerateSettings(root=str(tmp_path), plan="p", images_per_generator=3, deadline_seconds=0.1)


def generator(name="lab/a", size=1, base_size: int | None = None) -> Generator:
    def of(name: str, size: int) -> Repository:
        return Repository(name, "1" * 40, (RepoFile("model.safetensors", size),), None)

    base = of("lab/base", base_size) if base_size else None
    return Generator(name, of(name, size), "DDPMPipeline", is_adapter=base is not None, base=base)


@pytest.fixture
def plan(settings) -> Plan:
    """One generator, three images."""
    return make_plan([generator()], [], settings)


def tried(plan: Plan, settings, code=None, images=0, refused=None, attempt=1) -> None:
    """Record a try at the plan's generator."""
    task = plan.tasks[0]
    work = Work(task, task.requests, Landing(settings.root, "p", "lab/a"), attempt)
    outcome = Outcome("lab/a", code, "", 1.0, images, 0, None, datetime.now(UTC), refused=refused or {})
    record(settings.root, "p", [(work, outcome)])


def land(plan: Plan, settings, *numbers: int) -> None:
    landing = Landing(settings.root, "p", "lab/a")
    landing.open()
    for number in numbers:
        landing.add(b"png", {"request_id": plan.tasks[0].requests[number].request_id})


def wanted(found: Standing) -> list[str]:
    return [request.request_id for work in found.work for request in work.wanted]


def test_a_refused_image_is_not_tried_again_when_the_rest_is(plan, settings):
    ids = [request.request_id for request in plan.tasks[0].requests]
    land(plan, settings, 0)
    tried(plan, settings, Code.CRASH, 1, {ids[1]: FLAT})
    left = standing(plan, settings)
    assert (wanted(left), left.already_there, left.given_up) == ([ids[2]], 1, 1)


def test_a_generator_whose_images_are_there_or_refused_is_done(plan, settings):
    ids = [request.request_id for request in plan.tasks[0].requests]
    land(plan, settings, 0, 1)
    tried(plan, settings, Code.FLAT_IMAGE, 2, {ids[2]: FLAT})
    before = snapshot.current_version(settings.root, GENERATION_ATTEMPTS)
    left = standing(plan, settings)
    assert (wanted(left), left.already_there, left.given_up) == ([], 2, 1)
    assert snapshot.current_version(settings.root, GENERATION_ATTEMPTS) == before


def test_a_refused_image_is_one_row_however_often_it_is_refused(plan, settings):
    key = plan.tasks[0].requests[0].request_id
    for attempt in (1, 2):
        tried(plan, settings, Code.CRASH, refused={key: FLAT}, attempt=attempt)
    [row] = snapshot.read(settings.root, REJECTS).to_dicts()
    assert (row["stage"], row["key"], row["code"], row["run_id"]) == ("generate", key, "FLAT_IMAGE", "p")


def test_refused_images_are_wanted_again_when_their_code_is_named(plan, settings):
    key = plan.tasks[0].requests[0].request_id
    tried(plan, settings, Code.FLAT_IMAGE, refused={key: FLAT})
    again = GenerateSettings(**{**vars(settings), "retry": ["FLAT_IMAGE"]})
    assert key in wanted(standing(plan, again)) and key not in wanted(standing(plan, settings))


def test_of_several_refusals_those_of_the_named_code_are_wanted_again(plan, settings):
    flat, nsfw, _ = (request.request_id for request in plan.tasks[0].requests)
    land(plan, settings, 2)
    tried(plan, settings, Code.FLAT_IMAGE, 1, {flat: FLAT, nsfw: (Code.NSFW_IMAGE, "scored")})
    again = GenerateSettings(**{**vars(settings), "retry": ["NSFW_IMAGE"]})
    assert wanted(standing(plan, again)) == [nsfw]


def test_a_model_with_a_refused_image_makes_its_lost_ones_again(plan, settings):
    ids = [request.request_id for request in plan.tasks[0].requests]
    tried(plan, settings, Code.FLAT_IMAGE, 2, {ids[0]: FLAT})
    assert wanted(standing(plan, settings)) == ids[1:]


def test_last_tries_at_what_may_pass_are_named(plan, settings):
    for attempt in (1, 2, 3):
        tried(plan, settings, Code.HUB_ERROR, attempt=attempt)
    left = standing(plan, settings)
    assert (left.work, left.given_up, left.exhausted) == ((), 3, {"HUB_ERROR"})
    assert not standing(plan, GenerateSettings(**{**vars(settings), "retry": ["HUB_ERROR"]})).exhausted


INDEX = {"_class_name": "DDPMPipeline", "unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "X"]}
FILES = ("model_index.json", "scheduler/scheduler_config.json", "unet/config.json", "unet/model.safetensors")


def test_a_model_that_was_too_big_is_tried_again_once_the_limits_are_higher(settings):
    files = tuple(RepoFile(path, 10**6) for path in FILES)
    repository = Repository("lab/a", "1" * 40, files, json.dumps(INDEX))
    plan = make_plan([replace(generator(), repository=repository)], [], settings)
    tried(plan, settings, Code.TOO_BIG)
    for limit in ("max_model_gb", "max_disk_gb"):
        assert not standing(plan, replace(settings, **{limit: 0.003})).work
    left = standing(plan, settings)
    assert (len(wanted(left)), left.work[0].attempt, left.given_up) == (3, 2, 0)


@pytest.mark.parametrize(("content", "said"), [(b"png", ""), (b"PNG", "1 images made in the place of lost ones")])
def test_an_image_that_is_made_again_to_other_bytes_is_told(plan, settings, monkeypatch, content, said):
    """The model's process is left out: what it sends is given."""
    land(plan, settings, 0, 1)
    task, landing = plan.tasks[0], Landing(settings.root, "p", "lab/a")
    lost = task.requests[0]
    (landing.folder / f"{lost.request_id}.png").unlink()
    monkeypatch.setattr(
        model_run, "vetted", lambda *_: model_run.Download(task.generator.repository, Selection((), None))
    )
    monkeypatch.setattr(model_run, "_fetch", lambda *_: None)

    def sent(job, seconds, on_image) -> Ending:
        on_image({"request_id": lost.request_id, "nsfw": None, **dict.fromkeys(model_run._TAKEN)}, content)
        return Ending(None, "", {}, Used(), 0.0)

    workers = SimpleNamespace(device="cpu", disk=DiskBudget(1), stopping=threading.Event(), run=sent)
    outcome = model_run.run_model(task, [lost], landing, settings, workers)
    assert (outcome.code, outcome.images) == (None, 1)
    assert outcome.message.startswith(said) and bool(outcome.message) == bool(said)


def test_who_waits_for_a_generators_lock_goes_when_the_job_stops(plan, settings):
    patient = GenerateSettings(**{**vars(settings), "deadline_seconds": 3600.0})
    with table_lock(settings.root, "landing/lab--a"):
        pass
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    with open(Path(settings.root) / ".locks" / "landing__lab--a.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        landing, workers = Landing(settings.root, "p", "lab/a"), SimpleNamespace(stopping=stopping)
        outcome = try_generator(plan.tasks[0], plan.tasks[0].requests, landing, patient, workers)
    assert outcome.code is Code.CRASH and "LockHeld" in outcome.message


def test_another_plans_refusals_count_for_nothing(plan, settings):
    key = plan.tasks[0].requests[0].request_id
    tried(plan, settings, Code.CRASH, refused={key: FLAT})
    other = Plan("q", plan.tasks)
    assert key in wanted(standing(other, settings))


def test_an_error_of_this_process_costs_its_generator_and_not_the_plan(plan, settings):
    task = plan.tasks[0]
    Landing(settings.root, "p", "lab/a").folder.parent.mkdir(parents=True)
    Landing(settings.root, "p", "lab/a").folder.write_bytes(b"a file where the folder is to be")
    with_fault = Landing(settings.root, "p", "lab/a")
    outcome = try_generator(task, task.requests, with_fault, settings, workers=None)  # type: ignore[arg-type]
    assert outcome.code in (Code.CRASH, Code.NO_SPACE) and outcome.images == 0


def test_a_generator_at_which_another_process_works_is_not_given_up(plan, settings):
    """The other one is held by a descriptor of its own, as another process's would be."""
    task = plan.tasks[0]
    with table_lock(settings.root, "landing/lab--a"):
        pass
    with open(Path(settings.root) / ".locks" / "landing__lab--a.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        landing = Landing(settings.root, "p", "lab/a")
        workers = SimpleNamespace(stopping=threading.Event())
        outcome = try_generator(task, task.requests, landing, settings, workers)
        assert outcome.code is not None and not outcome.code.permanent
        assert "LockHeld" in outcome.message
        (Path(settings.root) / "landing" / "downloads" / "lab--a").mkdir(parents=True)
        sweep(settings.root)
        assert (Path(settings.root) / "landing" / "downloads" / "lab--a").exists()
    sweep(settings.root)
    assert not (Path(settings.root) / "landing" / "downloads" / "lab--a").exists()


def test_the_largest_download_begins_first_and_an_adapters_holds_its_base():
    sizes = {"lab/small": generator("lab/small", 5), "lab/lora": generator("lab/lora", 1, base_size=9)}
    work = [Work(ModelTask(one, ()), (), Landing("x", "p", key), 1) for key, one in sizes.items()]
    assert [one.task.generator.generator_id for one in largest_first(work)] == ["lab/lora", "lab/small"]


def test_a_run_that_ends_early_begins_nothing_more(settings, monkeypatch):
    several = make_plan([generator(f"lab/{n}") for n in range(20)], [], settings)
    work = standing(several, settings).work
    begun = []

    def tries(plan, work, settings):
        try:
            for one in work:
                begun.append(one.task.generator.generator_id)
                outcome = Outcome(begun[-1], Code.HUB_ERROR, "away", 1.0, 0, 0, None, datetime.now(UTC))
                yield one, outcome
        finally:
            begun.append("closed")

    monkeypatch.setattr(generate, "_driver", lambda settings: nullcontext(tries))
    with pytest.raises(EnvironmentAtFault, match="the last 8 generators all failed with HUB_ERROR: away"):
        generate._sample(several, Standing(work, 0, 0), settings)
    assert begun[8:] == ["closed"]
