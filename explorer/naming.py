"""What things are called where a person reads."""


def size(number: int | None) -> str | None:
    """Return a number of bytes as a person reads it."""
    if not number:
        return None
    return f"{number / 1e9:,.2f} GB" if number >= 1e8 else f"{number / 1e6:,.1f} MB"


def count(number: int, what: str) -> str:
    """Return how many there are of something, in words."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


TITLES = {
    "family": "Family",
    "architecture": "Architecture",
    "format": "File format",
    "real_source": "Source of reals",
    "source": "Ingested from",
    "licence": "Licence",
    "generator_licence": "Licence of the generator",
    "kind": "Kind of generator",
    "root_model_id": "Root model",
    "pipeline_class": "Pipeline class",
}
"""What columns are called where a person reads."""


def title_of(column: str) -> str:
    """Return what a column is called where a person reads."""
    return TITLES.get(column, column.replace("_", " ").capitalize())
