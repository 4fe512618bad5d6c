"""Several environments in one step."""

import threading

from sandbox.runner.runner import Runner
from sandbox.stormkit.server import USER_KEY, Stormkit

ENVIRONMENTS = 50


def test_environments_are_triggered_at_the_same_time(tmp_path):
    """The server answers no trigger until all of them have arrived."""
    all_arrived = threading.Barrier(ENVIRONMENTS)
    with Stormkit() as stormkit:
        for number in range(ENVIRONMENTS):
            stormkit.add_environment(str(1000 + number), name=f"site {number}")
        stormkit.before_answer("trigger", lambda: all_arrived.wait(30), times=ENVIRONMENTS)
        finished = Runner(
            event="push_branch",
            inputs={
                "api-key": USER_KEY,
                "api-url": stormkit.url,
                "environments": "\n".join(f"site {number}: {1000 + number}" for number in range(ENVIRONMENTS)),
                "wait": "false",
                "github-token": "",
            },
            directory=tmp_path,
            secrets=[USER_KEY],
        ).run()
    assert finished.exit_code == 0, finished.log
    assert not all_arrived.broken
    assert {deployment.env.id for deployment in stormkit.deployments} == {
        str(1000 + number) for number in range(ENVIRONMENTS)
    }
