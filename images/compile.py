"""In a Dockerfile: numpy without BLAS and code for newer CPUs, of /sources for $TARGETARCH.

Into /out go the libraries of numpy that images keep; the rest is as in its wheel. It runs on the
machine that builds, with the compiler for the other architecture's: nothing is emulated.
"""

import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
LIBRARIES = ("_core/_multiarray_umath", "fft/_pocketfft_umath", "linalg/_umath_linalg")
OPTIONS = {
    "blas": "none",
    "lapack": "none",
    "allow-noblas": "true",
    "debug": "false",
    "optimization": "1",
    "cpu-dispatch": "none",
    "disable-highway": "true",
    "disable-intel-sort": "true",
    "disable-svml": "true",
}
MACHINE_FILE = """\
[binaries]
c = '{prefix}gcc-12'
cpp = '{prefix}g++-12'
ar = '{prefix}gcc-ar-12'
cython = ['{python}', '-m', 'cython']
[built-in options]
c_args = ['-isystem', '{sources}/include']
cpp_args = ['-isystem', '{sources}/include']
"""
OTHER_MACHINE = """\
[host_machine]
system = 'linux'
cpu_family = '{machine}'
cpu = '{machine}'
endian = 'little'
[properties]
longdouble_format = '{longdouble}'
"""
LONG_DOUBLES = {"x86_64": "INTEL_EXTENDED_16_BYTES_LE", "aarch64": "IEEE_QUAD_LE"}


def main(sources: Path, out: Path, machine: str) -> None:
    work = Path("/tmp/numpy")
    work.mkdir(parents=True)
    (archive,) = sources.glob("numpy-*.tar.gz")
    # Its hash is locked; the filters of newer Pythons are not in this one.
    with tarfile.open(archive) as opened:
        opened.extractall(work)
    (source,) = work.iterdir()
    os.environ |= {"PYTHONPATH": str(sources / "cython"), "PYTHONDONTWRITEBYTECODE": "1"}
    os.environ["PATH"] = "/usr/bin:/bin"
    built = work / "built"
    configure(source, built, machine, sources)
    suffix = f".cpython-311-{platform.machine()}-linux-gnu.so"
    names = [f"numpy/{name}{suffix}" for name in LIBRARIES]
    run("/usr/bin/ninja", "-j2", "-C", built, *names)
    for name, library in zip(names, LIBRARIES, strict=True):
        place = out / "numpy" / f"{library}.cpython-311-{machine}-linux-gnu.so"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(built / name, place)
    shutil.copy(built / "numpy/__config__.py", out / "numpy/__config__.py")
    shutil.rmtree(work)


def configure(source: Path, built: Path, machine: str, sources: Path) -> None:
    meson = source / "vendored-meson/meson/meson.py"
    settings: list[object] = ["--native-file", machine_file(built, sources, platform.machine())]
    if machine != platform.machine():
        settings += ["--cross-file", machine_file(built, sources, machine)]
    options = [f"-D{name}={value}" for name, value in OPTIONS.items()]
    run(sys.executable, meson, "setup", built, source, *settings, *options)


def machine_file(built: Path, sources: Path, machine: str) -> Path:
    text = MACHINE_FILE + (OTHER_MACHINE if machine != platform.machine() else "")
    values = {"machine": machine, "longdouble": LONG_DOUBLES[machine], "sources": sources}
    prefix = f"/usr/bin/{machine}-linux-gnu-"
    path = built.parent / f"{machine}.ini"
    path.write_text(text.format(prefix=prefix, python=sys.executable, **values))
    return path


def run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True)
    if done.returncode:
        said = done.stdout[-4000:] + done.stderr[-2000:]
        sys.exit(f"compile.py: {command[0]} ended with {done.returncode}:\n{said}")


if __name__ == "__main__":
    main(
        Path("/sources", os.environ["BUILDARCH"]),
        Path("/out"),
        MACHINES[os.environ["TARGETARCH"]],
    )
