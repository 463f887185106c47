"""Where images come from: every source lists what it has on the driver, and is opened by the executors."""

from etl.images.sources.entry import Entry, Found, Source
from etl.images.sources.folder import Folder, LaidOut
from etl.images.sources.generated import Generated, complete_lines, generated_plans, record_of
from etl.images.sources.layouts import LAYOUTS, Layout
from etl.images.sources.listing import ImageFolder, Listing
from etl.images.sources.released import Released
from etl.images.sources.webdataset import WebDataset

__all__ = [
    "LAYOUTS", "Entry", "Folder", "Found", "Generated", "ImageFolder", "LaidOut", "Layout", "Listing", "Released",
    "Source", "WebDataset", "complete_lines", "generated_plans", "record_of",
]  # fmt: skip
