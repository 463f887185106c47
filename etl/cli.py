"""The `forensics` command: `forensics <verb> [--config FILE] [--key value …]`.

A verb is a job's `main(argv)`, imported only when it is called, so that `--help` needs neither Java nor torch.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

from etl.command import Main, heed_interrupts, interrupts_kept, run
from etl.errors import ConfigError

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("etl.jobs.demo", "run every stage once, on a local demo Hub and the photos that ship with it"),
    "demo-hub": (
        "generation.jobs.demo_hub",
        "build the demo Hub's tiny models and serve them on the loopback",
    ),
    "crawl": ("etl.jobs.crawl", "walk the Hub's models and land their records"),
    "catalogue": (
        "etl.jobs.catalogue",
        "turn landed records into models and generators, eligible or not and why",
    ),
    "plan": (
        "generation.jobs.plan",
        "choose which eligible generators to sample, under a budget of images, bytes and GPU-hours",
    ),
    "generate": (
        "generation.jobs.generate",
        "sample images from the eligible generators, one child process a model",
    ),
    "ingest": ("etl.jobs.ingest", "check and store images, generated ones and your own"),
    "verify": (
        "generation.jobs.verify",
        "make a sample of the generated images again from their rows, and compare",
    ),
    "describe": ("etl.jobs.describe", "measure the images and make their thumbnails"),
    "duplicates": ("etl.jobs.duplicates", "find images that are nearly the same, and their clusters"),
    "leaks": ("etl.jobs.leaks", "list the images of one set that another one holds too, or nearly"),
    "build-training-set": (
        "etl.jobs.build_training_set",
        "write a versioned, generator-disjoint training set",
    ),
    "export": ("etl.jobs.export", "write a training set for others: Parquet, folders or WebDataset, with a card"),
    "withdraw": (
        "training.jobs.withdraw",
        "leave generators out of all training sets to come, and build those that hold them anew",
    ),
    "train": ("training.jobs.train", "train a detector on a training set, logged to MLflow"),
    "evaluate": (
        "training.jobs.evaluate",
        "score images with a detector and judge it by generator, beside baselines",
    ),
    "compare": ("training.jobs.compare", "compare two detectors on the images that both have scored"),
    "score": ("training.jobs.score", "score files, folders or images of the lake: fake, real or abstain"),
    "export-detector": (
        "training.jobs.export_detector",
        "write a detector as an ONNX file with the same logits",
    ),
    "experiment": (
        "training.jobs.experiment",
        "run an experiment's cells, draw its figure, and state its verdict by the rule in its file",
    ),
    "toy-world": (
        "generation.jobs.toy_world",
        "fill a lake with small trained generators, to rerun the paper's findings on a laptop",
    ),
    "report": ("training.jobs.report", "write an experiment's report as one HTML file that needs nothing else"),
    "trends": (
        "training.jobs.trends",
        "lay a run's detection against lineage and release dates, and raise alarms for new generators",
    ),
    "additions": (
        "training.jobs.additions",
        "name the generators that would add most to a training set, sampled ones and others",
    ),
    "summarise": ("etl.jobs.summarise", "write the gold tables: counts, diversity, generator cards"),
    "maintain": (
        "etl.jobs.maintain",
        "compact and cluster the tables, and delete files that no one needs any more",
    ),
    "repair": ("etl.jobs.repair", "find what kills and disks left in the lake, and mend it"),
    "run": ("etl.jobs.run", "run a pipeline of verbs, such as conf/pipelines/daily.yaml"),
    "explore": ("explorer.launch", "open the explorer on the loopback"),
    "mlflow": ("training.jobs.mlflow_ui", "open MLflow's interface on the loopback"),
}


def job(verb: str) -> Main:
    """Return the `main` of a verb. Raises ConfigError for a verb that does not exist."""
    if verb not in VERBS:
        raise ConfigError(f"there is no verb '{verb}'; `forensics --help` lists them")
    with interrupts_kept():
        main: Main = importlib.import_module(VERBS[verb][0]).main
    heed_interrupts()
    return main


def usage() -> str:
    """Return the text of `forensics --help`."""
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb:<{width}}  {help_}" for verb, (_, help_) in VERBS.items())
    return (
        "usage: forensics <verb> [--config FILE] [--key value …]\n\n"
        f"{verbs}\n\n"
        "`forensics <verb> --help` lists a verb's keys, `--print-config` shows what they resolve to.\n"
        "Exit codes: 0 clean, 3 finished with rejects, 4 nothing usable, 5 lock held, 2 wrong usage, 1 crash.\n"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb that `argv` (by default the command line) names and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0 if argv else 2
    if argv[0] == "--version":
        print(version("forensics-lake"))
        return 0
    return run(lambda rest: job(argv[0])(rest), argv[1:])


if __name__ == "__main__":
    sys.exit(main())
