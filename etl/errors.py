"""Named errors of every command, each with the exit code that it ends with.

Exit codes: 0 clean, 3 finished with rejects, 4 nothing usable, 5 lock held, 2 wrong usage or configuration,
1 crash. A message is one sentence that names the cause, followed by what to do about it.
"""

OK = 0
FINISHED_WITH_REJECTS = 3
NOTHING_USABLE = 4


class ForensicsError(Exception):
    """Base of all errors that a command reports in one sentence, without a traceback."""

    exit_code = 1


class ConfigError(ForensicsError):
    """Wrong usage or configuration: unknown keys, wrong types, values out of range. All problems at once."""

    exit_code = 2

    def __init__(self, problems: str | list[str]):
        self.problems = [problems] if isinstance(problems, str) else problems
        super().__init__("; ".join(self.problems))


class JavaMissing(ForensicsError):
    """No Java runtime that Spark can use was found."""

    exit_code = 2


class DeltaJarsMissing(ForensicsError):
    """Spark started but Delta's jars are not on its class path, or could not be resolved."""

    exit_code = 2


class PortInUse(ForensicsError):
    """A server could not bind its port."""

    exit_code = 2


class LakeMissing(ForensicsError):
    """The lake, or a table that a stage reads, does not exist yet."""

    exit_code = 4


class NothingUsable(ForensicsError):
    """A stage found no input that it could use."""

    exit_code = 4


class HubUnreachable(ForensicsError):
    """The Hub could not be reached, or kept refusing, after all retries."""

    exit_code = 4


class CrawlRefused(ForensicsError):
    """The guard refused a crawl that is too unlike the one before; the tables stay as they were."""

    exit_code = 4


class WaveLost(ForensicsError):
    """Spark gave up a wave of generators: nodes or Python processes kept being lost."""


class AuditFailed(ForensicsError):
    """A training set's classes can be told apart by what is no content."""

    exit_code = 4


class SuccessorFailed(ForensicsError):
    """A training set that holds a withdrawn generator's images could not be built again without them."""

    exit_code = 4


class NotTheSame(ForensicsError):
    """What is made once more from its record is not what was recorded."""


class EnvironmentAtFault(ForensicsError):
    """One generator after another failed alike, so that the cause lies not in them; the rest was not tried."""

    exit_code = 4


class DiskFull(ForensicsError):
    """A disk that the lake or Spark writes to has no space left; tables are as before the commit that failed."""

    SAID = "No space left on device"
    """In whatever words of Java, Rust or Python the system's own are told."""

    REMEDY = (
        "a disk is full, the lake's or that of temporary files; the tables are as they were: make space, then "
        "`forensics repair` deletes what was half written, and the same command goes on"
    )

    def __init__(self, message: str = REMEDY):
        super().__init__(message)


class LockHeld(ForensicsError):
    """Another process writes to the same table."""

    exit_code = 5


class LeaseLost(ForensicsError):
    """A lease on a table in an object store ended while its holder wrote, and another process took it."""

    exit_code = 5


class StorageRefused(ForensicsError):
    """An object store does not let us in, or has no such bucket."""

    exit_code = 2


class StorageUnreachable(ForensicsError):
    """An object store does not answer, or failed during a read or a write."""


class SchemaMismatch(ForensicsError):
    """Rows offered to a table do not have the table's columns; the message lists both."""


class DuplicateKeys(ForensicsError):
    """Rows offered to a merge share a key, so that which of them stays would be chance."""


class TableRefused(ForensicsError):
    """A Delta table uses a feature that some reader of the lake gets wrong (deletion vectors, …)."""

    exit_code = 2


class TableOutdated(ForensicsError):
    """A table was made by an older version of the project and lacks columns that are read now."""

    exit_code = 4


class TableDamaged(ForensicsError):
    """A Delta table's log or one of its live files cannot be read."""

    @classmethod
    def of_a_file(cls, error: Exception) -> "TableDamaged":
        """Say what a reader of Parquet has said of a file that it was reading."""
        said = " ".join(str(error).split())[:300]
        return cls(f"a file of the lake cannot be read ({said}): `forensics repair` lists what can be done")


class VersionGone(ForensicsError):
    """Files of an earlier version of a table were vacuumed, or taken off with what was lost."""

    exit_code = 4
