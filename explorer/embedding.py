"""A process that embeds image files: a path a line in, {"embedding": [...]} or {"code", "detail"} a line out."""

import json
import sys
from pathlib import Path
from typing import Any

from etl.errors import ConfigError
from etl.images.decoder import shared_decoder
from etl.images.decoding import Refused
from etl.images.features.backbone import resolve
from etl.images.features.measures import examine


def main() -> None:
    """Load the network that the first argument names (name@checksum), and answer until there is no more input."""
    wanted = sys.argv[1]
    backbone = resolve(wanted.rpartition("@")[0])
    if backbone is None or backbone.identity != wanted:
        raise ConfigError(f"the lake's embeddings are of {wanted}, whose weights are not installed here")
    from etl.images.features.embedding import load

    net = load(backbone)
    for line in sys.stdin:
        print(json.dumps(_answer(net, Path(line.rstrip("\n")))), flush=True)


def _answer(net: Any, file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    try:
        shared_decoder().inspect(data)
    except Refused as refused:
        return {"code": refused.code.value, "detail": refused.detail}
    square = examine(data, None, net.side).square
    return {"embedding": net.embed([square])[0].tolist()}


if __name__ == "__main__":
    main()
