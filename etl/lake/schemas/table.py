"""What a declared table is, and the short names of column types that declarations use."""

from dataclasses import dataclass

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

_NAMES: dict[str, DataType] = {
    "string": StringType(),
    "int": IntegerType(),
    "long": LongType(),
    "double": DoubleType(),
    "boolean": BooleanType(),
    "binary": BinaryType(),
    "timestamp": TimestampType(),
    "strings": ArrayType(StringType()),
}

_KEPT = "interval 3650 days"
"""How long Delta keeps its log and takes removed files for needed. By default it drops commits after 30 days, and
with them versions that training sets name; what may go is decided by `forensics maintain`."""


def struct(**columns: str | DataType) -> StructType:
    """Return a schema of nullable columns, each given by a short name or by a type."""
    return StructType([StructField(n, _NAMES[t] if isinstance(t, str) else t) for n, t in columns.items()])


@dataclass(frozen=True)
class Table:
    """One Delta table: `name` is its folder under the lake's root, `key` identifies a row."""

    name: str
    key: tuple[str, ...]
    schema: StructType
    append_only: bool = False
    holds_images: bool = False
    """Rows carry encoded images: written uncompressed, in row groups of about 8 MB."""
    clustered_by: tuple[str, ...] = ()
    """Two columns by which `forensics maintain` sorts the rows, so that who reads a part of them skips files."""

    @property
    def columns(self) -> list[str]:
        return self.schema.fieldNames()

    @property
    def properties(self) -> dict[str, str]:
        """What is set on the table in Delta, whoever creates it."""
        always = {
            "delta.enableDeletionVectors": "false",
            "delta.logRetentionDuration": _KEPT,
            "delta.deletedFileRetentionDuration": _KEPT,
        }
        return always | ({"delta.appendOnly": "true"} if self.append_only else {})
