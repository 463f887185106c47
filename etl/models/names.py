"""Which repository ids and file paths are safe to turn into URLs, folders and log lines.

The patterns are for Spark's `rlike` (Java); Python's `re` reads them alike but for the sign of the text's end.
"""

import re

SAFE_ID = r"\A(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9_.-]{0,95}\z"
"""`owner/name`, or the few old ids without an owner; letters, digits, `_`, `.`, `-`, as the Hub's own rule."""

UNSAFE_ID = r"\.\.|\.git\z|[.-](?:/|\z)"
"""Inside an id that SAFE_ID admits: a parent folder, a name that ends in `.git`, `.` or `-`."""

UNSAFE_PATH = (
    r"\A\z"  # empty
    r"|\A[/~]|\A[A-Za-z]:|\\"  # absolute, a drive, a UNC name
    r"|(?:\A|/)\.{0,2}(?:/|\z)"  # `.`, `..` and empty parts
    r"|[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]"  # control characters, and those that reorder text
    r"|[^/]{256}"  # longer than file systems take
    r"|(?i:(?:\A|/)(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.[^/]*)?(?:/|\z))"  # devices of Windows
)
"""A path that some file system reads as something else than a file below the repository's folder."""


def is_safe_id(model_id: object) -> bool:
    """Whether `model_id` is an id that may stand in a URL and name a folder."""
    if not isinstance(model_id, str):
        return False
    return bool(re.search(_python(SAFE_ID), model_id)) and not re.search(_python(UNSAFE_ID), model_id)


def _python(pattern: str) -> str:
    """Java's end of text is `\\z`, Python's is `\\Z`; neither has the other's."""
    return pattern.replace(r"\z", r"\Z")
