"""Work in a process beside this one: the same result, whatever becomes of that process."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from custody.beside import beside


def test_the_result_comes_from_another_process() -> None:
    """Where forking is cheap the work is done elsewhere; anywhere its result is the same."""
    with beside(os.getpid) as result:
        elsewhere = result()
    forks = sys.platform.startswith("linux") and len(os.sched_getaffinity(0)) > 1
    assert (elsewhere != os.getpid()) == (forks and threading.active_count() == 1)


def test_with_threads_running_nothing_is_forked() -> None:
    """A fork copies one thread alone, so a program with several does the work itself."""
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        with beside(os.getpid) as result:
            assert result() == os.getpid()
    finally:
        stop.set()
        other.join()


def test_a_process_that_dies_is_made_up_for() -> None:
    """If the other process is killed, the work is done here and now."""
    here = os.getpid()

    def work() -> str:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    with beside(work) as result:
        assert result() == "done"


def test_an_error_is_raised_where_it_can_be_told() -> None:
    """What goes wrong over there is raised here."""

    def work() -> None:
        raise ZeroDivisionError

    with beside(work) as result, pytest.raises(ZeroDivisionError):
        result()


def test_nobody_waits_for_a_result_that_is_not_wanted() -> None:
    """Leaving the block ends the other process, however long it would have taken."""
    started = threading.active_count()
    with pytest.raises(KeyboardInterrupt), beside(signal.pause if started == 1 else int):
        raise KeyboardInterrupt


def test_a_result_too_large_for_a_pipe_comes_whole() -> None:
    """The result may be larger than what a pipe holds."""
    with beside(lambda: b"x" * (4 << 20)) as result:
        assert len(result()) == 4 << 20
