"""The chart renders what Kubernetes accepts and the services understand, and refuses what would not work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]  it has none
import pytest
import yaml
from heraldry.chassis.bus.rights import CONTEXTS, SIGNER
from heraldry.chassis.health import LIVE, METRICS, PATHS, READY
from heraldry.chassis.recipients import Recipients
from heraldry.chassis.settings import Settings
from heraldry.chassis.store.address import parse
from heraldry.chassis.supervisor.services import services

pytestmark = [pytest.mark.parts, pytest.mark.timeout(300)]  # the first of them fetches helm

Helm: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]
Object: TypeAlias = dict[str, Any]
ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "deploy" / "k8s" / "heraldry"
OLDEST, NEWEST = "1.25", "1.37"
PREFIX: Final = "HERALDRY_"
SIGNERS: Final = f"heraldry-{SIGNER}"

# For every value another one that it may have; `services` stands for each service.
CHANGES: Final[Mapping[str, str]] = {
    "image.repository": '"registry.example/heraldry"',
    "image.tag": '"1.2.3"',
    "image.pullPolicy": '"Always"',
    "imagePullSecrets": '[{"name":"pull"}]',
    "nats.url": '"tls://nats.example:4223"',
    "nats.passwordsSecret": '"other-passwords"',
    "nats.calloutSecret": '"other-callout"',
    "masterKeySecret": '"other-master-key"',
    "persistence.storageClass": '"fast"',
    "persistence.accessMode": '"ReadWriteOncePod"',
    "publicUrl": '"https://heraldry.example"',
    "port": "9000",
    "logLevel": '"DEBUG"',
    "otlpEndpoint": '"http://otel-collector.observability:4318"',
    "scrapingPool": "300",
    "staging": "true",
    "recipientAllowList": '["test.example","https://www.linkedin.com/in/ada"]',
    "allowPrivateAddresses": "true",
    "extraCa.configMap": '"our-ca"',
    "extraCa.key": '"root.pem"',
    "browser.seccompProfile.type": '"RuntimeDefault"',
    "startupSeconds": "61",
    "nodeSelector": '{"disk":"fast"}',
    "tolerations": '[{"key":"reserved","operator":"Exists","effect":"NoSchedule"}]',
    "signer.storage": '"3Gi"',
    "signer.resources": '{"requests":{"cpu":"7m","memory":"1Gi"}}',
    "services.replicas": "0",
    "services.storage": '"77Gi"',
    "services.resources": '{"requests":{"cpu":"7"}}',
}
# These go together: with a store that replicas share there are no volumes, and with TLS there are users.
STORE: Final[Mapping[str, str]] = {
    "store.url": '"kdb+discover://kurrent.example:2113"',
    "store.passwordsSecret": '"store-passwords"',
    "store.caConfigMap": '"store-ca"',
}
OPEN_STORE: Final = "store.url=kdb://kurrent.example:2113?Tls=false"


def render(helm: Helm, *arguments: str) -> str:
    ended = helm("template", "heraldry", CHART, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def objects(rendered: str) -> list[Object]:
    return [found for found in yaml.safe_load_all(rendered) if found]


def deployments(rendered: str) -> dict[str, Object]:
    """By service."""
    return {name: found for name, found in everything_deployed(rendered).items() if name != SIGNER}


def everything_deployed(rendered: str) -> dict[str, Object]:
    """The services, and the signer."""
    return {
        found["metadata"]["labels"]["app.kubernetes.io/component"]: found
        for found in objects(rendered)
        if found["kind"] == "Deployment"
    }


def pods(rendered: str) -> dict[str, Object]:
    return {service: found["spec"]["template"]["spec"] for service, found in deployments(rendered).items()}


def container(pod: Object) -> Object:
    (found,) = pod["containers"]
    return found


def environment(pod: Object) -> dict[str, str]:
    """What is written in the Deployment itself; a reference to a Secret is left out."""
    return {entry["name"]: entry["value"] for entry in container(pod)["env"] if "value" in entry}


def settings(pod: Object) -> Settings:
    """As the service would read them."""
    told = {name.removeprefix(PREFIX).lower(): value for name, value in environment(pod).items()}
    return Settings.model_validate(told)


def changed(*names: str) -> list[str]:
    """Arguments that give these values their other ones."""
    return [
        word
        for name in names
        for key in (
            [f"services.{service}.{name.partition('.')[2]}" for service in CONTEXTS]
            if name.startswith("services.")
            else [name]
        )
        for word in ("--set-json", f"{key}={CHANGES[name]}")
    ]


def with_store(*names: str) -> list[str]:
    return [word for name in names or STORE for word in ("--set-json", f"{name}={STORE[name]}")]


def leaves(values: Object, path: str = "") -> Iterator[str]:
    for name, value in values.items():
        here = f"{path}{name}"
        if here == "signer.resources":
            yield here
        elif here.startswith("services."):
            yield from (f"services.{key}" for key in value)
        elif isinstance(value, dict) and value:
            yield from leaves(cast("Object", value), f"{here}.")
        else:
            yield here


def test_helm_finds_nothing_to_complain_of(helm: Helm) -> None:
    ended = helm("lint", "--strict", CHART)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 chart(s) failed" in ended.stdout + ended.stderr


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("arguments", [[], changed(*CHANGES)], ids=["defaults", "all-changed"])
def test_kubernetes_old_and_new_knows_every_field(helm: Helm, arguments: list[str], version: str) -> None:
    found = objects(render(helm, *arguments))
    assert len(found) == 2 * len(CONTEXTS) + 2 + 1
    for one in found:
        assert kubernetes_validate.validate(one, version, strict=True) == version


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_knows_every_field_with_kurrentdb_too(helm: Helm, version: str) -> None:
    several = [word for service in CONTEXTS for word in ("--set", f"services.{service}.replicas=3")]
    found = objects(render(helm, *with_store(), *several))
    assert len(found) == len(CONTEXTS) + 2 + 1
    for one in found:
        assert kubernetes_validate.validate(one, version, strict=True) == version


def test_every_service_has_a_deployment_that_serves_it(helm: Helm) -> None:
    found = pods(render(helm))
    assert set(found) == set(CONTEXTS)
    known = {service.name for service in services({})}
    for service, pod in found.items():
        assert service in known
        assert container(pod)["args"] == ["serve", service]


def test_every_variable_is_one_that_a_service_reads(helm: Helm) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for service, pod in pods(render(helm, *changed("extraCa.configMap"), *with_store())).items():
        names = [entry["name"] for entry in container(pod)["env"]]
        assert set(names) <= known, service
        assert len(names) == len(set(names)), service


def test_a_service_understands_what_it_is_told(helm: Helm) -> None:
    found = {service: settings(pod) for service, pod in pods(render(helm, *changed(*CHANGES))).items()}
    for service, read in found.items():
        assert (read.mode, read.replica) == ("live", "0")
        assert (read.host, read.port) == ("0.0.0.0", 9000)
        assert (read.nats_url, read.nats_user) == ("tls://nats.example:4223", service)
        assert read.master_key_file == read.data / "keys" / "master.key"
        assert read.log_level == "DEBUG"
        assert read.otlp_endpoint == "http://otel-collector.observability:4318"
    assert found["gateway"].public_url == "https://heraldry.example"
    assert found["mailbox"].allow_private_addresses
    assert found["scheduler"].scraping_pool == int(CHANGES["scrapingPool"])
    assert found["mailbox"].extra_ca_file == Path("/etc/heraldry/ca.pem")


@pytest.mark.parametrize("service", ["mailbox", "linkedin-driver"])
def test_a_staging_copy_writes_to_whom_its_values_name_and_to_nobody_else(helm: Helm, service: str) -> None:
    def may_hear(*values: str) -> tuple[bool, bool]:
        found = Recipients.of(settings(pods(render(helm, *changed(*values)))[service]))
        return found.may_hear("kim@test.example"), found.may_hear("kim@fabrikam.example")

    assert may_hear() == (True, True)
    assert may_hear("staging") == (False, False)
    assert may_hear("recipientAllowList") == may_hear("staging", "recipientAllowList") == (True, False)


def test_secrets_are_named_and_never_given(helm: Helm) -> None:
    rendered = render(helm)
    assert not [found for found in objects(rendered) if found["kind"] in {"Secret", "ConfigMap"}]
    for service, pod in pods(rendered).items():
        (password,) = [entry for entry in container(pod)["env"] if entry["name"] == "HERALDRY_NATS_PASSWORD"]
        secret = {"name": "heraldry-nats-passwords", "key": service}
        assert password == {"name": "HERALDRY_NATS_PASSWORD", "valueFrom": {"secretKeyRef": secret}}
        (keys,) = [volume["projected"] for volume in pod["volumes"] if volume["name"] == "keys"]
        files = {item["path"]: source["secret"]["name"] for source in keys["sources"] for item in source["secret"]["items"]}  # fmt: skip
        gateways_own = {"nats.json": "heraldry-nats-callout"} if service == "gateway" else {}
        assert files == {"master.key": "heraldry-master-key", **gateways_own}


def test_pods_meet_the_restricted_security_standard_on_a_read_only_root(helm: Helm) -> None:
    (user,) = re.findall(
        r"^USER (\d+):\1$", (ROOT / "deploy" / "docker" / "Dockerfile").read_text(), re.MULTILINE
    )
    for service, pod in pods(render(helm)).items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} == {int(user)}
        if service != "linkedin-driver":  # whose browser makes a sandbox of its own, which this would forbid
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container(pod)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["automountServiceAccountToken"] is False
        assert {kind for volume in pod["volumes"] for kind in volume if kind != "name"} <= {
            "persistentVolumeClaim",
            "projected",
            "emptyDir",
            "configMap",
        }
        assert container(pod)["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_signer_is_alone_with_its_key_as_a_user_of_its_own(helm: Helm) -> None:
    rendered = render(helm)
    deployed = everything_deployed(rendered)
    signer = deployed.pop(SIGNER)
    pod = signer["spec"]["template"]["spec"]
    assert (signer["spec"]["replicas"], signer["spec"]["strategy"]) == (1, {"type": "Recreate"})
    assert container(pod)["args"] == ["serve", SIGNER]
    (claim,) = [one for one in objects(rendered) if one["metadata"]["name"] == SIGNERS and one["kind"] == "PersistentVolumeClaim"]  # fmt: skip
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    used = [
        volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if volume["name"] == "data"
    ]
    assert used == [SIGNERS]
    others = [one["spec"]["template"]["spec"] for one in deployed.values()]
    assert not [one for one in others for volume in one["volumes"] if SIGNERS in str(volume)]
    assert pod["securityContext"]["runAsUser"] not in {one["securityContext"]["runAsUser"] for one in others}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container(pod)["securityContext"] == container(others[0])["securityContext"]
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert not [volume for volume in pod["volumes"] if volume["name"] == "keys"]  # no master key
    read = settings(pod)
    assert (read.data, read.nats_user, read.port) == (Path("/data"), SIGNER, 8080)
    (password,) = [one["valueFrom"] for one in container(pod)["env"] if "valueFrom" in one]
    assert password == {"secretKeyRef": {"name": "heraldry-nats-passwords", "key": SIGNER}}
    probes = [container(pod)[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == [
        container(others[0])[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")
    ]


def test_the_names_of_services_become_no_settings(helm: Helm) -> None:
    # A Service `heraldry` would otherwise set HERALDRY_PORT=tcp://… in every pod of the namespace.
    assert all(pod["enableServiceLinks"] is False for pod in pods(render(helm)).values())


def test_probes_and_scrapes_ask_where_a_service_answers(helm: Helm) -> None:
    for found in deployments(render(helm, *changed("port"))).values():
        template = found["spec"]["template"]
        asked = container(template["spec"])
        assert asked["ports"] == [{"name": "http", "containerPort": 9000}]
        paths = {
            probe: asked[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert paths == {
            "startupProbe": {"path": LIVE, "port": "http"},
            "livenessProbe": {"path": LIVE, "port": "http"},
            "readinessProbe": {"path": READY, "port": "http"},
        }
        assert template["metadata"]["annotations"] == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "9000",
            "prometheus.io/path": METRICS,
        }
        assert {LIVE, READY, METRICS} == set(PATHS)


@pytest.mark.parametrize(("seconds", "tries"), [(30, 6), (61, 13), (600, 120)])
def test_a_start_may_take_as_long_as_said(helm: Helm, seconds: int, tries: int) -> None:
    for pod in pods(render(helm, "--set", f"startupSeconds={seconds}")).values():
        probe = container(pod)["startupProbe"]
        assert (probe["periodSeconds"], probe["failureThreshold"]) == (5, tries)


def test_every_log_is_on_a_volume_of_its_own_that_outlives_the_release(helm: Helm) -> None:
    rendered = render(helm)
    claims = {f["metadata"]["name"]: f for f in objects(rendered) if f["kind"] == "PersistentVolumeClaim"}
    del claims[SIGNERS]
    used: list[str] = []
    for found in deployments(rendered).values():
        pod = found["spec"]["template"]["spec"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        assert Path(mounts["data"]) == settings(pod).data
        assert Path(mounts["keys"]) == settings(pod).data / "keys"
        used += [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v["name"] == "data"]
        assert found["spec"]["strategy"] == {"type": "Recreate"}  # two pods never want the volume at once
    assert sorted(used) == sorted(claims)
    for claim in claims.values():
        assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_one_service_leads_to_the_gateways_pods(helm: Helm) -> None:
    rendered = render(helm)
    (service,) = [found for found in objects(rendered) if found["kind"] == "Service"]
    wanted = service["spec"]["selector"].items()
    chosen = {
        name
        for name, found in deployments(rendered).items()
        if wanted <= found["spec"]["template"]["metadata"]["labels"].items()
    }
    assert chosen == {"gateway"}
    assert service["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


@pytest.mark.parametrize("service", CONTEXTS)
def test_several_replicas_are_refused_with_sqlite(helm: Helm, service: str) -> None:
    ended = helm("template", "heraldry", CHART, "--set", f"services.{service}.replicas=2")
    assert ended.returncode != 0
    assert f"services.{service}.replicas is 2, but the store is SQLite" in ended.stderr
    assert "Set it to 1; several replicas need KurrentDB." in ended.stderr


def test_replicas_share_kurrentdb_as_the_user_of_their_service(helm: Helm) -> None:
    rendered = render(helm, *with_store(), "--set", "services.mailbox.replicas=3")
    claims = [f["metadata"]["name"] for f in objects(rendered) if f["kind"] == "PersistentVolumeClaim"]
    assert claims == [SIGNERS]
    found = deployments(rendered)
    assert found["mailbox"]["spec"]["replicas"] == 3
    for service, deployment in found.items():
        assert deployment["spec"]["strategy"] == {"type": "RollingUpdate"}
        pod = deployment["spec"]["template"]["spec"]
        told = settings(pod)
        address = parse(
            told.store_url.get_secret_value(), service, user=told.store_user, password="its password"
        )
        assert (address.user, address.cluster) == (service, True)
        assert "TlsCaFile=%2Fetc%2Fheraldry-store%2Fca.pem" in address.uri
        named = {entry["name"]: entry.get("valueFrom") for entry in container(pod)["env"]}
        secret = {"name": "store-passwords", "key": service}
        assert named["HERALDRY_STORE_PASSWORD"] == {"secretKeyRef": secret}
        assert named["HERALDRY_REPLICA"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        mounts = {mount["name"]: mount["mountPath"] for mount in container(pod)["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        (data,) = [volume for volume in pod["volumes"] if volume["name"] == "data"]
        assert set(data["emptyDir"]) == {"sizeLimit"}  # a replica's own, built from the log


def test_a_server_without_tls_is_told_no_password(helm: Helm) -> None:
    for service, pod in pods(render(helm, "--set", OPEN_STORE)).items():
        told = settings(pod)
        assert parse(told.store_url.get_secret_value(), service).tls is False
        assert "HERALDRY_STORE_PASSWORD" not in [entry["name"] for entry in container(pod)["env"]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (with_store("store.url"), "name store.passwordsSecret, or say ?Tls=false"),
        (["--set", OPEN_STORE, *with_store("store.passwordsSecret")], "a password would not be sent"),
        (["--set", OPEN_STORE, *with_store("store.caConfigMap")], "no certificate looked at"),
        (["--set", "store.url=kdb://ada:secret@kurrent.example"], "/store/url"),
        (["--set", "store.url=postgres://kurrent.example"], "/store/url"),
    ],
)
def test_a_store_that_would_not_be_reached_is_refused(
    helm: Helm, arguments: list[str], complaint: str
) -> None:
    ended = helm("template", "heraldry", CHART, *arguments)
    assert ended.returncode != 0
    assert complaint in ended.stderr


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("replicas=2", "additional properties 'replicas' not allowed"),
        ("services.identity.replica=2", "additional properties 'replica' not allowed"),
        ("services.sandbox.replicas=1", "additional properties 'sandbox' not allowed"),
        ("services.mailbox=null", "missing property 'mailbox'"),
        ("services.mailbox.replicas=-1", "/services/mailbox/replicas"),
        ("services.mailbox.storage=much", "/services/mailbox/storage"),
        ("nats.url=nats://identity:secret@nats:4222", "/nats/url"),
        ("nats.passwordsSecret=", "/nats/passwordsSecret"),
        ("publicUrl=heraldry.example", "/publicUrl"),
        ("port=80", "/port"),
        ("recipientAllowList={ada@test.example bob@test.example}", "/recipientAllowList"),
        ("logLevel=loud", "/logLevel"),
        ("otlpEndpoint=collector:4317", "/otlpEndpoint"),
    ],
)
def test_what_is_no_value_is_refused(helm: Helm, argument: str, complaint: str) -> None:
    ended = helm("template", "heraldry", CHART, "--set", argument)
    assert ended.returncode != 0
    assert complaint in ended.stderr


def test_no_value_is_without_effect_or_explanation(helm: Helm) -> None:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    assert set(leaves(yaml.safe_load(text))) == {*CHANGES, *STORE}
    assert render(helm) != render(helm, "--set", OPEN_STORE)
    for name in ("store.passwordsSecret", "store.caConfigMap"):
        assert render(helm, *with_store()) != render(helm, *with_store(), "--set", f"{name}=other"), name
    for name in CHANGES:
        before = changed("extraCa.configMap") if name == "extraCa.key" else []
        assert render(helm, *before) != render(helm, *before, *changed(name)), name
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"(?:  )?[A-Za-z]+:", line) and not line.startswith("  linkedin-driver"):
            explained = lines[number - 1].lstrip().startswith("#")
            parent = line.endswith(":") and lines[number + 1].lstrip().startswith("#")
            assert explained or parent or line.strip(": ") in CONTEXTS, line


@pytest.mark.parametrize(
    ("public", "says"),
    [
        ("http://localhost:8080", "port-forward svc/heraldry-gateway 8080:8080"),
        ("http://localhost", "port-forward svc/heraldry-gateway 80:8080"),
        ("https://heraldry.example", "Browsers reach it at https://heraldry.example"),
    ],
)
def test_the_notes_say_what_is_still_to_do(helm: Helm, public: str, says: str) -> None:
    ended = helm("install", "heraldry", CHART, "--dry-run=client", "--set", f"publicUrl={public}")
    assert ended.returncode == 0, ended.stderr
    notes = ended.stdout.partition("NOTES:")[2]
    assert says in notes
    for secret in ("heraldry-master-key", "heraldry-nats-passwords", "heraldry-nats-callout"):
        assert f"Secret {secret}" in notes
    assert "KurrentDB" not in notes


def test_the_notes_say_what_kurrentdb_needs(helm: Helm) -> None:
    ended = helm("install", "heraldry", CHART, "--dry-run=client", *with_store())
    notes = ended.stdout.partition("NOTES:")[2]
    assert "Secret store-passwords (one key for each service)" in notes
    assert "KurrentDB at kdb+discover://kurrent.example:2113" in notes
