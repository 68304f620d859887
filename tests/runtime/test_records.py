from datetime import UTC, datetime
from pathlib import Path

from runtime.records import Care, Record, Records
from spec.release import Environment, InstanceType, Probe, Recipe, ReleaseRef, Server

REF = ReleaseRef("e", "blue", "3f2a9c41d0e7")
RECORD = Record(
    id="blue-3f2a9c-000001",
    release=REF,
    slot=2,
    care=Care(readiness=Probe(period=3), memory=2**30),
    port=4000,
    pid=17,
    birth="boot:99",
    started_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    restarts=3,
    ends=2,
)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    records = Records(tmp_path / "replicas")
    assert records.read() == []
    records.write(RECORD)
    assert Records(tmp_path / "replicas").read() == [RECORD]
    records.remove(RECORD.id)
    records.remove(RECORD.id)
    assert records.read() == []


def test_a_broken_record_is_set_aside_and_its_neighbours_are_read(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.write(RECORD)
    (tmp_path / "x.json").write_text("{half")
    (tmp_path / "y.json").write_bytes(b"\xff\x00")
    assert records.read() == [RECORD]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blue-3f2a9c-000001.json", "x.corrupt", "y.corrupt"]


def test_care_and_grace_come_from_the_recipe() -> None:
    recipe = Recipe(
        server=Server.INFERENCE_SERVER,
        runtime="process",
        environment=Environment("inline"),
        instance_type=InstanceType("Standard_DS2_v2", 2, 7 * 2**30),
        request_timeout_ms=9000,
    )
    care = Care.of(recipe)
    assert (care.cpu, care.memory, care.grace) == (2, 7 * 2**30, 14)
