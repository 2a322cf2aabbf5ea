"""The rules of the house that no other tool checks."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("runtime/twite", "build/twite_build")
WRITTEN = (*SHIPPED, "bench", "examples", "tests", "tools")
LONGEST_FILE, LONGEST_FUNCTION, MOST_EXPORTS = 400, 40, 8


def sources(folders: tuple[str, ...]) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def nodes(folders: tuple[str, ...], kind: type[ast.AST]) -> Iterator[tuple[Path, ast.AST]]:
    for path in sources(folders):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                yield path, node


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '?')}"


def length(node: ast.AST) -> int:
    return int(getattr(node, "end_lineno", 0)) - int(getattr(node, "lineno", 0)) + 1


def project(path: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / path).read_text())["project"]
    return table


def test_only_the_commands_print_or_exit() -> None:
    speaking = {"print", "sys.exit", "exit", "quit", "SystemExit"}
    found = [
        place(path, node)
        for path, node in nodes(SHIPPED, ast.Call)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in speaking
    ]
    assert [spot for spot in found if not re.search("/cli.py:|/commands/", spot)] == []


def test_only_settings_reads_the_environment() -> None:
    # A converter may write it for its own process: TensorFlow has no other way to be quiet.
    found: list[str] = []
    for path in sources(SHIPPED):
        tree = ast.parse(path.read_text())
        texts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        reads = texts.count("os.environ") - texts.count("os.environ.update")
        if path.name != "settings.py" and (reads or "os.getenv" in texts):
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_nothing_catches_everything() -> None:
    found = [
        place(path, node)
        for path, node in nodes(WRITTEN, ast.ExceptHandler)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or "BaseException" in ast.unparse(node.type))
    ]
    assert found == []


def test_functions_and_files_stay_short() -> None:
    long = [
        f"{place(path, node)} has {length(node)} lines"
        for kind in (ast.FunctionDef, ast.AsyncFunctionDef)
        for path, node in nodes(WRITTEN, kind)
        if length(node) > LONGEST_FUNCTION
    ]
    counts = {path: len(path.read_text().splitlines()) for path in sources(WRITTEN)}
    long += [f"{path} has {count} lines" for path, count in counts.items() if count > LONGEST_FILE]
    assert long == []


def test_files_are_named_after_what_they_hold() -> None:
    empty = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
    assert [path for path in sources(WRITTEN) if path.stem.strip("_") in empty] == []


def test_the_packages_export_few_names() -> None:
    for folder in SHIPPED:
        tree = ast.parse((ROOT / folder / "__init__.py").read_text())
        public = [
            name
            for node in tree.body
            for name in _bound(node)
            if not name.startswith("_") or name == "__version__"
        ]
        assert len(public) <= MOST_EXPORTS, f"{folder} exports {public}"


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def test_folders_of_the_repository_are_no_packages() -> None:
    # build/__init__.py would shadow the module that builds wheels; tests/ has equal basenames.
    inner = (ROOT / "tests").rglob("__init__.py")
    assert [*ROOT.glob("*/__init__.py"), *inner] == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "locks").glob("*.txt")))
def test_locks_pin_and_hash_everything_and_name_no_address(name: str) -> None:
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    assert not re.search(r"://|file:|index-url|find-links|(?<![\w-])/[a-z]", text)
    logical = text.replace("\\\n", " ").splitlines()
    requirements = [line for line in logical if line.strip() and not line.lstrip().startswith("#")]
    assert requirements
    for line in requirements:
        assert re.match(r"[a-z0-9.-]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line


def test_every_target_is_phony_and_documented() -> None:
    # `make bench` would do nothing beside the folder bench/ if it were not phony.
    text = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)[0].split()
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE)
    documented = re.findall(r"^([a-z][a-z-]*):.*## \S", text, re.MULTILINE)
    assert sorted(targets) == sorted(phony) == sorted(documented)
    assert 40 <= len(text.splitlines()) <= 90


def test_git_and_pytest_see_the_folders_named_build() -> None:
    ignored = {line.strip().strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    assert "build" not in ignored
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert "build" not in tools["pytest"]["ini_options"]["norecursedirs"]


def test_the_two_distributions_go_together() -> None:
    runtime, build = project("runtime/pyproject.toml"), project("build/pyproject.toml")
    assert runtime["version"] == build["version"]
    assert f"twite=={runtime['version']}" in str(build["dependencies"])
    assert f"## {runtime['version']}" in (ROOT / "CHANGELOG.md").read_text()
    licence = (ROOT / "LICENSE").read_bytes()
    assert (ROOT / "runtime" / "LICENSE").read_bytes() == licence
    assert (ROOT / "build" / "LICENSE").read_bytes() == licence
