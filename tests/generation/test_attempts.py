"""Tries: which generators are tried again, what a try leaves, and when one after another says: it is not them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.errors import EnvironmentAtFault
from generation.attempts import STOP_AFTER, Breaker, Outcome, decide, progress, rejects
from generation.failures import Code

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(status: str, code: str) -> dict[str, str]:
    return {"status": status, "code": code}


@pytest.mark.parametrize(
    ("missing", "history", "decision"),
    [
        (0, [], "whole"),
        (5, [], "try"),
        (5, [attempt("ok", "OK")], "try"),
        (5, [attempt("failed", "PICKLE_ONLY")], "given-up"),
        (5, [attempt("failed", "NAN_IMAGE")], "given-up"),
        (5, [attempt("partial", "NAN_IMAGE")], "try"),
        (
            5,
            [
                attempt("failed", "TIMEOUT"),
                attempt("failed", "OOM"),
                attempt("ok", "OK"),
                attempt("failed", "OOM"),
            ],
            "try",
        ),
        (5, [attempt("failed", "TIMEOUT")], "try"),
        (5, [attempt("failed", "TIMEOUT")] * 3, "given-up"),
        (5, [attempt("failed", "CRASH"), attempt("failed", "BAD_WEIGHTS")], "given-up"),
    ],
)
def test_only_failures_that_may_pass_are_tried_again_and_not_for_ever(missing, history, decision):
    assert decide(missing, history, max_attempts=3) == decision


@pytest.mark.parametrize("code", ["TOO_BIG", "TIMEOUT"])
def test_a_code_named_for_another_try_is_tried_again_although_it_was_given_up(code):
    history = [attempt("failed", code)] * 3
    assert decide(5, history, max_attempts=3) == "given-up"
    assert decide(5, history, max_attempts=3, retry=[code]) == "try"
    assert decide(5, history, max_attempts=3, retry=["OOM"]) == "given-up"


def test_every_code_is_either_in_the_model_or_may_pass():
    assert {code for code in Code if not code.permanent} == {
        *(Code.TIMEOUT, Code.CRASH, Code.OOM, Code.HUB_ERROR, Code.BAD_DOWNLOAD, Code.NO_SPACE, Code.INTERRUPTED)
    }


def outcome(code=None, message="", images=0, refused=None) -> Outcome:
    return Outcome("lab/a", code, message, 1.0, images, 0, None, NOW, refused=refused or {})


def heed(*outcomes, classes=("A", "B")) -> None:
    breaker = Breaker()
    for number, one in enumerate(outcomes):
        breaker.heed(one, classes[number % len(classes)])


def test_refused_images_are_rows_under_their_request_and_plan():
    refused = {"1": (Code.FLAT_IMAGE, "2 colours"), "2": (Code.OOM, "may pass")}
    assert rejects("p", 2, outcome(Code.FLAT_IMAGE, refused=refused), NOW) == [
        {
            **{"stage": "generate", "run_id": "p", "attempt": 2, "ts": NOW},
            **{"key": "1", "code": "FLAT_IMAGE", "detail": "lab/a: 2 colours"},
        }
    ]


@pytest.mark.parametrize(
    "alike",
    [
        outcome(Code.HUB_ERROR, "model_index.json: ConnectError"),
        outcome(Code.NO_SPACE, "No space left on device (a.png)"),
        outcome(Code.CRASH, "sig=4 (SIGILL)"),
        outcome(Code.FAILED, "ImportError: no sentencepiece"),
    ],
)
def test_generators_of_several_classes_that_fail_alike_one_after_another_end_the_run(alike):
    heed(*[alike] * (STOP_AFTER - 1))
    with pytest.raises(
        EnvironmentAtFault, match=rf"the last 8 generators all failed with {alike.code}: .*--retry"
    ):
        heed(*[alike] * STOP_AFTER)


def test_the_hub_and_the_disk_are_at_fault_whatever_they_say_of_each_model():
    hub = [outcome(Code.HUB_ERROR, f"{n}.json: HTTP 503") for n in range(STOP_AFTER)]
    disk = [outcome(Code.NO_SPACE, f"No space left on device ({n}.png)") for n in range(STOP_AFTER)]
    for alike in (hub, disk):
        with pytest.raises(EnvironmentAtFault):
            heed(*alike, classes=("A",))


@pytest.mark.parametrize(
    "others",
    [
        [outcome(Code.FAILED, "the same")] * STOP_AFTER,  # of one class
        [outcome(Code.HUB_ERROR, "x", images=1)] * STOP_AFTER,
        [*[outcome(Code.HUB_ERROR, "x")] * 7, outcome(), *[outcome(Code.HUB_ERROR, "x")] * 7],
        [outcome(Code.BAD_WEIGHTS, "the same")] * 20,
        [outcome(Code.GONE, "the Hub no longer has model_index.json")] * 20,
    ],
)
def test_what_may_lie_in_the_generators_ends_no_run(others):
    heed(*others, classes=("A",))


def test_crashes_that_tell_of_different_causes_end_no_run():
    heed(*[outcome(Code.CRASH, f"sig={n}") for n in range(20)])


@pytest.mark.parametrize(
    ("number", "seconds", "said"),
    [(1, 10.0, "1 of 5, about 40 s left"), (2, 600.0, "2 of 5, about 15 min left"), (5, 50.0, "5 of 5")],
)
def test_what_is_left_takes_as_long_a_model_as_what_is_done(number, seconds, said):
    assert progress(number, 5, seconds) == said


def test_a_try_is_told_with_its_code_and_what_there_is_to_say():
    outcome = Outcome("lab/a", None, "", 1.5, 2, 0, None, NOW)
    assert outcome.told(2) == "lab/a: 2 images, 0 refused, 1.5 s, ok"
    failed = replace(outcome, code=Code.OOM, message="no memory", images=0)
    assert failed.told(2) == "lab/a: 0 images, 2 refused, 1.5 s, OOM: no memory"
