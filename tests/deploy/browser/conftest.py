"""A headless Chromium, driven by chromedriver over the W3C WebDriver protocol, and a server."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

DEADLINE_S = 30
START_S = 120
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-proxy-server",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    found = shutil.which("chromium") and shutil.which("chromedriver")
    reason = "cannot run here: chromium or chromedriver is not installed; tools/ci_machine.sh"
    for item in items:
        if not found and "browser" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason=reason))


class Browser:
    """One page of a browser; every wait has a deadline."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client, self._session = client, session

    def command(self, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._client.post(f"/session/{self._session}/{path}", json=body or {})
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def go(self, url: str) -> None:
        """Load the page as if it were for the first time."""
        self.command("url", {"url": "about:blank"})
        self.command("url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        return self.command("execute/sync", {"script": script, "args": [*arguments]})

    def wait(self, condition: str) -> Any:
        """What the JavaScript expression becomes when it is true; it may fail until then."""
        deadline, last = time.monotonic() + DEADLINE_S, ""
        while time.monotonic() < deadline:
            try:
                if found := self.run(f"return {condition}"):
                    return found
                last = str(self.run("return document.querySelector('#status')?.textContent"))
            except AssertionError as error:
                last = str(error)
            time.sleep(0.05)
        raise AssertionError(f"never true: {condition}; last seen: {last}")

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).textContent", selector))

    def element(self, selector: str) -> str:
        found = self.command("element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])

    def click(self, selector: str) -> None:
        self.command(f"element/{self.element(selector)}/click")

    def type(self, selector: str, text: str) -> None:
        """Into a field, or a path into a field of files."""
        self.command(f"element/{self.element(selector)}/value", {"text": text})

    def press(self, *keys: str) -> None:
        """Press and release each key, where the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.command("actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def draw(self, selector: str, points: list[tuple[float, float]]) -> None:
        """A stroke of the mouse through points, fractions of the element."""
        box = self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'});"
            "const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]",
            selector,
        )
        moves = [
            {
                "type": "pointerMove",
                "duration": 20,
                "x": round(box[0] + x * box[2]),
                "y": round(box[1] + y * box[3]),
            }
            for x, y in points
        ]
        actions = [moves[0], {"type": "pointerDown", "button": 0}, *moves[1:]]
        actions.append({"type": "pointerUp", "button": 0})
        self.command(
            "actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]}
        )

    def devtools(self, command: str, **parameters: object) -> Any:
        return self.command("goog/cdp/execute", {"cmd": command, "params": parameters})

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Be a screen of this size, in this colour scheme; below 600 pixels a phone."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        found = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def logged(self, kind: str) -> list[dict[str, Any]]:
        """What came into the log 'browser' or 'performance' since it was read last."""
        return list(self.command("se/log", {"type": kind}))

    def requested(self) -> list[str]:
        """The addresses that the page asked for since this was read last."""
        messages = [json.loads(entry["message"])["message"] for entry in self.logged("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests, with a home and a profile of its own."""
    home = tmp_path_factory.mktemp("browser")
    log = home / "driver.log"
    environment = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    with log.open("wb") as output:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    try:
        port = wait_for(driver, log, r"started successfully on port (\d+)")
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, timeout=START_S, trust_env=False) as client:
            session = open_session(client, home / "profile")
            yield Browser(client, session)
            client.delete(f"/session/{session}")
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait(DEADLINE_S)
        end_strays(str(home))


def open_session(client: httpx.Client, profile: Path) -> str:
    options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }
    answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["value"]["sessionId"])


def end_strays(home: str) -> None:
    """Kill what the browser left behind: every process that was started with our folder."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            if home in command and int(folder.name) != os.getpid():
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue


def wait_for(process: "subprocess.Popen[bytes]", log: Path, pattern: str) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if found := re.search(pattern, log.read_text()):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"never came: {pattern}: {log.read_text()}")


@contextmanager
def serving(bundles: list[Path], folder: Path, **environment: str) -> Iterator[str]:
    """The address of the page of a server in a process of its own."""
    log = folder / "log"
    command = [sys.executable, "-m", "twite", "serve", *map(str, bundles), "--port", "0"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield wait_for(process, log, r"on (http://[^ ,]+)") + "/"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE_S)


@pytest.fixture(scope="session")
def url(
    bundles: Path, wire_bundles: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server with every kind of model, digits first."""
    paths = [bundles / "digits", bundles / "iris", *wire_bundles]
    with serving(paths, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def locked_url(bundles: Path, tmp_path: Path) -> Iterator[str]:
    """A server of iris alone that wants an API key."""
    with serving([bundles / "iris"], tmp_path, TWITE_API_KEY="open-sesame") as address:
        yield address
