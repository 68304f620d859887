"""An operator's own certificate, which nobody else trusts."""

import subprocess

import pytest
from installation import Installation, deployment_yaml, endpoint_yaml, score


@pytest.mark.real
def test_invoke_trusts_what_the_operator_gave(headgate: Installation) -> None:
    certificate, key = headgate.folder / "c.pem", headgate.folder / "k.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ml.example.test"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    headgate.commit({
        "e/endpoint.yml": endpoint_yaml("iris", {"blue": 100}),
        "e/blue.yml": deployment_yaml("iris", "Blue", "code"),
        "e/code/score.py": score("one"),
    })  # fmt: skip
    headgate.up("--tls-certificate", str(certificate), "--tls-key", str(key))
    headgate.sync()
    assert '"one"' in headgate.cli("invoke", "IRIS", "-d", "{}", "--deployment", "Blue").stdout
    headgate.cli("logs", "Iris/BLUE")
