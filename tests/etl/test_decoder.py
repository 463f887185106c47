"""The decoder's process may crash, hang, compute or fill memory: that costs one image, and the next is decoded."""

import os
import signal
import time

import pytest

from etl.images.decoder import Decoder
from etl.images.decoding import Code, Refused, inspect
from tests.etl import odd_images

SERVE = "import sys, os, json, time, signal; sys.path[:] = json.loads(sys.argv[1])\n"


def refusal(decoder: Decoder, data: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        decoder.inspect(data)
    return refused.value


@pytest.fixture
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


def test_the_child_tells_what_decoding_in_this_process_tells(decoder, good, bad):
    """One child for all of them."""
    pids = set()
    for data in good.values():
        assert decoder.inspect(data) == inspect(data)
        pids.add(decoder._child.pid)
    for name, (data, code) in bad.items():
        assert refusal(decoder, data).code == code, name
        pids.add(decoder._child.pid)
    assert len(pids) == 1


def test_every_odd_image_is_accepted_with_its_properties(decoder):
    corpus = odd_images.odd()
    assert {name: decoder.inspect(data) for name, (data, _) in corpus.items()} == {
        name: properties for name, (_, properties) in corpus.items()
    }


def test_an_image_of_three_thousand_scans_is_late_and_the_next_one_decoded(good):
    decoder = Decoder(cpu_seconds=1)
    decoder.inspect(good["plain.jpg"])
    refused = refusal(decoder, odd_images.many_scans(3000))
    assert (refused.code, refused.detail) == (Code.TIMEOUT, "not decoded within 1 s of computing")
    assert decoder.inspect(good["plain.jpg"]) == inspect(good["plain.jpg"])
    decoder.close()


def test_a_child_that_waits_is_killed(good):
    decoder = Decoder(wall_seconds=0.4, program=SERVE + "time.sleep(60)")
    started = time.monotonic()
    assert refusal(decoder, good["plain.jpg"] * 5000).code == Code.TIMEOUT  # more than a pipe holds
    assert refusal(decoder, good["plain.jpg"]).code == Code.TIMEOUT
    assert time.monotonic() - started < 20 and decoder._child is None


@pytest.mark.parametrize(
    ("end", "detail"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "sig=11"),
        ("os._exit(9)", "exit code 9"),
        ("print('no protocol', flush=True); time.sleep(60)", "broke the protocol"),
        ("os.write(1, b'\\0\\0\\0\\2[]'); sys.exit(0)", "exit code 0"),
    ],
)
def test_a_child_that_ends_or_breaks_the_protocol_is_a_crash(good, end, detail):
    decoder = Decoder(program=SERVE + "sys.stdin.buffer.read(5); " + end)
    refused = refusal(decoder, good["plain.jpg"])
    assert refused.code == Code.CRASH and detail in refused.detail


def test_an_image_does_not_pay_for_a_crash_that_came_before_it(decoder, good):
    decoder.inspect(good["plain.jpg"])
    os.kill(decoder._child.pid, signal.SIGSEGV)
    decoder._child.wait()
    assert decoder.inspect(good["plain.png"]) == inspect(good["plain.png"])


def test_an_image_that_needs_more_memory_than_allowed_is_too_big(good):
    program = "import etl.images.decoder as d; d.MEMORY_BYTES = 150 << 20; d.serve()"
    decoder = Decoder(program="import sys, json; sys.path[:] = json.loads(sys.argv[1]); " + program)
    assert refusal(decoder, odd_images.encoded("PNG", size=(6000, 6000))).code == Code.TOO_BIG
    assert decoder.inspect(good["plain.png"]) == inspect(good["plain.png"])
    decoder.close()


def test_a_child_has_no_secret_of_its_parent_and_ends_with_it(monkeypatch, good):
    monkeypatch.setenv("HF_TOKEN", "secret")
    decoder = Decoder()
    decoder.inspect(good["plain.jpg"])
    pid = decoder._child.pid
    with open(f"/proc/{pid}/environ", "rb") as environment:
        assert b"secret" not in environment.read()
    decoder._child.stdin.close()  # what the kernel does when the parent is killed
    assert decoder._child.wait(10) == 0
