"""Configuration of the jobs that keep the lake in order."""

from dataclasses import dataclass, field

from etl.lake.schemas import TABLES

_NAMES = {table.name for table in TABLES}


@dataclass(frozen=True)
class MaintainSettings:
    """What to put in order."""

    root: str = "lake"
    """where the lake lies: a folder, or an object store's address"""
    tables: list[str] = field(default_factory=list)
    """tables to put in order, such as images or training_rows/mine; by default all that there are"""
    target_mb: float = 128.0
    """size that data files are brought to"""
    retention_days: float = 7.0
    """how long files of replaced versions stay; those of versions that training sets name stay always"""
    release: list[str] = field(default_factory=list)
    """training sets, as NAME@VERSION, whose versions may go: they can then neither be made again nor trained on,
    unless another set names the same versions"""
    dry_run: bool = False
    """only say what would be done"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = _problems_of_tables(self.tables)
        if self.target_mb <= 0:
            found.append("--target_mb must be positive")
        if self.retention_days < 0:
            found.append("--retention_days must be at least 0")
        return found


@dataclass(frozen=True)
class RepairSettings:
    """What to look for and what to do about it."""

    root: str = "lake"
    """where the lake lies, a folder"""
    tables: list[str] = field(default_factory=list)
    """tables to look at, such as images or training_rows/mine; by default all that there are"""
    drop_lost: bool = False
    """take files that are lost or damaged off the tables' logs, with their rows: what was lost is said"""
    dry_run: bool = False
    """only list what is there"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = _problems_of_tables(self.tables)
        if "://" in self.root:
            found.append("--root must be a folder: object stores neither tear files nor leave unfinished ones")
        return found


def _problems_of_tables(tables: list[str]) -> list[str]:
    unknown = [name for name in tables if name not in _NAMES and not name.startswith("training_rows/")]
    return [f"--tables: there is no table {', '.join(unknown)}"] if unknown else []
