"""Write a detector as an ONNX file for programs without torch, compared with torch's logits before it is kept."""

import sys
from collections.abc import Sequence

from etl.command import Stage, run
from etl.config import parse
from training.judging_settings import ExportDetectorSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the settings, write the file and its configuration; return the exit code."""
    settings = parse(ExportDetectorSettings, argv, prog="forensics export-detector", description=__doc__)
    # Torch and timm take seconds to load: not for `--help` or a misspelt key.
    from pathlib import Path

    from training import onnx_file, trained

    stage = Stage("export-detector", "detectors")
    done = onnx_file.export(trained.find(settings.root, settings.model), Path(settings.to))
    note = f"{done.name} as {done.file}, logits within {done.difference:.1g} of torch's"
    return stage.finish(1, int(done.written), already_there=int(not done.written), note=note)


if __name__ == "__main__":
    sys.exit(run(main))
