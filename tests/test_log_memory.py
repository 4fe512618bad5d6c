"""The whole program with a build log of 20 MB."""

import pytest

from tools.bench import memory


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_log_of_20_megabytes_is_printed_once_in_little_memory(build_log):
    message = memory.plain_log()
    run = memory.deploy(message, build_log=build_log, ok=False)
    assert run.exit_code == 1
    assert [line for line in run.log.splitlines() if line[:7].isdecimal()] == message.splitlines()
    assert run.peak < memory.MAX_PEAK_BYTES
