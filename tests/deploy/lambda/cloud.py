"""S3, SQS and Lambda on this machine: moto's server in a process of its own."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from emulated import ROOT

import rie

SAM = ROOT / ".venvs" / "sam"
PACKAGES = next(SAM.glob("lib/python3*/site-packages"), SAM)


def signed(service: str) -> dict[str, str]:
    """A signature of the right form, which is all that moto looks at."""
    scope = f"Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host"
    return {"authorization": f"AWS4-HMAC-SHA256 {scope}, Signature=0"}


class Cloud:
    """Just enough of S3 and SQS, which moto lets anybody use."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=30, headers=signed("s3"))

    def put(self, bucket: str, key: str, body: bytes, content_type: str = "") -> None:
        headers = {"content-type": content_type} if content_type else {}
        self.client.put(f"/{bucket}/{key}", content=body, headers=headers).raise_for_status()

    def read(self, bucket: str, key: str) -> Any:
        return self.client.get(f"/{bucket}/{key}").raise_for_status().json()

    def sqs(self, action: str, path: str = "/", **fields: str) -> str:
        data = {"Action": action, "Version": "2012-11-05", **fields}
        return self.client.post(path, data=data, headers=signed("sqs")).raise_for_status().text


@contextmanager
def running(log: Path) -> Iterator[Cloud]:
    (port,) = rie.free_ports(1)
    command = [SAM / "bin" / "python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=rie.environment({}), start_new_session=True
        )
        try:
            rie.wait_for_port(port, process)
            cloud = Cloud(f"http://127.0.0.1:{port}")
            for bucket in ("pictures", "answers"):
                cloud.client.put(f"/{bucket}").raise_for_status()
            yield cloud
            cloud.client.close()
        finally:
            process.send_signal(signal.SIGINT)
            rie.end(process)
