"""What the chart renders, and what the how-to has one make beside it, starts: without the supervisor.

Kubernetes' part is played here: Secrets become files and variables, a volume is a folder, a Service an address.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import httpx
import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]  it has none
import orjson
import pytest
import yaml
from heraldry.chassis.bus.rights import CONTEXTS, SIGNER
from heraldry.chassis.bus.server import binary, free_port
from heraldry.gateway import assets

pytestmark = [pytest.mark.parts, pytest.mark.timeout(400)]

Helm: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Object: TypeAlias = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "deploy" / "k8s" / "heraldry"
GUIDE: Final = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text(encoding="utf-8")
DEADLINE: Final = 120.0  # seconds
LOOPBACK: Final = "127.0.0.1"


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def run(program: str, folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def secrets(folder: Path) -> dict[str, dict[str, bytes]]:
    """What the how-to's `kubectl create secret` commands make: keys and contents, by name. KurrentDB's are one's own."""
    found: dict[str, dict[str, bytes]] = {}
    guide, _, _ = GUIDE.partition("\n## With KurrentDB\n")
    for name, source in re.findall(r"create secret generic (\S+) --from-file=(\S+)$", guide, re.MULTILINE):
        path = folder / source
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        found[name] = {file.name: file.read_bytes() for file in files}
    return found


@contextmanager
def process(
    words: list[str | Path], folder: Path, environment: Mapping[str, str]
) -> Generator[subprocess.Popen[bytes]]:
    """A program that is ended at the end; what it says is in <folder>/said."""
    with (folder / "said").open("wb") as said:
        started = subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=said)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def wait(condition: Callable[[], bool], running: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + DEADLINE
    while not condition():
        said = (folder / "said").read_text(encoding="utf-8", errors="replace")[-3000:]
        assert running.poll() is None, said
        assert time.monotonic() < until, said
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def pods(helm: Helm) -> dict[str, Object]:
    ended = helm("template", "heraldry", CHART)
    assert ended.returncode == 0, ended.stderr
    found = [one for one in yaml.safe_load_all(ended.stdout) if one["kind"] == "Deployment"]
    return {
        one["spec"]["template"]["spec"]["containers"][0]["name"]: one["spec"]["template"] for one in found
    }


def environment(template: Object, given: Mapping[str, Mapping[str, bytes]], data: Path) -> dict[str, str]:
    """As the kubelet would make it, with the image's own; <data> stands for the volume at /data."""
    found = {"PATH": os.environ["PATH"], assets.VARIABLE: str(ROOT / assets.FOLDER)}
    for entry in template["spec"]["containers"][0]["env"]:
        if "value" in entry:
            found[entry["name"]] = re.sub(r"^/data(?=/|$)", str(data), entry["value"])
        else:
            reference = entry["valueFrom"]["secretKeyRef"]
            found[entry["name"]] = given[reference["name"]][reference["key"]].decode()
    return found


def mount_keys(template: Object, given: Mapping[str, Mapping[str, bytes]], data: Path) -> None:
    volumes = [volume for volume in template["spec"]["volumes"] if volume["name"] == "keys"]
    if not volumes:  # the signer makes its own
        return
    (volume,) = volumes
    (data / "keys").mkdir()
    for source in volume["projected"]["sources"]:
        for item in source["secret"]["items"]:
            path = data / "keys" / item["path"]
            path.write_bytes(given[source["secret"]["name"]][item["key"]])
            path.chmod(volume["projected"]["defaultMode"])


@contextmanager
def nats(given: Mapping[str, Mapping[str, bytes]], folder: Path) -> Generator[str]:
    """The server with the how-to's configuration, on a port and a folder of this machine; its address."""
    config: Object = orjson.loads(given["heraldry-nats-config"]["nats.conf"])
    assert (config["host"], config["port"]) == ("0.0.0.0", 4222)
    assert config["jetstream"]["store_dir"] == "/data"
    port = free_port(LOOPBACK)
    config |= {"host": LOOPBACK, "port": port}
    config["jetstream"]["store_dir"] = str(folder / "store")
    (folder / "nats.conf").write_bytes(orjson.dumps(config))
    with process([binary(), "--config", folder / "nats.conf"], folder, dict(os.environ)) as running:
        said = folder / "said"
        wait(lambda: "Server is ready" in said.read_text(encoding="utf-8"), running, folder)
        yield f"nats://{LOOPBACK}:{port}"


def test_the_guides_nats_is_what_kubernetes_accepts() -> None:
    (manifest,) = snippets("yaml")
    found = [one for one in yaml.safe_load_all(manifest) if one]
    assert [one["kind"] for one in found] == ["Service", "StatefulSet"]
    for one in found:
        assert kubernetes_validate.validate(one, "1.25", strict=True) == "1.25"
        assert kubernetes_validate.validate(one, "1.37", strict=True) == "1.37"


def test_keys_made_again_are_the_same(tmp_path: Path) -> None:
    keys, _ = snippets("python")
    run(keys, tmp_path)
    before = secrets(tmp_path)
    run(keys, tmp_path)
    assert secrets(tmp_path) == before
    assert set(before["heraldry-nats-passwords"]) == {*CONTEXTS, SIGNER}
    assert len(base64.b64decode(before["heraldry-master-key"]["master.key"])) == 32
    everyones = {path.name for path in (tmp_path / "cluster").rglob("*") if path.stat().st_mode & 0o077}
    assert everyones == set()
    gateways = before["heraldry-nats-callout"]["nats.json"].decode()
    assert not [p for p in before["heraldry-nats-passwords"].values() if p.decode() in gateways]


def test_what_the_chart_renders_starts_beside_what_the_guide_makes(helm: Helm, tmp_path: Path) -> None:
    keys, streams = snippets("python")
    run(keys, tmp_path)
    given = secrets(tmp_path)
    templates = pods(helm)
    server = tmp_path / "nats"
    server.mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(nats(given, server))
        guides = "nats://127.0.0.1:4222"
        assert guides in streams
        run(streams.replace(guides, url), tmp_path)

        started: dict[str, tuple[subprocess.Popen[bytes], Path, str]] = {}
        for service, template in templates.items():
            data = tmp_path / service
            data.mkdir()
            mount_keys(template, given, data)
            told = environment(template, given, data)
            port = free_port(LOOPBACK)
            told |= {"HERALDRY_HOST": LOOPBACK, "HERALDRY_PORT": str(port), "HERALDRY_NATS_URL": url}
            words = [Path(sys.executable).parent / "heraldry", *template["spec"]["containers"][0]["args"]]
            running = stack.enter_context(process(words, data, told))
            started[service] = (running, data, f"http://{LOOPBACK}:{port}")

        assert set(started) == {*CONTEXTS, SIGNER}
        for service, (running, data, address) in started.items():
            asked = templates[service]["spec"]["containers"][0]
            ready, live = (
                address + asked[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")
            )
            wait(lambda ready=ready: answers(ready), running, data)
            assert answers(live)
            scraped = address + templates[service]["metadata"]["annotations"]["prometheus.io/path"]
            assert "heraldry_event_loop_lag_seconds" in httpx.get(scraped, timeout=10).text
            log = data / "store" / f"{service}.sqlite3"
            own = data / "keys" / "signer" / "signing.key"
            assert (log.is_file(), own.is_file()) == (service != SIGNER, service == SIGNER)

        first = orjson.loads((started["gateway"][1] / "run" / "first-admin.json").read_bytes())["url"]
        assert first.startswith("http://localhost:8080/first/")
        gateway = started["gateway"][2]
        running, data, _ = started["gateway"]
        wait((data / "audit" / "gateway.jsonl").is_file, running, data)  # signed by the signer
        assert httpx.get(first.replace("http://localhost:8080", gateway), timeout=30).is_success

        for running, _, _ in started.values():
            running.terminate()
        assert {service: running.wait(30) for service, (running, _, _) in started.items()} == dict.fromkeys(
            (*CONTEXTS, SIGNER), 0
        )
