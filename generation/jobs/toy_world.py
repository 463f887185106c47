"""Fill a lake with the toy world: small trained generators sampled from a local Hub, and real crops."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from etl.cli import job
from etl.command import Stage, run
from etl.config import parse
from etl.demo.hub import DemoHub
from etl.errors import FINISHED_WITH_REJECTS, OK, AuditFailed
from etl.images import audit
from etl.lake.session import session
from generation.toy_world import filling
from generation.toy_world.repositories import build_toy_hub
from generation.toy_world.settings import ToyWorldSettings

PLAN = "toy-generators"


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(ToyWorldSettings, argv, "forensics toy-world", __doc__)
    stage = Stage("toy-world", "images")
    work = Path(settings.root).resolve() / "toy"
    built = build_toy_hub(work / "hub", settings.kinds, settings.models)
    print(f"toy-world: {len(built)} generators of {len(settings.kinds)} families", flush=True)
    filling.write_prompts(work / "prompts.txt", settings.train_images, settings.test_images)
    reals = filling.write_reals(work / "reals", settings.real_crops)
    with DemoHub(work / "hub") as hub, session("toy-world", settings.master):
        for verb, words in stages(settings, hub.endpoint, work, reals, built):
            code = job(verb)([*words, "--root", settings.root])
            if code not in (OK, FINISHED_WITH_REJECTS):
                return code
    new = filling.assign_splits(settings.root, PLAN)
    expected = len(built) * (settings.train_images + settings.test_images)
    findings = filling.shortcuts(settings.root)
    print("\n".join(audit.report(findings)), flush=True)
    if failed := audit.failures(findings, audit.LIMIT, ["bytes"]):
        raise AuditFailed(f"the toy world's classes can be told by {', '.join(one.view for one in failed)}")
    total = sum(one.n_fake + one.n_real for one in findings if one.view == "format")
    print(f"toy-world: {expected} fakes were asked for", flush=True)
    return stage.finish(total, new, already_there=total - new)


def stages(
    settings: ToyWorldSettings, endpoint: str, work: Path, reals: Path, built: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield (verb, arguments) of each stage, without the root."""
    yield "crawl", ["--endpoint", endpoint]
    yield "catalogue", []
    yield "ingest", ["--source", "list", "--path", str(reals), "--collection", filling.REALS]
    each = settings.train_images + settings.test_images
    plan = ["--plan", PLAN, "--prompts", str(work / "prompts.txt"), "--prompt_assignment", "same"]
    sampling = ["--images_per_generator", str(each), "--batch_size", "16", "--generators", f"[{','.join(built)}]"]
    yield "generate", ["--endpoint", endpoint, *plan, *sampling]
    yield "ingest", ["--source", "generated"]


if __name__ == "__main__":
    sys.exit(run(main))
