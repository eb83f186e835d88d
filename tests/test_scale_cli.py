"""`nas scale` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest

import nas as package
from nas.latency import Setting
from tests.cli import nas


@pytest.fixture
def scale(capsys, monkeypatch, tmp_path):
    """`nas scale ARGUMENTS...` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(nas, capsys, monkeypatch, "scale")


def test_both_rules_are_shown_and_the_answer_is_marked(scale):
    run = scale("efficientnet", "--phi", 3)
    assert run.status == 0
    base, published, powers = run.out.splitlines()[1:4]
    assert base.split()[:2] == ["efficientnet_b0", "base"]
    words = ["*", "efficientnet_b3", "published", "3", "1.400", "1.200", "1.339", "300", "12,233,232", "1.827G", "10.15", "GB"]
    assert published.split() == words
    assert powers.split()[:2] == ["efficientnet_b0_phi3", "powers"]
    other = scale("efficientnet_b0", "--phi", 3, "--rule", "powers").out.splitlines()
    assert other[2].split()[:3] == ["*", "efficientnet_b0_phi3", "powers"]
    assert other[3].split()[0] == "efficientnet_b3"


def test_json_has_what_is_asked_of_it(scale):
    made = json.loads(scale("efficientnet", "--phi", 3, "--json").out)
    assert (made["params"], made["resolution"], made["depth"], made["width"]) == (12_233_232, 300, 1.4, 1.2)
    assert made["macs"] == pytest.approx(1.83e9, rel=0.005)
    assert made["rule"] == "published"
    assert made["exact"] is True
    assert made["coefficients"] == {"depth": 1.4, "width": 1.2, "resolution": 300 / 224}
    assert made["law"] == {"alpha": 1.2, "beta": 1.1, "gamma": 1.15}
    assert made["base"]["params"] == 5_288_548
    assert [row["rule"] for row in made["rows"]] == ["published", "powers"]
    assert made["memory_bytes"] == package.load("efficientnet_b3").cost().training_bytes(32)


@pytest.mark.parametrize(("name", "phi"), [("resnet50", 1), ("vit_s16", 1), ("efficientnet_b3", -0.5), ("vgg16", 0)])
def test_any_network(scale, name, phi):
    made = json.loads(scale(name, "--phi", phi, "--json").out)
    assert made["rule"] == "powers"
    assert (made["params"] > made["base"]["params"]) == (phi > 0)


def test_what_is_written_is_read_by_every_verb(scale, tmp_path):
    run = scale("resnet20", "--phi", 1, "--out", "scaled.yaml")
    assert run.out.splitlines()[-1] == "wrote scaled.yaml"
    text = (tmp_path / "scaled.yaml").read_text()
    assert text.startswith("# nas scale resnet20 --phi 1 --out scaled.yaml\n# resnet20 by the rule powers at phi 1: depth 1.2, ")
    made = json.loads(scale("scaled.yaml", "--phi", 0, "--json").out)
    assert made["digest"] == package.load("resnet20").scaled(1).digest == package.load(tmp_path / "scaled.yaml").digest


def test_a_name_that_holds_line_breaks_stays_in_its_comment(scale, tmp_path):
    text = package.load("resnet20").to_yaml().replace("name: resnet20", 'name: "a\\nname: b"')
    (tmp_path / "odd.yaml").write_text(text)
    assert scale("odd.yaml", "--phi", 1, "--out", "scaled.yaml").status == 0
    assert package.load(tmp_path / "scaled.yaml").input == (3, 36, 36)


def test_targets(scale):
    made = json.loads(scale("efficientnet", "--target-macs", "1.8G", "--json").out)
    assert (made["exact"], made["rule"]) == (True, "powers")
    assert made["macs"] == made["target"]["reached"] == pytest.approx(1.8e9, rel=0.03)
    memory = json.loads(scale("resnet50", "--target-memory", "2GiB", "--batch", 8, "--json").out)
    assert memory["memory_bytes"] == pytest.approx(2 * 2**30, rel=0.03)
    assert memory["batch"] == 8


def test_a_target_that_no_step_meets_says_so(scale):
    run = scale("resnet20", "--target-macs", "100M")
    assert run.status == 0
    assert "no step lies within 3%: the nearest on either side are shown, the nearer is taken" in run.out
    made = json.loads(scale("resnet20", "--target-macs", "100M", "--json").out)
    assert made["exact"] is False
    assert len(made["rows"]) == 2


def test_latency_is_measured(scale, monkeypatch):
    """As if a network took a millisecond for ten million multiply-adds."""
    asked = []

    def measure(networks, setting):
        asked.append(str(setting))
        return [SimpleNamespace(median_ms=network.cost(aux=False).macs / 1e7) for network in networks]

    monkeypatch.setattr("nas.latency.measure", measure)
    made = json.loads(scale("mobilenet_v2", "--target-latency-ms", 60, "--json").out)
    assert made["macs"] == pytest.approx(6e8, rel=0.03)
    assert set(asked) == {str(Setting())}
    assert len(asked) < 30


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("resnet50",), "neither --phi nor a target given; allowed: one of --phi, --target-macs"),
        (("resnet50", "--phi", 1, "--target-macs", "1G"), "--phi and --target-macs given; allowed: one of"),
        (("resnet50", "--phi", "nan"), "phi=nan; allowed: a finite number"),
        (("resnet50", "--phi", 33), "parameters; allowed: 1e+12, or any with --force"),
        (("efficientnet", "--phi", 1.5, "--rule", "published"), "allowed: rule powers, or a whole phi from 0 to 7"),
        (("efficientnet", "--phi", 1, "--rule", "published", "--beta", 2), "--rule published with --alpha, --beta or --gamma"),
        (("efficientnet", "--target-macs", "1G", "--rule", "published"), "--rule published with a target; allowed: --rule powers"),
        (("resnet50", "--target-macs", "many"), "--target-macs='many' is not a count"),
        (("resnet50", "--target-memory", "4 apples"), "--target-memory='4 apples' is not a size of memory"),
        (("resnet50", "--target-params", "0"), "--target-params=0; allowed: a finite number above 0"),
        (("resnet50", "--target-params", "10"), "params of 10 is out of reach of resnet50; nearest: 65.43K at phi=-37.5"),
        (("resnet50", "--phi", 1, "--alpha", 0), "--alpha"),
        (("resnet50", "--phi", 1, "--out", "no/where.yaml"), "cannot write no/where.yaml: no such folder"),
        (("resnet5", "--phi", 1), "unknown network 'resnet5'"),
        (("two.yaml", "--phi", 1), "two.yaml is an ensemble; allowed: a single network"),
    ],
)
def test_bad_input_is_one_line(scale, tmp_path, arguments, says):
    (tmp_path / "two.yaml").write_text(package.ensemble(["resnet20", "resnet32"]).to_yaml() if "two.yaml" in arguments else "")
    run = scale(*arguments)
    assert run.status == 2
    assert says in run.err
    assert run.err.count("\n") == 1
    assert not (tmp_path / "scaled.yaml").exists()


def test_torch_is_not_imported():
    program = (
        "import sys; sys.argv = ['nas', 'scale', 'efficientnet', '--phi', '3']\n"
        "from nas.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print({'torch', 'numpy', 'optuna', 'ray'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
