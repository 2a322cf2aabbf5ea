"""Whether this machine has a device of the catalogue at all: a handful of stat calls.

Apart from the catalogue, because every start of a server asks.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from twite.bundle import Bundle
from twite.settings import Settings, read_library_path, read_vulkan_drivers

if TYPE_CHECKING:
    from twite.accelerators.acceleration import Acceleration

DEVICES = (
    "apex_0",
    "dri",
    "galcore",
    "accel",
    "ethosu0",
    "fastrpc-cdsp",
    "fastrpc-adsp",
    "kgsl-3d0",
    "nvidia0",
    "nvhost-gpu",
    "nvmap",
)
USB_VENDORS = ("1a6e", "18d1")
"""Of the Edge TPU before and after its firmware was loaded."""


def find_accelerator(bundle: Bundle, settings: Settings, threads: int) -> "Acceleration | None":
    """What may run the bundle besides the CPU, still to be begun; None where there is nothing.

    On Lambda there is none, and nothing is looked for. Raises UsageError for an unknown name.
    """
    wanted = settings.accelerator
    if settings.on_lambda or wanted == "cpu" or (wanted == "auto" and not is_any_there()):
        return None
    from twite.accelerators.acceleration import Acceleration, Patience
    from twite.accelerators.catalogue import parse
    from twite.accelerators.discovery import Place

    return Acceleration(
        bundle,
        parse(wanted),
        place=Place(Path("/"), read_library_path(), read_vulkan_drivers()),
        patience=Patience(
            probe_s=settings.accelerator_probe_s,
            call_s=settings.accelerator_call_s,
            check_every=settings.accelerator_check_every,
        ),
        cache_folder=Path(settings.cache_dir) if settings.cache_dir else None,
        threads=threads,
    )


def is_any_there(root: Path = Path("/")) -> bool:
    folder = f"{root}/dev"
    return any(os.path.exists(f"{folder}/{name}") for name in DEVICES) or bool(  # noqa: PTH110
        usb_devices(root, USB_VENDORS)
    )


def usb_devices(root: Path, vendors: tuple[str, ...]) -> list[tuple[str, str]]:
    """The USB devices of these vendors: the folder in /sys and the id, as 18d1:9302."""
    found = []
    for folder in _listed(f"{root}/sys/bus/usb/devices"):
        # An interface, as 1-1:1.0, is no device.
        if ":" in folder:
            continue
        path = f"{root}/sys/bus/usb/devices/{folder}"
        vendor = _read(f"{path}/idVendor")
        if vendor in vendors:
            found.append((path, f"{vendor}:{_read(f'{path}/idProduct')}"))
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _read(file: str) -> str:
    try:
        with open(file) as stream:  # noqa: PTH123
            return stream.read().strip()
    except OSError:
        return ""
