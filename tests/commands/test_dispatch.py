"""Several environments in one step."""

import threading

from sandbox.runner.runner import Runner
from sandbox.stormkit.server import USER_KEY, Stormkit

NUMBER = 50


def test_no_environment_waits_for_another_ones_build(tmp_path):
    """No trigger is answered before all of them have arrived."""
    together = threading.Barrier(NUMBER)
    with Stormkit() as stormkit:
        for number in range(NUMBER):
            stormkit.add_environment(str(1000 + number), name=f"site {number}")
        stormkit.before_answer("trigger", lambda: together.wait(30), times=NUMBER)
        finished = Runner(
            event="push_branch",
            inputs={
                "api-key": USER_KEY,
                "api-url": stormkit.url,
                "environments": "\n".join(f"site {number}: {1000 + number}" for number in range(NUMBER)),
                "wait": "false",
                "github-token": "",
            },
            directory=tmp_path,
            secrets=[USER_KEY],
        ).run()
    assert finished.exit_code == 0, finished.log
    assert not together.broken
    assert {each.env.id for each in stormkit.deployments} == {str(1000 + number) for number in range(NUMBER)}
