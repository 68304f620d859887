"""Whether what was sent arrived."""

from observability.losses import Look, Losses


def compared(*looks: tuple[int, int]) -> tuple[list[int], bool]:
    losses = Losses()
    return [losses.compare(Look(*look)) for look in looks], losses.deaf


def test_what_is_on_its_way_is_not_lost() -> None:
    assert compared((100, 0), (200, 90), (300, 195), (300, 200)) == ([0, 0, 0, 0], False)


def test_what_has_not_come_by_the_next_look_is_lost_and_found_once() -> None:
    assert compared((0, 0), (100, 90), (200, 180), (200, 180), (200, 180)) == ([0, 0, 0, 20, 0], False)


def test_where_nothing_arrives_of_what_is_sent_nobody_hears() -> None:
    assert compared((0, 0), (100, 0), (200, 0)) == ([0, 0, 100], True)
    assert compared((0, 0), (100, 0), (200, 0), (200, 0)) == ([0, 0, 100, 100], True)
    assert compared((0, 0), (100, 0), (200, 0), (300, 50)) == ([0, 0, 100, 50], False)


def test_silence_is_not_deafness() -> None:
    assert compared((50, 50), (50, 50), (50, 50)) == ([0, 0, 0], False)


def test_a_side_that_begins_anew_is_met_afresh() -> None:
    assert compared((0, 0), (100, 100), (10, 105), (20, 115)) == ([0, 0, 0, 0], False)
    assert compared((0, 0), (100, 0), (200, 0), (5, 0)) == ([0, 0, 100, 0], False)
