import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from spec import conda, piplines


def translate(*dependencies: object) -> conda.Translation:
    return conda.translate({"name": "env", "channels": ["conda-forge"], "dependencies": list(dependencies)})


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=2.3.1", "numpy==2.3.1.*"),
        ("numpy=2.3.1.*", "numpy==2.3.1.*"),
        ("numpy=2.3*", "numpy==2.3.*"),
        ("numpy==2.3.1", "numpy==2.3.1"),
        ("numpy 1.2", "numpy==1.2"),
        ("numpy 1.2.*", "numpy==1.2.*"),
        ("numpy==1.2.*", "numpy==1.2.*"),
        ("numpy>=1,<2", "numpy>=1,<2"),
        ("numpy >=1, <2", "numpy>=1,<2"),
        ("numpy >= 1 , < 2", "numpy>=1,<2"),
        ("numpy>=1.26.*", "numpy>=1.26"),
        ("numpy = 1.26", "numpy==1.26.*"),
        ("numpy !=1.5", "numpy!=1.5"),
        ("numpy~=1.22.0", "numpy~=1.22.0"),
        ("numpy=*", "numpy"),
        ("numpy *", "numpy"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy==1.26.4=py311h64a7726_0", "numpy==1.26.4"),
        ("numpy 1.26.4 py311h64a7726_0", "numpy==1.26.4"),
        ("numpy=*=*openblas", "numpy"),
        ("conda-forge::numpy=1.26", "numpy==1.26.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("numpy[version='>=1']", "numpy>=1"),
        ('numpy[version=">=1,<2",build=py*]', "numpy>=1,<2"),
        ("numpy[build=py311*]", "numpy"),
        ("NumPy=1.26", "numpy==1.26.*"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("pytorch::pytorch==2.1.0", "torch==2.1.0"),
        ("opencv=4.8", "opencv-python-headless==4.8.*"),
        ("py-opencv==4.8.0", "opencv-python-headless==4.8.0.*"),
        ("pytables", "tables"),
        ("matplotlib-base>=3.5", "matplotlib>=3.5"),
        ("py-xgboost=1.7", "xgboost==1.7.*"),
        ("msgpack-python", "msgpack"),
        ("tensorflow-base=2.12", "tensorflow==2.12.*"),
        ("ray-serve=2.9", "ray[serve]==2.9.*"),
        ("psycopg2", "psycopg2-binary"),
        ("ruamel.yaml", "ruamel.yaml"),
        ("scikit-learn=1.5.2", "scikit-learn==1.5.2.*"),
        ("python-dateutil", "python-dateutil"),
        ("librosa=0.10", "librosa==0.10.*"),
        ("setuptools=59", "setuptools==59.*"),
        ("pillow=10", "pillow==10.*"),
    ],
)
def test_match_specs(spec: str, requirement: str) -> None:
    result = translate(spec)
    assert result.errors == ()
    assert result.requirements == (requirement,)


def test_a_fuzzy_version_matches_the_version_itself() -> None:
    (requirement,) = translate("numpy=2.3.1").requirements
    accepted = [
        version
        for version in ("2.3.1", "2.3.1.1", "2.3.2", "2.3.10")
        if version in Requirement(requirement).specifier
    ]
    assert accepted == ["2.3.1", "2.3.1.1"]


@pytest.mark.parametrize(
    ("spec", "python"),
    [
        ("python=3.10", "3.10"),
        ("python==3.10.12", "3.10.12"),
        ("python 3.8.*", "3.8"),
        ("python=3.8.5=h7579374_1", "3.8.5"),
        ("python", None),
        ("python>=3.9", ">=3.9"),
        ("python>=3.9,<3.12", ">=3.9,<3.12"),
        ("conda-forge::python=3.11", "3.11"),
    ],
)
def test_python(spec: str, python: str | None) -> None:
    result = translate(spec, "pip")
    assert (result.python, result.requirements, result.errors) == (python, (), ())


@pytest.mark.parametrize(
    "name",
    [
        "cudatoolkit=11.8",
        "mkl",
        "libgcc-ng",
        "nodejs",
        "r-base",
        "gcc",
        "openjdk",
        "pytorch-cuda=12.1",
        "__cuda",
        "gcc_linux-64",
        "xorg-libx11",
        "libopencv",
        "snappy",
        "conda",
        "ffmpeg=6",
        "spacy-model-en_core_web_sm",
    ],
)
def test_what_only_conda_has_is_refused_by_name(name: str) -> None:
    result = translate("numpy", name)
    ((field, message),) = result.errors
    assert field == "dependencies.1"
    assert f"`{name.partition('=')[0]}`" in message
    assert "real conda or mamba" in message
    assert "container runtime" in message


@pytest.mark.parametrize(
    "spec",
    [
        "numpy>=1|<0.5",
        "=1.2",
        "https://host/x.conda",
        "numpy=^1.*$",
        "numpy=>1",
        "numpy=not a version",
        "",
        "x" * 9 + "!",
    ],
)
def test_a_spec_without_a_pip_form_is_refused(spec: str) -> None:
    result = translate(spec)
    assert [field for field, _ in result.errors] == ["dependencies.0"]
    assert result.requirements == ()


def test_the_pip_part_keeps_the_users_lines_in_order() -> None:
    result = translate(
        "python=3.10",
        "numpy=1.22",
        {
            "pip": [
                "--extra-index-url https://download.pytorch.org/whl/cpu",
                "azureml-inference-server-http==1.4.1",
                "torch>=2  # the cpu build",
                "Pillow[xmp]~=10.0; python_version < '3.12'",
                "--find-links=https://wheels.example.com/",
                "--pre",
                "--only-binary :all:",
                "--no-cache-dir",
                "--prefer-binary",
                "# nothing",
            ]
        },
    )
    assert result.errors == ()
    assert result.requirements == (
        "numpy==1.22.*",
        "azureml-inference-server-http==1.4.1",
        "torch>=2",
        "Pillow[xmp]~=10.0; python_version < '3.12'",
    )
    assert result.pip_options == (
        "--extra-index-url https://download.pytorch.org/whl/cpu",
        "--find-links https://wheels.example.com/",
        "--pre",
        "--only-binary :all:",
    )


def test_pip_has_the_last_word_on_a_package_that_conda_names_too() -> None:
    result = translate("numpy=1.22", "pytorch", {"pip": ["NumPy==1.23.5"]})
    assert result.requirements == ("torch", "NumPy==1.23.5")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-r requirements.txt", "instead of naming another file"),
        ("--requirement=base.txt", "instead of naming another file"),
        ("-c constraints.txt", "constraints"),
        ("-e .", "code directory"),
        ("./wheels/mine-1.0-py3-none-any.whl", "local path"),
        ("../other", "local path"),
        ("/opt/x", "local path"),
        ("mine-1.0-py3-none-any.whl", "local path"),
        ("mine @ file:///opt/mine", "must name an `https`"),
        ("file:///opt/mine.whl", "must name an `https`"),
        ("--find-links ./wheels", "must name an `https`"),
        ("--index-url ftp://host/simple", "must name an `https`"),
        ("--index-url http://host/simple", "(or `http` on this host)"),
        ("--find-links http://10.0.0.1/wheels", "(or `http` on this host)"),
        ("--index-url git+https://host/simple", "must name an `https`"),
        ("mine @ http://host/mine-1.0-py3-none-any.whl", "(or `http` on this host)"),
        ("http://host/mine-1.0-py3-none-any.whl", "(or `http` on this host)"),
        ("git+http://host/mine.git#egg=mine", "(or `http` on this host)"),
        ("--trusted-host pypi.example.com", "valid certificate"),
        ("--extra-index-url https://me:hunter2@host/simple", "credentials"),
        ("https://me:hunter2@host/mine-1.0-py3-none-any.whl", "credentials"),
        ("mine @ git+https://hunter2@host/mine.git", "credentials"),
        ("git+ssh://git@host/mine.git#egg=mine", "must name an `https`"),
        ("--extra-index-url https://${TOKEN}@host/simple", "variable"),
        ("--index-url", "must name an `https`"),
        ("--no-binary", "not supported"),
        ("--user", "allowed are"),
        ("numpy=1.22", "`numpy==1.22`"),
        ("numpy==1.22 --hash=sha256:aa", "not checked"),
        ("not a requirement", "PEP 508"),
        ("numpy==", "PEP 508"),
        ("https://host/archive/main", "which package"),
    ],
)
def test_pip_lines_that_are_refused(line: str, says: str) -> None:
    result = translate({"pip": ["flask", line]})
    ((field, message),) = result.errors
    assert field == "dependencies.0.pip.1"
    assert says in message
    assert "hunter2" not in message
    assert result.requirements == ("flask",)


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("https://host/mine-1.0-py3-none-any.whl", "mine @ https://host/mine-1.0-py3-none-any.whl"),
        ("https://host/mine-1.0.tar.gz", "mine @ https://host/mine-1.0.tar.gz"),
        ("git+https://host/mine.git@v1#egg=mine", "mine @ git+https://host/mine.git@v1"),
        ("mine @ https://host/mine.zip", "mine @ https://host/mine.zip"),
    ],
)
def test_urls_over_https_are_requirements(line: str, requirement: str) -> None:
    result = translate({"pip": [line]})
    assert (result.requirements, result.errors) == ((requirement,), ())


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], ""),
        ("numpy", ""),
        ({"dependencies": "numpy"}, "dependencies"),
        ({"dependencies": [1.5]}, "dependencies.0"),
        ({"dependencies": [{"npm": ["x"]}]}, "dependencies.0"),
        ({"dependencies": [{"pip": ["x"], "npm": []}]}, "dependencies.0"),
        ({"dependencies": [{"pip": [3]}]}, "dependencies.0.pip.0"),
        ({"dependancies": ["numpy"]}, "dependancies"),
        ({"variables": {"A": "b"}, "dependencies": []}, "variables"),
    ],
)
def test_documents_of_another_shape(document: object, field: str) -> None:
    assert [found for found, _ in conda.translate(document).errors] == [field]


def test_every_error_is_reported_at_once() -> None:
    result = translate("mkl", "numpy", {"pip": ["-e .", "flask", "-r x"]})
    assert [field for field, _ in result.errors] == ["dependencies.0", "dependencies.2.pip.0", "dependencies.2.pip.2"]


def test_an_empty_document_asks_for_nothing() -> None:
    result = conda.translate({"name": "base", "dependencies": None})
    assert (result.python, result.requirements, result.errors) == (None, (), ())


def test_the_canonical_form_ignores_the_order_of_keys_only() -> None:
    one = conda.translate({"name": "a", "dependencies": ["x", "y"]})
    other = conda.translate({"dependencies": ["x", "y"], "name": "a"})
    swapped = conda.translate({"name": "a", "dependencies": ["y", "x"]})
    assert one.canonical == other.canonical == '{"dependencies":["x","y"],"name":"a"}'
    assert swapped.canonical != one.canonical


def test_a_requirements_file() -> None:
    result = conda.parse_requirements(
        "# model\nnumpy>=1.26,<2\n\npandas \\\n  ==2.2.3\n-r more.txt\n--index-url https://host/simple\n"
    )
    assert result.requirements == ("numpy>=1.26,<2", "pandas   ==2.2.3")
    assert result.pip_options == ("--index-url https://host/simple",)
    assert [field for field, _ in result.errors] == ["line 6"]
    assert result.python is None


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@given(json_like)
def test_no_document_breaks_it(document: object) -> None:
    result = conda.translate(document)
    json.loads(result.canonical)


@given(st.text(alphabet="abnumpy=<>!~.,*|[]'\"0123456789 :/-_#@\\", max_size=24))
def test_whatever_it_accepts_pip_understands(text: str) -> None:
    for result in (translate(text), translate({"pip": [text]}), conda.parse_requirements(text)):
        for line in result.requirements:
            Requirement(line)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url http://127.0.0.1:8080/simple",
        "--extra-index-url http://localhost/simple",
        "mine @ http://[::1]:9/mine-1.0-py3-none-any.whl",
    ],
)
def test_plain_http_is_for_this_host(line: str) -> None:
    assert piplines.parse(line) is not None


def test_a_real_conda_takes_what_only_conda_can_say() -> None:
    document = {"dependencies": ["python=3.11", "cudatoolkit=11.8", "numpy 1.26|1.27", "numpy>=1", {"pip": ["six"]}]}
    alone, helped = conda.translate(document), conda.translate(document, has_conda=True)
    assert [where for where, _ in alone.errors] == ["dependencies.1", "dependencies.2"]
    assert helped.errors == ()
    assert (helped.python, helped.requirements) == ("3.11", ("numpy>=1", "six"))
    assert helped.canonical == alone.canonical
    wrong = {"dependencies": ["=", "https://host/x.conda"], "variables": {"A": "b"}}
    assert conda.translate(wrong, has_conda=True).errors == conda.translate(wrong).errors
