"""Publishing reads the deployment again; what the first read knew of its build is kept."""

from sandbox.github.server import GitHub
from sandbox.runner.runner import Runner
from sandbox.stormkit.server import Stormkit


def test_the_build_log_is_shown_after_a_publish_read_the_deployment_again(tmp_path):
    with Stormkit() as stormkit, GitHub() as github:
        stormkit.next_build(seconds=0.0, warm_up=0.0)
        inputs = {"api-key": "SK_sandbox", "api-url": stormkit.url, "publish": "true", "build-log": "always"}
        finished = Runner(
            event="push_branch",
            inputs=inputs,
            directory=tmp_path,
            github_url=github.url,
            token="ghs_sandbox",
            secrets=["SK_sandbox"],
        ).run()
    assert finished.exit_code == 0
    assert finished.outputs["published"] == "true"
    assert "Successfully deployed client side." in finished.log
