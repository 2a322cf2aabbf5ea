import os
from pathlib import Path

import pytest

from twite.processors import memory_bytes, processors, quota


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_version_2_counts_the_tightest_group_above(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/board/twite\n",
            "sys/fs/cgroup/board/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/board/twite/cpu.max": "max 100000\n",
            "sys/fs/cgroup/board/twite/memory.max": "134217728\n",
            "sys/fs/cgroup/board/memory.max": "max\n",
        },
    )
    assert quota(root) == 0.5
    assert processors(root) == 1
    assert memory_bytes(root) == 134217728


def test_version_1_reads_each_controller_where_it_is_mounted(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/ab\n3:memory:/docker/ab\n0::/docker/ab\n",
            # Inside a container the mount begins at the container's own group.
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert quota(root) == 1.5
    assert memory_bytes(root) is None


@pytest.mark.parametrize("text", ["", "max\n", "-1 100000\n", "many\n", "100000 0\n"])
def test_what_is_no_quota_limits_nothing(text: str, tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/self/cgroup": "0::/\nx\n", "sys/fs/cgroup/cpu.max": text})
    assert quota(root) == float("inf")
    assert processors(root) == len(os.sched_getaffinity(0))


def test_a_machine_without_control_groups_has_its_affinity(tmp_path: Path) -> None:
    assert processors(tmp_path) == len(os.sched_getaffinity(0))
    assert memory_bytes(tmp_path) is None


def test_this_machine_can_be_read() -> None:
    assert 1 <= processors() <= len(os.sched_getaffinity(0))
