"""Make dist/lambda-NAME.zip: the function with a bundle in it, for Lambda's own Python on x86-64.

python tools/lambda_zip.py BUNDLE [--python 3.13] [-o FILE]; `make lambda-zip` does it. The same
bundle, lock and version of Python give the same bytes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from runtime_environments import find

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.12", "3.13")
"""Lambda's own Pythons with a C library that LiteRT's wheels run on."""

LIMIT_BYTES = 250_000_000
CODE = ("entry", "function", "gateway", "inference", "objects", "records", "results", "snapshot")
CODE += ("startup", "telemetry", "tracing")
"""The modules of lambda/ that are the function; the others run it on this machine."""

OF_LAMBDA = ("awslambdaric", "runtime_client*", "simplejson", "snapshot_restore_py*")
"""What Lambda's own Python has already."""

NOT_NEEDED = ("backports", "flatbuffers", "google", "ml_dtypes", "tqdm", "bin", "*_pb2.py")
"""What ai-edge-litert asks for and its interpreter does not import."""

INTERPRETER = ("__init__.py", "interpreter.py", "metrics_portable.py", "metrics_interface.py")
INTERPRETER += ("_pywrap_litert_interpreter_wrapper.so", "libpywrap_litert_common.so")

PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--python", default="3.13", help="3.12 or 3.13")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    manifest = options.bundle / "bundle.json"
    if options.python not in VERSIONS and not options.output:
        known = " and ".join(VERSIONS)
        print(f"lambda-zip: --python is {options.python}; LiteRT runs on {known}", file=sys.stderr)
        return 2
    if not manifest.is_file():
        print(f"lambda-zip: {options.bundle} is no bundle; twite build makes one", file=sys.stderr)
        return 2
    name = json.loads(manifest.read_text())["name"]
    output = options.output or ROOT / "dist" / f"lambda-{name}.zip"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        fill(root, options.bundle, options.python)
        size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
        if size > LIMIT_BYTES:
            too_large = f"{size / 1e6:.0f} MB unpacked; Lambda takes {LIMIT_BYTES / 1e6:.0f}"
            print(f"lambda-zip: {too_large}: use an image", file=sys.stderr)
            return 1
        write(root, output)
    packed = output.stat().st_size
    print(f"{output}: {packed / 1e6:.1f} MB, {size / 1e6:.1f} unpacked, Python {options.python}")
    return 0


def fill(root: Path, bundle: Path, version: str) -> None:
    """The packages, the runtime, the function and the bundle, as they lie in /var/task."""
    install(root, version)
    trim(root)
    shutil.copytree(ROOT / "runtime" / "twite", root / "twite", ignore=without_bytecode)
    for name in CODE:
        shutil.copy(ROOT / "lambda" / f"{name}.py", root)
    shutil.copytree(bundle, root / "bundle")
    compile_all(root, version)


def without_bytecode(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def install(root: Path, version: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    command += ["--implementation", "cp", "--python-version", version, "--target", str(root)]
    command += [f"--platform={platform}_x86_64" for platform in PLATFORMS]
    command += ["--requirement", str(ROOT / "locks" / "lambda.txt")]
    subprocess.run(command, check=True)


def trim(root: Path) -> None:
    """Drop what is never imported; licences stay."""
    for pattern in (*OF_LAMBDA, *NOT_NEEDED):
        for path in [*root.glob(pattern)]:
            remove(path)
    kept = {root / "ai_edge_litert" / name for name in INTERPRETER}
    for path in [*(root / "ai_edge_litert").iterdir()]:
        if path not in kept:
            remove(path)
    for path in [*root.rglob("tests"), *root.rglob("*.pyi")]:
        remove(path)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def compile_all(root: Path, version: str) -> None:
    """Bytecode that Lambda takes without looking at the sources: /var/task cannot be written."""
    python = find(version)
    if python is None:
        hint = f"the first start will be slower; install CPython {version} to have it"
        print(f"lambda-zip: no CPython {version} here, so no bytecode: {hint}", file=sys.stderr)
        return
    command = [python, "-m", "compileall", "-q", "-s", str(root), "-p", "/var/task"]
    command += ["--invalidation-mode", "unchecked-hash", str(root)]
    # Sets of constants are written in the order of their hashes.
    subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": "0"})


def write(root: Path, output: Path) -> None:
    """In the order of their names, all of one time: the same files give the same bytes."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for path in files(root):
            entry = zipfile.ZipInfo(str(path.relative_to(root)), (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
            archive.writestr(entry, path.read_bytes())


def files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
