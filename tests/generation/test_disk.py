"""The disk that downloads share."""

import threading

import pytest

from generation.disk import DiskBudget
from generation.failures import Code, GenerationFailure


def test_a_download_waits_until_its_bytes_are_free():
    budget, begun = DiskBudget(100), threading.Event()

    def second() -> None:
        with budget.reserve(60):
            begun.set()

    with budget.reserve(60):
        thread = threading.Thread(target=second)
        thread.start()
        assert not begun.wait(0.2)
    thread.join(5)
    assert begun.is_set()


def test_downloads_that_fit_together_do_not_wait():
    budget = DiskBudget(100)
    with budget.reserve(60), budget.reserve(40):
        pass


def test_what_never_fits_is_too_big_at_once_and_says_which_limit_to_raise():
    with pytest.raises(GenerationFailure, match="--max_disk_gb") as refused, DiskBudget(100).reserve(101):
        pass
    assert refused.value.code is Code.TOO_BIG


def test_who_waits_for_the_disk_is_turned_away_when_the_job_stops():
    budget, said = DiskBudget(100), []

    def second() -> None:
        with pytest.raises(GenerationFailure) as refused, budget.reserve(60):
            pass
        said.append(refused.value.code)

    with budget.reserve(60):
        thread = threading.Thread(target=second)
        thread.start()
        budget.stop()
        thread.join(5)
    assert said == [Code.INTERRUPTED]
    with pytest.raises(GenerationFailure), budget.reserve(1):
        pass


def test_bytes_are_free_again_after_a_failure():
    budget = DiskBudget(100)
    for _ in range(2):
        with pytest.raises(KeyError), budget.reserve(80):
            raise KeyError
