"""Training sets for others: Parquet as Community Forensics was released, folders, or WebDataset, and a card."""

from etl.images.exports.folders import Folders
from etl.images.exports.form import Form
from etl.images.exports.released import Released
from etl.images.exports.webdataset import WebDataset

FORMS: dict[str, Form] = {form.name: form for form in (Released(), Folders(), WebDataset())}
"""By name, as --format takes them."""

__all__ = ["FORMS", "Form"]
