"""Make a sample of the generated images again from their rows, and compare: the lake is only read."""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from etl.command import run
from etl.config import parse
from etl.errors import FINISHED_WITH_REJECTS, OK
from generation.comparison import Result, table
from generation.execution import start_workers
from generation.verification import Group, draw, grouped, make_again, sampling_settings
from generation.verify_settings import VerifySettings


def main(argv: Sequence[str] | None = None) -> int:
    settings = parse(VerifySettings, argv, "forensics verify", __doc__)
    rows = draw(settings.root, settings.sample, settings.seed, settings.image)
    groups, results = grouped(settings.root, rows)
    if groups:
        results += _made_again(groups, settings)
    for line in table(results):
        print(line)
    if settings.json:
        content = json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False)
        Path(settings.json).write_text(content + "\n", encoding="utf-8")
    return OK if all(result.verdict.good for result in results) else FINISHED_WITH_REJECTS


def _made_again(groups: Sequence[Group], settings: VerifySettings) -> list[Result]:
    """Run the models below a temporary folder, with a bar for people or lines for logs."""
    images = sum(len(group.images) for group in groups)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="forensics-verify-", dir=settings.scratch) as scratch:
        models = sampling_settings(settings, Path(scratch))
        with start_workers(models) as workers, tqdm(total=images, unit="image", disable=None) as bar:
            for found in make_again(groups, settings, Path(scratch), workers):
                results += found
                bar.update(len(found))
                counts = ", ".join(sorted({result.verdict for result in found}))
                bar.write(f"verify: {found[0].generator_id}: {len(found)} images, {counts}", file=sys.stderr)
    return results


if __name__ == "__main__":
    sys.exit(run(main))
