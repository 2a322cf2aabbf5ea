from pathlib import Path

from twite.thermal import read_thermal


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_machine_without_sensors_has_no_readings(tmp_path: Path) -> None:
    thermal = read_thermal(tmp_path)
    assert thermal == ({}, None, None, ())
    assert thermal.hottest_c is None


def test_a_hot_board_says_how_hot_and_what_holds_it_back(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone"
    write(tmp_path, f"{zone}0/type", "cpu-thermal\n")
    write(tmp_path, f"{zone}0/temp", "81234\n")
    write(tmp_path, f"{zone}1/type", "cpu-thermal\n")
    write(tmp_path, f"{zone}1/temp", "45000\n")
    write(tmp_path, f"{zone}2/temp", "cannot be read\n")
    policy = "sys/devices/system/cpu/cpufreq/policy0"
    write(tmp_path, f"{policy}/scaling_max_freq", "600000\n")
    write(tmp_path, f"{policy}/cpuinfo_max_freq", "1500000\n")
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    thermal = read_thermal(tmp_path)
    assert thermal.temperature_c == {"cpu-thermal": 81.234, "cpu-thermal#2": 45.0}
    assert thermal.hottest_c == 81.234
    assert thermal.frequency == 0.4
    assert thermal.held_back == ("under-voltage", "throttled")


def test_throttling_of_every_core_is_counted(tmp_path: Path) -> None:
    for core, count in enumerate((3, 4)):
        folder = f"sys/devices/system/cpu/cpu{core}/thermal_throttle"
        write(tmp_path, f"{folder}/core_throttle_count", f"{count}\n")
    assert read_thermal(tmp_path).throttled_events == 7


def test_this_machine_can_be_read() -> None:
    read_thermal()
