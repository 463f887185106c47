"""From configuration to sources."""

from collections.abc import Sequence

from etl.images.fetching import Fetcher
from etl.images.settings import IngestSettings
from etl.images.sources.entry import Source
from etl.images.sources.folder import Folder, LaidOut
from etl.images.sources.generated import generated_plans
from etl.images.sources.layouts import LAYOUTS, Layout
from etl.images.sources.listing import ImageFolder, Listing
from etl.images.sources.released import Released
from etl.images.sources.webdataset import WebDataset
from etl.lake.storage import is_local, workplace


def sources_of(settings: IngestSettings) -> Sequence[Source]:
    """Return the sources that the settings name. Raises NothingUsable where nothing has been generated."""
    path, collection = str(settings.path), str(settings.collection)
    label = 0 if settings.assume_real else None
    match settings.source:
        case "generated":
            return generated_plans(settings.root)
        case "released":
            return [Released(path, collection)]
        case "webdataset":
            return [WebDataset(path, collection, settings.generator, label)]
        case "imagefolder":
            return [ImageFolder(path, collection, settings.generator, label)]
        case "list":
            return [Listing(path, collection, _fetcher(settings), settings.base, settings.generator, label)]
    if layout := Layout(settings.pattern) if settings.pattern else LAYOUTS.get(settings.layout or ""):
        return [LaidOut(path, collection, layout)]
    return [Folder(path, collection, settings.generator, settings.table)]


def _fetcher(settings: IngestSettings) -> Fetcher:
    kept = workplace(settings.root) / "landing" / "downloads" if is_local(settings.root) else None
    return Fetcher(
        str(kept) if kept else None,
        tuple(settings.schemes),
        tuple(settings.hosts),
        tuple(settings.private_hosts),
        settings.fetch_seconds,
    )
