"""The rules of who may import whom, and what every package keeps to."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("etl", "generation", "training", "explorer")
MAY_IMPORT = {
    "etl": {"etl"},
    "generation": {"generation", "etl"},
    "training": {"training", "etl"},
    "explorer": {"explorer", "etl"},
}
ONLY_IMPORTER = {
    "petastorm": {"training/reader.py"},
    "mlflow": {"training/tracking.py"},
    "streamlit": {"explorer/"},
}


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_of_ours_only_what_it_may(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)
        assert ours <= MAY_IMPORT[package], f"{path} imports {ours - MAY_IMPORT[package]}"


def test_nobody_imports_a_job():
    for path in sources():
        jobs = {name for name in imports(path) if ".jobs." in f"{name}."}
        assert not jobs, f"{path} imports the jobs {jobs}"


@pytest.mark.parametrize("library", ONLY_IMPORTER)
def test_a_library_that_may_be_replaced_has_one_importer(library):
    allowed = tuple(str(ROOT / place) for place in ONLY_IMPORTER[library])
    for path in sources():
        if library in {name.split(".")[0] for name in imports(path)}:
            assert str(path).startswith(allowed), f"{path} imports {library}"


def test_delta_is_written_through_the_lake_only():
    for path in sources():
        if "etl/lake/" not in path.as_posix():
            text = path.read_text(encoding="utf-8")
            for word in ("DeltaTable", "write_deltalake", "_jvm", "sparkContext", ".rdd"):
                assert word not in text, f"{path} uses {word}"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_can_be_imported(package):
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        if ".views" not in found.name and found.name not in ("explorer.app", "etl.demo.hub.__main__"):
            importlib.import_module(found.name)


def test_every_folder_of_code_is_a_package():
    for path in sources():
        assert (path.parent / "__init__.py").exists(), f"{path.parent} has no __init__.py"


def test_a_job_is_short_and_has_a_main():
    for package in PACKAGES:
        for path in (ROOT / package / "jobs").glob("[a-z]*.py"):
            lines = path.read_text(encoding="utf-8").splitlines()
            assert len(lines) <= 100, f"{path} has {len(lines)} lines"
            assert any(line.startswith("def main(argv") for line in lines), f"{path} has no main(argv)"
