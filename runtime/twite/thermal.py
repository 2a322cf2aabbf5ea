"""How warm the processors are and whether they are held back, where the machine says so.

Read when somebody asks, never on a timer: an idle board stays asleep.
"""

from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
RASPBERRY_FLAGS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "too hot"}
"""Bits of the Raspberry Pi firmware's `get_throttled`."""


class Thermal(NamedTuple):
    """temperature_c of each zone by its name, throttled cores per sensor.

    throttled_events counts how often cores were slowed down since the start, where x86 tells it;
    frequency is the slowest core's of what it may reach, 0 to 1; held_back says why, where the
    firmware tells it. None and empty are what this machine does not say.
    """

    temperature_c: dict[str, float]
    throttled_events: int | None
    frequency: float | None
    held_back: tuple[str, ...]

    @property
    def hottest_c(self) -> float | None:
        return max(self.temperature_c.values(), default=None)


def read_thermal(root: Path = ROOT) -> Thermal:
    """The readings of now; never fails, a machine without sensors has none."""
    return Thermal(_temperatures(root), _events(root), _frequency(root), _held_back(root))


def _temperatures(root: Path) -> dict[str, float]:
    """Zones by type, `#2` and on where several have one; millidegrees in the files."""
    found: dict[str, float] = {}
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        name, reading = _text(zone / "type") or zone.name, _number(zone / "temp")
        if reading is not None:
            same = sum(known.partition("#")[0] == name for known in found)
            found[f"{name}#{same + 1}" if same else name] = reading / 1000
    return found


def _events(root: Path) -> int | None:
    counts = root.glob("sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count")
    found = [count for path in counts if (count := _number(path)) is not None]
    return sum(found) if found else None


def _frequency(root: Path) -> float | None:
    found: list[float] = []
    for folder in root.glob("sys/devices/system/cpu/cpufreq/policy*"):
        # The cap that heat lowers, not the present frequency: an idle core is slow by choice.
        allowed, most = _number(folder / "scaling_max_freq"), _number(folder / "cpuinfo_max_freq")
        if allowed and most:
            found.append(min(1.0, allowed / most))
    return min(found, default=None)


def _held_back(root: Path) -> tuple[str, ...]:
    for path in root.glob("sys/devices/platform/soc/soc:firmware/get_throttled"):
        try:
            flags = int(_text(path), 16)
        except ValueError:
            return ()
        return tuple(reason for bit, reason in RASPBERRY_FLAGS.items() if flags >> bit & 1)
    return ()


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    # A sensor may refuse to be read while its device sleeps.
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
