"""The files of `cluster/`, as far as they can be checked without a cluster: schemas, versions, options, and who may reach what."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from nas.cli.app import VERBS
from nas.cli.search import command as search

TOP = Path(__file__).parent.parent
FOLDER = TOP / "cluster"
RAY = Path(sys.executable).parent / "ray"  # of this environment, active or not
LAUNCHED = ("aws.yaml", "on-premise.yaml")
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
QUANTITY = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi|Ti)?$"}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def table(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A table with these fields and no others."""
    return {"type": "object", "properties": required | optional, "required": list(required), "additionalProperties": False}


def rows(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1}


# Of the API that https://ray-project.github.io/kuberay/reference/api/ and https://kubernetes.io/docs/reference document,
# the fields that the manifest uses: a misspelt one is an error here, where a server might drop it without a word.
CONTAINER = table(
    {
        "name": NAME, "image": {"type": "string"},
        "resources": table({kind: {"type": "object", "additionalProperties": QUANTITY} for kind in ("requests", "limits")}),
    },
    volumeMounts=rows(table({"name": NAME, "mountPath": {"type": "string", "pattern": "^/"}})),
    ports=rows(table({"containerPort": {"type": "integer", "minimum": 1, "maximum": 65535}, "name": NAME})),
    securityContext=table({"allowPrivilegeEscalation": {"const": False}, "capabilities": table({"drop": {"const": ["ALL"]}})}),
)  # fmt: skip
POD = table(
    {
        "metadata": table({"labels": TEXTS}),
        "spec": table(
            {"containers": rows(CONTAINER)}, restartPolicy={"enum": ["Never", "OnFailure", "Always"]},
            automountServiceAccountToken={"type": "boolean"}, securityContext=table({"fsGroup": {"type": "integer"}}),
            volumes=rows(table({"name": NAME, "persistentVolumeClaim": table({"claimName": NAME})})),
        ),
    }
)  # fmt: skip
COUNT = {"type": "integer", "minimum": 0}
CLUSTER = table(
    {
        "rayVersion": {"type": "string"}, "authOptions": table({"mode": {"enum": ["token", "disabled"]}}),
        "headGroupSpec": table({"rayStartParams": TEXTS, "template": POD}, serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}),
        "workerGroupSpecs": rows(table(
            {"groupName": NAME, "replicas": COUNT, "minReplicas": COUNT, "maxReplicas": COUNT, "rayStartParams": TEXTS, "template": POD}
        )),
    },
    enableInTreeAutoscaling={"type": "boolean"}, autoscalerOptions=table({}, idleTimeoutSeconds=COUNT),
)  # fmt: skip
JOB = table(
    {
        "apiVersion": {"const": "ray.io/v1"}, "kind": {"const": "RayJob"}, "metadata": table({"name": NAME}),
        "spec": table(
            {"entrypoint": {"type": "string"}, "rayClusterSpec": CLUSTER}, submissionMode={"enum": ["K8sJobMode", "HTTPMode"]},
            backoffLimit=COUNT, shutdownAfterJobFinishes={"type": "boolean"}, ttlSecondsAfterFinished=COUNT, submitterPodTemplate=POD,
        ),
    }
)  # fmt: skip
CLAIM = table(
    {
        "apiVersion": {"const": "v1"}, "kind": {"const": "PersistentVolumeClaim"}, "metadata": table({"name": NAME}),
        "spec": table({
            "accessModes": rows({"enum": ["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]}),
            "resources": table({"requests": table({"storage": QUANTITY})}),
        }),
    }
)  # fmt: skip
SELECTOR = table({}, matchLabels=TEXTS)
POLICY = table(
    {
        "apiVersion": {"const": "networking.k8s.io/v1"}, "kind": {"const": "NetworkPolicy"}, "metadata": table({"name": NAME}),
        "spec": table(
            {
                "podSelector": SELECTOR, "policyTypes": {"const": ["Ingress"]},
                "ingress": rows(table(
                    {"from": rows(table({"podSelector": SELECTOR}, namespaceSelector=SELECTOR))},
                    ports=rows(table({"protocol": {"enum": ["TCP", "UDP"]}, "port": {"type": "integer"}})),
                )),
            }
        ),
    }
)  # fmt: skip


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def options(line: str) -> list[str]:
    """The options of `nas search` in a text; raises where it does not know one, or its value."""
    words = shlex.split(line[line.index("nas search") :].split("'")[0])[2:]
    search.make_context("search", list(words))
    return words


def head(name: str) -> str:
    """The comment with which a file starts, without its marks."""
    lines = (FOLDER / name).read_text().splitlines()
    lines = lines[1:] if lines[0].startswith("#!") else lines
    ended = next(index for index, line in enumerate(lines) if not line.startswith("#") or line.startswith("#SBATCH"))
    return "\n".join(line.removeprefix("#").strip() for line in lines[:ended])


@pytest.mark.parametrize("name", ["aws.yaml", "on-premise.yaml", "kuberay.yaml", "slurm.sh"])
def test_each_says_how_it_is_used_what_to_expect_and_who_is_trusted(name: str) -> None:
    text = head(name)
    assert f"cluster/{name}" in text
    assert "To expect:" in text
    assert "Security: whoever reaches Ray's ports" in text
    assert "docs/security.md" in text
    assert (FOLDER / name).read_text().isascii()


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_would_launch_it(name: str) -> None:
    config = prepare_config(read(name))
    validate_config(config)
    assert config["max_workers"] > 0
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    known = subprocess.run([RAY, "start", "--help"], capture_output=True, text=True, check=True).stdout
    for option in re.findall(r"(--[a-z-]+)", " ".join(commands)):
        assert option in known, option
    assert "--dashboard-host=127.0.0.1" in " ".join(commands)
    assert not re.search(r"(?<![0-9])0\.0\.0\.0", (FOLDER / name).read_text())
    assert any("RAY_AUTH_MODE=token" in line for line in config["setup_commands"])
    assert "~/.ray/auth_token" in config["file_mounts"]
    line = head(name)[head(name).index("nas search") :].replace("\n", " ")
    assert "--results" in options(line)


def test_the_machines_of_both_are_private() -> None:
    aws, own = read("aws.yaml"), read("on-premise.yaml")
    assert aws["provider"]["use_internal_ips"] is True
    (rule,) = aws["provider"]["security_group"]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == (22, 22, [{"CidrIp": "10.0.0.0/8"}])
    addresses = [own["provider"]["head_ip"], *own["provider"]["worker_ips"]]
    assert all(address.startswith("192.168.") for address in addresses)
    assert f"--node-ip-address={addresses[0]} " in own["head_start_ray_commands"][1]
    assert own["max_workers"] == len(addresses) - 1
    broken = dict(prepare_config(aws), nothing=1)
    with pytest.raises(jsonschema.ValidationError):
        validate_config(broken)


def test_the_kubernetes_manifest_is_what_its_api_takes() -> None:
    job, claim, policy = yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text())
    jsonschema.validate(job, JOB)
    jsonschema.validate(claim, CLAIM)
    jsonschema.validate(policy, POLICY)
    spec = job["spec"]["rayClusterSpec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    templates = [job["spec"]["submitterPodTemplate"], spec["headGroupSpec"]["template"], *(g["template"] for g in spec["workerGroupSpecs"])]
    for template in templates:
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        (container,) = template["spec"]["containers"]
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys()
    (group,) = spec["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    (volume,) = spec["headGroupSpec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {"--results", "--out", "--address"} <= set(options(job["spec"]["entrypoint"]))
    entry = shlex.split(job["spec"]["entrypoint"])  # as Ray's own shell will
    assert entry[:2] == ["bash", "-c"]
    subprocess.run(["bash", "-n", "-c", entry[2]], check=True)


def test_they_are_of_the_version_of_ray_that_is_tested() -> None:
    pinned = re.search(r"^ray==(\S+)$", (TOP / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert ray.__version__ == pinned[1]
    job = next(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text()))
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__
    assert f"FROM rayproject/ray:{ray.__version__}-py311\n" in (FOLDER / "Dockerfile").read_text()


def test_the_slurm_script_is_read_by_bash_and_says_what_is_missing(tmp_path: Path) -> None:
    script = FOLDER / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    run = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (2, f"usage: sbatch {script} RUN [options of nas search]\n")
    assert script.stat().st_mode & 0o111
    known = subprocess.run([RAY, "start", "--help"], capture_output=True, text=True, check=True).stdout
    started = re.findall(r"ray start .*|^each=.*", script.read_text(), re.MULTILINE)
    for option in re.findall(r"(--[a-z-]+)", " ".join(started)):
        assert option in known, option
    for verb in re.findall(r"^\s+nas (\w+)", script.read_text(), re.MULTILINE):
        assert verb in VERBS
    typed = next(line for line in head("slurm.sh").splitlines() if line.startswith("sbatch cluster/slurm.sh runs/NAME "))
    options(typed.replace("sbatch cluster/slurm.sh runs/NAME", "nas search"))


def test_without_a_private_address_it_does_not_start(tmp_path: Path) -> None:
    fake = tmp_path / "bin"
    fake.mkdir()
    for name, does in (("scontrol", "echo node1"), ("srun", "echo 203.0.113.7 2001:db8::1")):
        (fake / name).write_text(f"#!/bin/sh\n{does}\n")
        (fake / name).chmod(0o755)
    environment = {
        "PATH": f"{fake}:{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path), "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node1",
    }  # fmt: skip
    run = subprocess.run(["bash", FOLDER / "slurm.sh", "run"], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert (run.returncode, run.stderr) == (2, "node1 has no private address; set NAS_ADDRESS to one that only trusted machines reach\n")
    assert not list((tmp_path / ".ray").iterdir())
