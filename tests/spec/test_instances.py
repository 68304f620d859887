from pathlib import Path

from spec import instances
from spec.release import InstanceType

GOLDEN = Path(__file__).parent / "golden" / "instances.txt"


def test_shipped_sizes_never_change() -> None:
    """A size is part of release digests: add rows to the golden file, never edit one."""
    rows = [line.split() for line in GOLDEN.read_text().splitlines()]
    expected = {name: InstanceType(name, float(cpu), int(memory), int(gpu)) for name, cpu, memory, gpu in rows}
    assert {name: instances.find(name) for name in instances.names()} == expected


def test_case_is_ignored_and_the_name_is_azures() -> None:
    found = instances.find("STANDARD_ds3_V2")
    assert found == InstanceType("Standard_DS3_v2", 4.0, 14 << 30)


def test_fractions_of_a_gibibyte() -> None:
    found = instances.find("Standard_DS1_v2")
    assert found is not None
    assert found.memory == 7 << 29


def test_gpus() -> None:
    found = instances.find("Standard_NC24ads_A100_v4")
    assert found is not None
    assert (found.cpu, found.gpu) == (24.0, 1)


def test_the_repositorys_own_sizes_go_first() -> None:
    own = {"tiny": InstanceType("tiny", 0.5, 1 << 28), "Standard_F2s_v2": InstanceType("Standard_F2s_v2", 1, 1 << 30)}
    assert instances.find("Tiny", own) == own["tiny"]
    assert instances.find("standard_f2s_v2", own) == own["Standard_F2s_v2"]
    assert instances.find("Standard_F4s_v2", own) == instances.find("Standard_F4s_v2")


def test_an_unknown_size_is_none() -> None:
    assert instances.find("Standard_DS99") is None


def test_kubernetes_default() -> None:
    assert instances.find("defaultinstancetype") == instances.DEFAULT
