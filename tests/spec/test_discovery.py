"""Which files are ours, whose they are, and Headgate's own files."""

from collections.abc import Callable

import pytest

from spec.document import parse
from spec.loader import Loaded, load
from spec.problem import Severity
from spec.recognition import recognise
from tests.spec.commits import DEPLOYMENT, ENDPOINT, MemoryFiles, without

Build = Callable[..., Loaded]

SCHEMAS = "https://azuremlschemas.azureedge.net/latest"

FOREIGN = {
    ".github/workflows/ci.yml": "on: push\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ secrets.X }}'}]}}\n",
    "docker-compose.yml": "services: {web: {image: x, build: .}}\n",
    "env.yaml": "name: env\nchannels: [x]\ndependencies: [python]\n",
    "k8s.yml": "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n---\napiVersion: v1\n",
    "action.yml": "name: x\ndescription: y\nruns: {using: node20, main: index.js}\n",
    "batch.yml": f"$schema: {SCHEMAS}/batchEndpoint.schema.json\nname: b\nauth_mode: aad_token\n",
    "batch-d.yml": "name: b\nendpoint_name: bb\nmodel: azureml:m:1\ncompute: azureml:c\nmini_batch_size: 10\n",
    "job.yml": "$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json\ncommand: echo\n",
    "data.yml": "name: d\npath: x\ntype: uri_folder\n",
    "list.yml": "[1, 2]\n",
    "empty.yml": "",
    "helm/traffic.yml": "apiVersion: v1\nspec:\n  traffic:\n  {{- if .Values.x }}\n  - y: {{ .Values.y }}\n",
    "template.yml": "{% if x %}\na: [\n",
    "duplicate.yml": "a: 1\na: 2\n",
}

RECOGNISED = [
    ("$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json\nname: x", "endpoint"),
    ("$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json", "deployment"),
    ("$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json", "model"),
    ("$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json", "environment"),
    ("$schema: http://example.org/x.json\nname: x\nauth_mode: key", "endpoint"),
    ("name: x\nauth_mode: key", "endpoint"),
    ("name: x\ntraffic: {a: 100}", "endpoint"),
    ("name: x\nkind: Managed\nauth_mode: key", "endpoint"),
    ("endpoint_name: x", "deployment"),
    ("name: x\ninstance_type: y\nmodel: azureml:m:1", "deployment"),
    ("name: x\ncode_configuration: {}", "deployment"),
    ("name: x\npath: y", "model"),
    ("name: x\npath: y\ntype: MLflow_Model", "model"),
    ("name: x\nimage: y", "environment"),
    ("kind: settings", "settings"),
    ("kind: values", "values"),
    ("kind: rollout_policy\nname: x", "rollout_policy"),
    ("kind: checks\ndeployment: x", "checks"),
    ("kind: rollout\nname: x", "unknown"),
    ("kind: Rollout-Policy\nname: x", "unknown"),
    ("kind: Some-Thing\nname: x", None),
    ("name: x", None),
    ("name: x\npath: y\nother: z", None),
    ("kind: [settings]", None),
    ("apiVersion: v1\nkind: values\n", "values"),
]


@pytest.mark.parametrize(("text", "kind"), RECOGNISED)
def test_recognises_by_content(text: str, kind: str | None) -> None:
    assert recognise(parse("f.yml", text.encode()).mapping) == kind


def test_foreign_files_are_ignored_silently(loaded: Build) -> None:
    found = loaded(FOREIGN)
    assert found.catalog.problems == ()
    assert set(found.catalog.endpoints) == {"shop"}


def test_files_are_found_in_any_folder_and_case_of_suffix(loaded: Build, repository: dict[str, str]) -> None:
    repository["a/b/c/anything.YAML"] = repository.pop("endpoint.yml")
    assert set(loaded().catalog.endpoints) == {"shop"}


def test_names_are_lower_cased(loaded: Build) -> None:
    files = {
        "endpoint.yml": ENDPOINT.replace("shop", "Shop").replace("blue", "BLUE"),
        "blue.yml": DEPLOYMENT.replace("name: blue", "name: Blue").replace("shop", "SHOP"),
    }
    spec = loaded(files).catalog.endpoints["shop"]
    assert (spec.traffic, spec.deployments[0].name) == ((("blue", 100),), "blue")


class TestAttribution:
    def test_endpoint_name_may_be_left_out_where_the_folder_holds_one(self, loaded: Build) -> None:
        assert loaded({"blue.yml": without(DEPLOYMENT, "endpoint_name")}).catalog.endpoints["shop"].deployments

    @pytest.mark.parametrize("files", [{"other.yml": ENDPOINT.replace("shop", "other")}, {"endpoint.yml": None}])
    def test_not_where_it_holds_two_or_none(self, loaded: Build, files: dict[str, str | None]) -> None:
        found = loaded({**files, "blue.yml": without(DEPLOYMENT, "endpoint_name")})
        (problem,) = found.catalog.unattributed
        assert str(problem).startswith("blue.yml:1:1: endpoint_name: `endpoint_name` is missing")

    def test_two_files_of_one_endpoint(self, loaded: Build) -> None:
        found = loaded({"z/again.yml": ENDPOINT}).catalog
        assert found.endpoints == {}
        messages = [str(problem) for problem in found.broken["shop"]]
        assert [message.partition(": name: ")[0] for message in messages] == ["endpoint.yml:2:7", "z/again.yml:2:7"]
        assert "declared by this file and by `z/again.yml`" in messages[0]
        assert "declared by this file and by `endpoint.yml`" in messages[1]

    def test_two_files_of_one_deployment(self, loaded: Build) -> None:
        found = loaded({"blue2.yml": DEPLOYMENT}).catalog.broken["shop"]
        assert [problem.file for problem in found] == ["blue.yml", "blue2.yml"]
        assert "declared by this file and by `blue2.yml`" in found[0].message

    def test_a_deployment_of_no_endpoint(self, loaded: Build) -> None:
        found = loaded({"green.yml": DEPLOYMENT.replace("shop", "shopp").replace("blue", "green")}).catalog
        assert set(found.endpoints) == {"shop"}
        (problem,) = found.broken["shopp"]
        assert str(problem).startswith("green.yml:3:16: endpoint_name: No file declares the endpoint `shopp`")
        assert "Did you mean `shop`?" in problem.message

    def test_the_endpoints_file_alone_is_deleted(self, loaded: Build) -> None:
        (problem,) = loaded({"endpoint.yml": None}).catalog.broken["shop"]
        assert (problem.file, problem.line, problem.field) == ("blue.yml", 3, "endpoint_name")
        assert "bring it back" in problem.message
        assert "where the endpoint is to go, delete its deployments' files too" in problem.message

    @pytest.mark.parametrize(
        ("traffic", "where", "words"),
        [
            (
                "traffic: {bleu: 100}",
                "4:17",
                "names the deployment `bleu`, which no file declares. Did you mean `blue`?",
            ),
            ("traffic: {blue: 100}\nmirror_traffic: {green: 10}", "5:25", "Deployments: blue."),
            ("traffic: {blue: 100}\nmirror_traffic: {blue: 10}", "5:24", "takes live traffic"),
            ("traffic: {blue: 50, Blue: 50}", "4:10", "twice"),
        ],
    )
    def test_traffic_names_deployments(self, loaded: Build, traffic: str, where: str, words: str) -> None:
        (problem,) = loaded({"endpoint.yml": without(without(ENDPOINT, "  "), "traffic") + traffic}).catalog.broken[
            "shop"
        ]
        assert f"{problem.line}:{problem.column}" == where
        assert words in problem.message

    def test_one_bad_endpoint_leaves_its_neighbours(self, loaded: Build) -> None:
        found = loaded({"x/e.yml": "name: other\nauth_mode: kay\n"}).catalog
        assert (set(found.endpoints), set(found.broken)) == ({"shop"}, {"other"})
        assert found.unattributed == ()


class TestUnreadable:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("x/green.yml", "endpoint_name: shop\nname: [green\n"),
            ("x/shop.yml", "name: shop\nauth_mode: key\ntraffic: {blue: 100\n"),
            ("green.yml", "name: green\ninstance_type: [\n"),
            ("blue.yml", DEPLOYMENT + "\tx: y\n"),
            ("blue.yml", DEPLOYMENT.encode() + b"# \xff\n"),
            ("blue.yml", DEPLOYMENT + "---\na: b\n"),
        ],
    )
    def test_broken_yaml_keeps_its_endpoint(self, loaded: Build, path: str, text: str | bytes) -> None:
        found = loaded({path: text}).catalog
        assert found.endpoints == {}
        assert path in {problem.file for problem in found.broken["shop"]}
        assert found.unattributed == ()

    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("x/y.yml", "traffic: [\n"),
            ("x/y.yml", "name: {{X}}\nauth_mode: key\n"),
            ("x/y.yml", "auth_mode: key\n"),
            ("x/y.yml", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ],
    )
    def test_what_could_be_any_endpoints_is_unattributed(self, loaded: Build, path: str, text: str) -> None:
        found = loaded({path: text}).catalog
        assert set(found.endpoints) == {"shop"}
        assert [problem.file for problem in found.unattributed] == [path]

    def test_a_blob_that_cannot_be_read(self, repository: dict[str, str]) -> None:
        files = MemoryFiles(repository)
        files.unreadable = {"blue.yml"}
        (problem,) = load("c", files).catalog.unattributed
        assert "cannot be read from the repository (no such object)" in problem.message

    def test_a_huge_blob_is_never_read(self, repository: dict[str, str]) -> None:
        files = MemoryFiles(repository | {"big.yml": "x"})
        files.sizes = {"big.yml": 1 << 30}
        found = load("c", files).catalog
        assert "big.yml" not in files.reads
        assert "1073741824 bytes" in found.unattributed[0].message

    def test_duplicate_keys_break_the_endpoint(self, loaded: Build) -> None:
        (problem,) = loaded({"blue.yml": DEPLOYMENT + "instance_count: 2\n"}).catalog.broken["shop"]
        assert str(problem).startswith("blue.yml:14:1: instance_count: The key `instance_count` is here twice")

    def test_a_bomb_breaks_the_endpoint(self, loaded: Build) -> None:
        bomb = "tags:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        bomb += "".join(
            f"  {n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n" for m, n in zip("abcdefg", "bcdefgh", strict=True)
        )
        (problem,) = loaded({"blue.yml": DEPLOYMENT + bomb}).catalog.broken["shop"]
        assert "more than 100000 values" in problem.message


class TestOwnFiles:
    def test_unknown_kinds_are_a_warning(self, loaded: Build) -> None:
        found = loaded({"p.yml": "kind: alert_rule\nsteps: []\n"}).catalog
        (warning,) = found.warnings
        assert set(found.endpoints) == {"shop"}
        assert (warning.severity, str(warning)[:13]) == (Severity.WARNING, "p.yml:1:7: ki")
        assert "(checks, rollout_policy, settings, values)" in warning.message

    @pytest.mark.parametrize(
        ("text", "where", "words"),
        [
            ("kind: settings\ncompute: {}\n", "s.yml:2:1: compute:", "Did you mean `computes`?"),
            ("kind: settings\nmax_removed_share: 2\n", "s.yml:2:20: max_removed_share:", "from 0 to 1"),
            ("kind: settings\ninstance_types: {a: {cpu: x, memory: 1Gi}}\n", "s.yml:2:27", "number of cores"),
            ("kind: settings\nenvironments: {a: {python: 3.10}}\n", "s.yml:2:28", "in quotes"),
            ("kind: settings\nenvironments: {a: {python: banana}}\n", "s.yml:2:28", "a Python version"),
            ("kind: settings\nenvironments: {a: {python: '3.11', requirements: [-e .]}}\n", "s.yml:2:51", "`-e .`"),
            ("kind: settings\nenvironments: {a: {python: '3', requirements: [--pre]}}\n", "s.yml:2:48", "a requirem"),
            ("kind: settings\ncomputes: [\n", "s.yml:3:1:", "not valid YAML"),
            ("kind: settings\nkind: settings\n", "s.yml:2:1: kind:", "twice"),
        ],
    )
    def test_malformed_settings_hold_everything(self, loaded: Build, text: str, where: str, words: str) -> None:
        found = loaded({"s.yml": text}).catalog
        (problem,) = found.unattributed
        assert str(problem).startswith(where)
        assert words in problem.message
        assert (found.endpoints, found.broken) == ({}, {"shop": (problem,)})

    def test_two_settings_files(self, loaded: Build) -> None:
        found = loaded({"s.yml": "kind: settings\n", "t.yml": "kind: settings\n"}).catalog
        assert [problem.file for problem in found.unattributed] == ["s.yml", "t.yml"]
        assert "`s.yml` and `t.yml`" in found.unattributed[0].message

    def test_max_removed_share(self, loaded: Build) -> None:
        assert loaded().catalog.max_removed_share == 0.5
        assert loaded({"s.yml": "kind: settings\nmax_removed_share: 0.25\n"}).catalog.max_removed_share == 0.25


class TestPlaceholders:
    VALUES = "kind: values\nvalues: {NAME: shop, COUNT: 2, DEPLOYMENT: blue, FLAG: true}\n"

    def test_are_filled_everywhere(self, loaded: Build) -> None:
        files = {
            "values.yml": self.VALUES,
            "endpoint.yml": "name: {{NAME}}\nauth_mode: key\ntraffic: {'{{DEPLOYMENT}}': 100}\n# {{COMMENT}}\n",
            "blue.yml": DEPLOYMENT.replace("endpoint_name: shop", "endpoint_name: ${NAME}")
            .replace("instance_count: 1", "instance_count: {{ COUNT }}\napp_insights_enabled: ${FLAG}")
            .replace("azureml/openmpi", "<NAME>/<OTHER>/openmpi"),
        }
        found = loaded(files).catalog
        assert found.problems == ()
        spec = found.endpoints["shop"]
        assert spec.traffic == (("blue", 100),)
        assert spec.deployments[0].instance_count == 2
        assert spec.deployments[0].recipe.app_insights_enabled
        assert (
            spec.deployments[0].recipe.environment.image
            == "mcr.microsoft.com/shop/<OTHER>/openmpi4.1.0-ubuntu20.04:latest"
        )

    @pytest.mark.parametrize(
        ("text", "where", "name"),
        [
            ("description: a {{COUN}}\n", "blue.yml:14:14: description:", "COUN"),
            ("description: ${COUN}\n", "blue.yml:14:14: description:", "COUN"),
            ("tags: {'{{COUN}}': x}\n", "blue.yml:14:20: tags.{{COUN}}:", "COUN"),
        ],
    )
    def test_an_unfilled_one_is_named(self, loaded: Build, text: str, where: str, name: str) -> None:
        (problem,) = loaded({"v.yml": self.VALUES, "blue.yml": DEPLOYMENT + text}).catalog.broken["shop"]
        assert str(problem).startswith(where)
        assert (problem.found, problem.allowed) == (name, "COUNT, DEPLOYMENT, FLAG, NAME")
        assert "`COUN` has no value" in problem.message
        assert "Did you mean `COUNT`?" in problem.message

    def test_an_angle_that_is_not_listed_is_text(self, loaded: Build) -> None:
        text = DEPLOYMENT + "description: a <b> c\n"
        assert loaded({"blue.yml": text}).catalog.endpoints["shop"].deployments[0].description == "a <b> c"

    @pytest.mark.parametrize(
        ("path", "key", "value"),
        [
            ("blue.yml", "endpoint_name", "shop"),
            ("blue.yml", "name", "blue"),
            ("endpoint.yml", "name", "shop"),
            ("blue.yml", "instance_type", "Standard_DS3_v2"),
        ],
    )
    def test_an_angle_where_only_a_placeholder_can_be(self, loaded: Build, path: str, key: str, value: str) -> None:
        written = DEPLOYMENT if path == "blue.yml" else ENDPOINT
        files = {path: written.replace(f"\n{key}: {value}", f"\n{key}: <MY_VALUE>", 1)}
        found = loaded(files).catalog
        assert found.endpoints == {}
        (problem,) = [one for one in found.problems if (one.file, one.field, one.found) == (path, key, "MY_VALUE")]
        assert problem.is_error
        assert problem.message == (
            "`<MY_VALUE>` looks like a placeholder, and has no value: list `MY_VALUE` below `values:` "
            "in a YAML file with `kind: values`, or write a value here."
        )
        again = loaded({**files, "v.yml": f"kind: values\nvalues: {{MY_VALUE: {value}}}\n"}).catalog
        assert (again.problems, set(again.endpoints)) == ((), {"shop"})

    def test_an_unfilled_one_where_no_text_may_be(self, loaded: Build) -> None:
        found = loaded({"blue.yml": DEPLOYMENT.replace("instance_count: 1", "instance_count: {{N}}")}).catalog
        (problem,) = found.broken["shop"]
        assert "`N` has no value" in problem.message

    @pytest.mark.parametrize(
        "text", ["kind: values\nvalues: {A: [1]}\n", "kind: values\nvalue: {A: 1}\n", "kind: values\nvalues: {\n"]
    )
    def test_malformed_values_are_unattributed(self, loaded: Build, text: str) -> None:
        found = loaded({"v.yml": text}).catalog
        assert [problem.file for problem in found.unattributed] == ["v.yml"]
        assert set(found.endpoints) == {"shop"}


class TestAssets:
    def test_a_wrong_asset_that_nobody_refers_to_is_a_warning(self, loaded: Build) -> None:
        found = loaded({"m.yml": "name: m\npath: x\ntype: mlflow_model\nversion: []\n"}).catalog
        assert set(found.endpoints) == {"shop"}
        assert [(one.file, one.severity) for one in found.warnings] == [("m.yml", Severity.WARNING)]

    def test_a_wrong_asset_that_is_referred_to_is_said_once(self, loaded: Build) -> None:
        text = DEPLOYMENT.replace("model:\n  path: model/model.pkl", "model: azureml:m:1")
        schema = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\n"
        found = loaded({"m.yml": schema + "name: m\npth: model\n", "blue.yml": text}).catalog
        assert [one.file for one in found.problems] == ["m.yml"]
        assert found.problems[0].is_error
