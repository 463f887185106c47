"""Where a lake's two servers are opened in a browser, for the links from one to the other."""

import os
from urllib.parse import quote, urlencode

EXPLORER_VARIABLE = "FORENSICS_EXPLORER"
"""Environment variable that names where people open the explorer, unless that is its usual place."""
EXPLORER = "http://127.0.0.1:8501"
MLFLOW = "http://127.0.0.1:5000"


def in_explorer(page: str, **parameters: str) -> str:
    """Return the address of one of the explorer's pages."""
    place = os.environ.get(EXPLORER_VARIABLE) or EXPLORER
    return f"{place.rstrip('/')}/{page}?{urlencode(parameters)}"


def run_in_mlflow(place: str, run_id: str) -> str:
    """Return the address of a run in the MLflow that is opened at `place`."""
    return f"{place.rstrip('/')}/#/runs/{quote(run_id, safe='')}"
