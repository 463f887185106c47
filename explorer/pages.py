"""The pages: their names in addresses, titles, icons and groups."""

from dataclasses import dataclass
from pathlib import Path

VIEWS = Path(__file__).parent / "views"


@dataclass(frozen=True)
class Place:
    """One page of the explorer; `name` is its file in views/ and its address."""

    name: str
    title: str
    icon: str
    group: str

    @property
    def path(self) -> str:
        return f"views/{self.name}.py"


PLACES: tuple[Place, ...] = (
    Place("overview", "Overview", "dashboard", "Lake"),
    Place("health", "Health", "monitor_heart", "Lake"),
    Place("sql", "SQL", "terminal", "Lake"),
    Place("models", "Models", "category", "Catalogue"),
    Place("generators", "Generators", "brush", "Catalogue"),
    Place("images", "Images", "photo_library", "Images"),
    Place("image", "One image", "image_search", "Images"),
    Place("diversity", "Diversity", "bubble_chart", "Images"),
    Place("training_sets", "Training sets", "dataset", "Images"),
    Place("evaluation", "Evaluation", "monitoring", "Detectors"),
    Place("compare", "Compare", "compare_arrows", "Detectors"),
    Place("experiments", "Experiments", "science", "Detectors"),
    Place("try_it", "Try it", "upload_file", "Detectors"),
)


def places() -> list[Place]:
    """Return the pages whose view is there."""
    return [place for place in PLACES if (VIEWS / f"{place.name}.py").exists()]
