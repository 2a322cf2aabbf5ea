"""A skipped test is named at the end with how to enable it, and fails the session in CI."""

import os
from pathlib import Path

import pytest

MARK = "cannot run here: "

CI_LACKS = ("CPython 3.",)
"""Beginnings of the reasons, after MARK, for which CI may skip: what its machine may not have."""

_skipped: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and isinstance(report.longrepr, tuple):
        _skipped[report.nodeid] = str(report.longrepr[2]).removeprefix("Skipped: ")


def _wrong(reason: str) -> bool:
    """A reason in CI that names nothing CI lacks; elsewhere one that does not tell what to do."""
    if os.environ.get("CI") == "true":
        return not reason.startswith(tuple(MARK + lacking for lacking in CI_LACKS))
    return not (reason.startswith(MARK) and "; " in reason)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and any(map(_wrong, _skipped.values())):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, reason in _skipped.items():
        if _wrong(reason):
            wanted = f"'{MARK}WHAT IS MISSING; HOW TO GET IT', and CI skips only for CI_LACKS"
            terminalreporter.line(f"ERROR {test} skipped: {reason}; wanted: {wanted}", red=True)


@pytest.fixture(scope="session")
def bundles() -> Path:
    """The real bundles in the repository: bundles / "digits" and bundles / "iris"."""
    return Path(__file__).parent / "runtime" / "bundles"
