"""What of the catalogue is on this machine, what is missing, and how to mend it."""

import os
import platform
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, NamedTuple

from twite.accelerators.catalogue import CATALOGUE, Accelerator, Choice
from twite.accelerators.presence import usb_devices

ELF_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
LIBRARY_FOLDERS = ("usr/local/lib", "usr/lib", "lib", "usr/lib64", "lib64")
DRIVER_FOLDERS = ("usr/share/vulkan/icd.d", "etc/vulkan/icd.d", "usr/local/share/vulkan/icd.d")

State = Literal["ready", "incomplete", "absent", "unsupported"]


class Place(NamedTuple):
    """Where is looked: the machine's root, and what the environment adds to its folders."""

    root: Path = Path("/")
    library_path: tuple[str, ...] = ()
    vulkan_drivers: tuple[str, ...] | None = None


HERE = Place()
AUTO = Choice("auto", {})


class Finding(NamedTuple):
    """ready when both the device and what drives it are here; else missing and fix say more."""

    name: str
    title: str
    state: State
    devices: tuple[str, ...] = ()
    library: str = ""
    missing: str = ""
    fix: str = ""


def discover(place: Place) -> list[Finding]:
    """One finding for every accelerator of the catalogue but `external`, in its order."""
    return [examine(entry, place) for entry in CATALOGUE if entry.name != "external"]


def examine(entry: Accelerator, place: Place, choice: Choice = AUTO) -> Finding:
    """What there is of one accelerator; the choice may name another library than the usual one."""
    devices = find_devices(entry, place.root)
    found = Finding(entry.name, entry.title, "ready", tuple(devices))
    if entry.kind == "none":
        state: State = "unsupported" if devices else "absent"
        return found._replace(state=state, missing=entry.note)
    board = _model(place.root)
    if entry.kind == "webgpu" and "Raspberry Pi" in board:
        note = f"the GPU of a {board} lacks features that WebGPU needs"
        return found._replace(state="unsupported", missing=note, fix="use the CPU")
    found = found._replace(library=find_library(entry, place, choice.options) or "")
    problems = [check(entry, found, place, choice) for check in CHECKS]
    told = [problem for problem in problems if problem]
    if not told:
        return found
    # Whoever named it gets every reason; else what has no device is only not here.
    is_here = devices or not (entry.devices or entry.usb) or choice.name == entry.name
    return found._replace(
        state="incomplete" if is_here else "absent",
        missing="; ".join(missing for missing, _ in told),
        fix="; ".join(fix for _, fix in told),
    )


def find_devices(entry: Accelerator, root: Path) -> list[str]:
    """Device files and USB devices, as paths on this machine."""
    found: list[str] = []
    for pattern in entry.devices:
        folder, _, name = f"dev/{pattern}".rpartition("/")
        path = root / folder
        if path.is_dir():
            names = sorted(os.listdir(path))  # noqa: PTH208
            found += [str(path / each) for each in names if fnmatch(each, name)]
    vendors = tuple(identity.partition(":")[0] for identity in entry.usb)
    for path_in_sys, identity in usb_devices(root, vendors) if vendors else []:
        if identity in entry.usb:
            found.append(_usb_file(root, Path(path_in_sys)))
    return found


def find_library(entry: Accelerator, place: Place, options: dict[str, str]) -> str | None:
    """The path of the delegate's library, or of a Vulkan driver's manifest."""
    if named := options.get("library"):
        return named if Path(named).is_file() else None
    if entry.kind == "webgpu":
        return next(iter(_drivers(place)), None)
    triplet = f"{platform.machine()}-linux-gnu"
    folders = [Path(folder) for folder in place.library_path]
    for folder in LIBRARY_FOLDERS:
        folders += [place.root / folder, place.root / folder / triplet]
    files = [folder / entry.library for folder in folders] if entry.library else []
    return next((str(file) for file in files if file.is_file()), None)


def machine_of(library: Path) -> str | None:
    """The machine that an ELF file is for, as platform.machine() spells it; None if it is none."""
    try:
        with library.open("rb") as stream:
            header = stream.read(20)
    except OSError:
        return None
    if len(header) < 20 or header[:4] != b"\x7fELF":
        return None
    order: Literal["little", "big"] = "little" if header[5] == 1 else "big"
    number = int.from_bytes(header[18:20], order)
    return ELF_MACHINES.get(number, f"machine {number}")


Problem = tuple[str, str] | None


def _device_problem(entry: Accelerator, found: Finding, place: Place, choice: Choice) -> Problem:
    if found.devices or not (entry.devices or entry.usb) or "library" in choice.options:
        return None
    # A software GPU has no device: only the probe can tell that from a GPU that was not passed in.
    if entry.kind == "webgpu" and choice.name == entry.name:
        return None
    where = ", ".join([f"/dev/{name}" for name in entry.devices] + [f"USB {i}" for i in entry.usb])
    fix = f"load the kernel module ({entry.module}); in a container: {entry.containers}"
    return f"no device: {where}", fix


def _library_problem(entry: Accelerator, found: Finding, place: Place, choice: Choice) -> Problem:
    named = choice.options.get("library")
    if not found.library:
        if entry.name == "external" and not named:
            return "no library is named", entry.note
        if entry.kind == "webgpu":
            return "no Vulkan driver", f"install {entry.package}"
        wanted = named or entry.library
        return (
            f"{wanted} is not there",
            f"install {entry.package}" if not named else "mend the path",
        )
    if entry.kind == "webgpu":
        return None
    came, own = machine_of(Path(found.library)), platform.machine()
    if came is None:
        return f"{found.library} is no library", "install the vendor's library again"
    if came != own:
        return f"{found.library} is for {came}; this machine is {own}", f"install it for {own}"
    return None


def _permission_problem(
    entry: Accelerator, found: Finding, place: Place, choice: Choice
) -> Problem:
    # Any of them will do: a machine may have devices of other users' too.
    if not found.devices or any(os.access(each, os.R_OK | os.W_OK) for each in found.devices):
        return None
    device = Path(found.devices[0])
    try:
        group = device.group()
    except (KeyError, OSError):
        group = str(device.stat().st_gid) if device.exists() else "its group"
    fix = f"add this user to the group {group} (`sudo usermod -aG {group} USER`, then log in again)"
    if found.devices[0].startswith(f"{place.root / 'dev/bus/usb'}"):
        fix = (
            'a udev rule: SUBSYSTEM=="usb", ATTRS{idVendor}=="1a6e|18d1", MODE="0666" in '
            "/etc/udev/rules.d/99-edgetpu.rules, then plug it in again"
        )
    fix += f"; in a container: --group-add {group}"
    return f"no permission for {device}", fix


CHECKS = (_device_problem, _library_problem, _permission_problem)


def _drivers(place: Place) -> list[str]:
    named = place.vulkan_drivers
    if named is not None:
        return [file for file in named if Path(file).is_file()]
    folders = [place.root / folder for folder in DRIVER_FOLDERS]
    return sorted(str(file) for folder in folders for file in folder.glob("*.json"))


def _usb_file(root: Path, path: Path) -> str:
    """The device file of a device in /sys; its own folder where /sys does not tell."""
    try:
        bus, number = ((path / name).read_text().strip() for name in ("busnum", "devnum"))
        return str(root / f"dev/bus/usb/{int(bus):03}/{int(number):03}")
    except (OSError, ValueError):
        return str(path)


def _model(root: Path) -> str:
    try:
        return (root / "proc/device-tree/model").read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
