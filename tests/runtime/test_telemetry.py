import os

from twite.telemetry import SECONDS, Ledger, Telemetry, snapshot


def test_counts_what_was_served() -> None:
    telemetry = Telemetry()
    for code in (200, 200, 413, 418):
        telemetry.request(code)
    telemetry.inference(0.003, 4)
    telemetry.queued(10.0)
    telemetry.load(5, 3)
    found = snapshot([telemetry.row])
    assert found.requests == {200: 2, 413: 1, 500: 1}
    assert found.inference.counts[SECONDS.index(5e-3)] == 1
    assert found.inference.sum == 0.003
    assert found.queue.counts[-1] == 1
    assert (found.batch.sum, found.batch.counts) == (4.0, (0, 0, 1, 0, 0, 0))
    assert (found.inflight, found.waiting) == (5, 3)


def test_the_numbers_of_forked_processes_are_added() -> None:
    ledger = Ledger(processes=2)
    ledger.telemetry(0).request(200)
    child = os.fork()
    if child == 0:
        forked = Ledger.__new__(Ledger)
        forked.__dict__.update({**ledger.__dict__, "process": 1, "_own": {}})
        forked.telemetry(0).request(200)
        forked.telemetry(1).request(503)
        os._exit(0)
    os.waitpid(child, 0)
    assert ledger.snapshot(0).requests == {200: 2}
    assert ledger.snapshot(1).requests == {503: 1}
