"""The sandbox starts, watches, cancels and judges steps like GitHub's runner."""

import json
import signal
import textwrap
from pathlib import Path

import pytest

from sandbox.runner.directory import JobDirectory, in_container
from sandbox.runner.log import Level
from sandbox.runner.runner import UNREACHABLE_URL, Runner, input_variables
from sandbox.runner.step import StepResult

DEFAULTS = {"who-to-greet": "", "how often": "1", "token": "${{ github.token }}"}


@pytest.fixture
def runner(tmp_path):
    """Create a Runner of a Python script."""

    def make(script: str = "", *, post: str = "", defaults=DEFAULTS, **options) -> Runner:
        for name, text in (("entrypoint.py", script), ("post.py", post)):
            (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        options.setdefault("event", "pull_request_opened")
        options.setdefault("inputs", {"who-to-greet": "Mona"})
        return Runner(
            directory=tmp_path / "job",
            entrypoint=tmp_path / "entrypoint.py",
            defaults=defaults,
            post_entrypoint="/app/post.py",
            **options,
        )

    return make


DUMP = """
    import json, os, sys
    print(json.dumps({"environ": dict(os.environ), "cwd": os.getcwd(), "path": sys.path, "stdin": sys.stdin.read()}))
"""


def test_a_step_gets_github_s_variables_and_nothing_of_the_host_s(runner, monkeypatch):
    monkeypatch.setenv("STORMKIT_API_KEY", "inherited")
    job_runner = runner(DUMP, github_url="http://127.0.0.1:1234", env={"EXTRA": "1", "GITHUB_RUN_ID": "5"})
    seen = json.loads(job_runner.run().log)
    environ = seen["environ"]
    job = job_runner.directory

    github = {name for name in environ if name.startswith("GITHUB_")}
    assert github == {
        f"GITHUB_{name}"
        for name in (
            "ACTION ACTIONS ACTOR ACTOR_ID API_URL BASE_REF ENV EVENT_NAME EVENT_PATH GRAPHQL_URL HEAD_REF JOB OUTPUT"
            " PATH REF REF_NAME REF_PROTECTED REF_TYPE REPOSITORY REPOSITORY_ID REPOSITORY_OWNER REPOSITORY_OWNER_ID"
            " RETENTION_DAYS RUN_ATTEMPT RUN_ID RUN_NUMBER SERVER_URL SHA STATE STEP_SUMMARY TRIGGERING_ACTOR WORKFLOW"
            " WORKFLOW_REF WORKFLOW_SHA WORKSPACE"
        ).split()
    }
    others = {name for name in environ if not name.startswith(("GITHUB_", "RUNNER_", "INPUT_"))}
    # Python sets LC_CTYPE itself if there is no locale.
    assert others - {"LC_CTYPE"} == {"CI", "EXTRA", "HOME", "PATH"}
    assert {name: environ[name] for name in environ if name.startswith("INPUT_")} == {
        "INPUT_WHO-TO-GREET": "Mona",
        "INPUT_HOW_OFTEN": "1",
        "INPUT_TOKEN": "ghs_sandbox",
    }
    assert environ["GITHUB_API_URL"] == "http://127.0.0.1:1234"
    assert environ["GITHUB_GRAPHQL_URL"] == "http://127.0.0.1:1234/graphql"
    assert environ["GITHUB_SERVER_URL"] == "https://github.com"
    assert environ["GITHUB_RUN_ID"] == "5"
    assert environ["HOME"] == str(job.home)
    assert seen["cwd"] == environ["GITHUB_WORKSPACE"] == str(job.workspace)
    assert seen["stdin"] == ""
    assert json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text()) == job_runner.payload


def test_without_a_server_the_api_url_leads_nowhere(runner):
    assert runner(DUMP).prepare()[0]["GITHUB_API_URL"] == UNREACHABLE_URL


def test_the_variables_of_enterprise_server_are_derived_from_its_api_url(runner):
    environment, _ = runner(DUMP, github_url="http://127.0.0.1:1/api/v3").prepare()
    assert environment["GITHUB_API_URL"] == "http://127.0.0.1:1/api/v3"
    assert environment["GITHUB_GRAPHQL_URL"] == "http://127.0.0.1:1/api/graphql"
    assert environment["GITHUB_SERVER_URL"] == "http://127.0.0.1:1"


def test_the_checkout_shadows_modules_of_code_that_imports_from_it(runner):
    checkout = "import sys; sys.path.insert(0, ''); import requests"
    assert runner("import json, requests").run().exit_code == 0
    finished = runner(checkout).run()
    assert finished.exit_code == 1
    assert "of the checkout was imported" in finished.log


def test_a_finished_step_has_outputs_state_summary_masks_and_annotations(runner):
    finished = runner(
        """
        import os
        def add(name, text):
            with open(os.environ["GITHUB_" + name], "a") as file:
                file.write(text)
        print("::add-mask::hunter2")
        print("::warning title=Careful::hunter2 is short")
        print("one\\rtwo")
        add("OUTPUT", "greeting<<EOF\\nHello\\nMona\\nEOF\\n")
        add("OUTPUT", "password=hunter2\\n")
        add("STATE", "id=7\\n")
        add("STEP_SUMMARY", "# Hello hunter2\\n")
        """
    ).run()
    assert (finished.exit_code, finished.failed, finished.killed) == (0, False, False)
    assert finished.log == "::add-mask::hunter2\n::warning title=Careful::hunter2 is short\none\rtwo\n"
    assert finished.shown == "##[warning]*** is short\none\ntwo\n"
    assert [command.name for command in finished.commands] == ["add-mask", "warning"]
    assert finished.annotated(Level.WARNING) == finished.annotated("warning") == ["*** is short"]
    assert finished.annotations[0].title == "Careful"
    assert finished.outputs == {"greeting": "Hello\nMona", "password": "hunter2"}
    assert finished.masked_outputs == ["password"]
    assert finished.masks == ["hunter2"]
    assert finished.state == {"id": "7"}
    assert finished.summary == "# Hello ***\n"
    assert finished.problems == []
    assert 0 < finished.seconds < 30


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("open(os.environ['GITHUB_OUTPUT'], 'w').write('no pair')", "Invalid format 'no pair'"),
        ("print('::set-env name=a::b')", "is disabled"),
        ("print('::stop-commands::')", "Invalid stop-commands token"),
    ],
)
def test_a_command_that_the_runner_refuses_fails_the_step(runner, script, problem):
    finished = runner(f"import os\n{script}\n").run()
    assert finished.exit_code == 0
    assert finished.failed
    assert problem in " ".join(finished.problems)
    assert finished.annotated(Level.ERROR)


def test_a_summary_that_is_too_large_is_an_error_but_does_not_fail_the_step(runner):
    finished = runner("import os\nopen(os.environ['GITHUB_STEP_SUMMARY'], 'w').write('x' * 1048577)\n").run()
    assert not finished.failed
    assert finished.summary == ""
    assert "supports content up to a size of 1024k" in finished.problems[0]
    assert finished.annotated(Level.ERROR) == finished.problems


def test_secrets_are_masked_and_late_masks_are_problems(runner):
    finished = runner(
        "print('ghs_sandbox given plain'); print('plain'); print('::add-mask::plain')", secrets=["given"]
    ).run()
    assert finished.shown == "*** *** plain\nplain\n"
    assert len(finished.problems) == 2


def test_both_streams_are_read_and_invalid_utf8_is_replaced(runner):
    finished = runner(
        """
        import sys
        sys.stderr.buffer.write(b"::error::on stderr\\n\\xff\\xfe\\n")
        sys.stdout.buffer.write(b"x" * 1000000 + b"\\nno end of line")
        """
    ).run()
    assert finished.annotated("error") == ["on stderr"]
    assert "\ufffd\ufffd\n" in finished.log
    assert len(finished.log) > 1000000
    assert "no end of line" in finished.shown


def test_unknown_inputs_are_passed_on_with_a_warning(runner):
    finished = runner("import os; print(os.environ['INPUT_LOUDER'])", inputs={"louder": "yes"}).run()
    assert finished.log == "yes\n"
    assert finished.annotated("warning") == [
        "Unexpected input(s) 'louder', valid inputs are ['who-to-greet', 'how often', 'token']"
    ]


def test_unsupported_expressions_in_defaults_are_refused(runner):
    job_runner = runner(defaults={"b": "${{ github.sha }}"})
    with pytest.raises(ValueError, match=r"github\.sha"):
        input_variables(job_runner.defaults, {}, "token")


def test_the_post_step_gets_the_step_s_state_and_its_own_files(runner):
    job_runner = runner(
        "import os; open(os.environ['GITHUB_STATE'], 'w').write('Deployment-Id=7\\n')",
        post="import os; print(os.environ['STATE_Deployment-Id'], os.environ['GITHUB_STATE'])",
    )
    main = job_runner.run()
    post = job_runner.post()
    assert main.state == {"Deployment-Id": "7"}
    assert post.log.startswith("7 ")
    assert Path(post.log.split()[1]).read_text() == ""
    assert job_runner.post(state={"Deployment-Id": "8"}).log.startswith("8 ")


SIGNAL_LOGGER = """
    import signal, sys, threading
    def react(number, frame):
        print("got", signal.Signals(number).name)
        if number == {last}:
            sys.exit(130)
    signal.signal(signal.SIGINT, react)
    signal.signal(signal.SIGTERM, react)
    print("ready")
    while True:
        signal.pause()
"""


def cancel_when_ready(runner: Runner, **patience: float) -> StepResult:
    step = runner.start()
    assert next(step.lines()) == "ready"
    assert step.running
    return step.cancel(**patience)


@pytest.mark.parametrize(
    ("last", "log", "exit_code", "killed"),
    [
        (signal.SIGINT, "ready\ngot SIGINT\n", 130, False),
        (signal.SIGTERM, "ready\ngot SIGINT\ngot SIGTERM\n", 130, False),
        (0, "ready\ngot SIGINT\ngot SIGTERM\n", 137, True),
    ],
)
def test_a_cancel_sends_sigint_then_sigterm_then_sigkill(runner, last, log, exit_code, killed):
    job_runner = runner(SIGNAL_LOGGER.format(last=int(last)))
    # Wait long for the signal that ends the script, and briefly for those that it ignores.
    finished = cancel_when_ready(
        job_runner, interrupt=30 if last == signal.SIGINT else 0.2, terminate=30 if last == signal.SIGTERM else 0.2
    )
    assert (finished.log, finished.exit_code, finished.killed) == (log, exit_code, killed)
    assert finished.failed


def test_a_single_signal_can_be_sent(runner):
    step = runner(SIGNAL_LOGGER.format(last=int(signal.SIGTERM))).start()
    lines = step.lines()
    assert next(lines) == "ready"
    step.send_signal(signal.SIGTERM)
    assert next(lines) == "got SIGTERM"
    assert list(lines) == []
    finished = step.wait()
    assert finished.exit_code == 130
    assert finished is step.wait()


def test_a_process_ended_by_a_signal_has_docker_s_exit_code(runner):
    finished = runner("import os, signal; os.kill(os.getpid(), signal.SIGTERM)").run()
    assert finished.exit_code == 143


def test_lines_can_be_read_while_the_step_runs(runner, tmp_path):
    step = runner(
        f"""
        import pathlib, time
        print("first")
        while not pathlib.Path({str(tmp_path / "go")!r}).exists():
            time.sleep(0.005)
        print("second")
        """
    ).start()
    lines = step.lines()
    assert next(lines) == "first"
    (tmp_path / "go").touch()
    assert list(lines) == ["second"]
    assert step.wait().log == "first\nsecond\n"
    # A later reader gets the lines from the beginning.
    assert list(step.lines()) == ["first", "second"]


def test_a_step_that_does_not_end_is_killed_and_its_log_is_in_the_error(runner):
    step = runner(SIGNAL_LOGGER.format(last=0)).start()
    assert next(step.lines()) == "ready"
    with pytest.raises(TimeoutError, match="ready"):
        step.wait(timeout=0.05)
    assert not step.running


def test_child_processes_end_with_the_step(runner):
    finished = runner(
        """
        import os, time
        reading, writing = os.pipe()
        if os.fork() == 0:
            print("child")
            os.write(writing, b"!")
            time.sleep(60)
        os.read(reading, 1)
        """
    ).run(timeout=30)
    # The child keeps the output open for 60 seconds, so the step ends only because the child is killed.
    assert finished.log == "child\n"
    assert finished.seconds < 30


def test_host_paths_become_container_paths():
    job = JobDirectory(root=Path("/srv/job"))
    environment = {
        "HOME": str(job.home),
        "GITHUB_WORKSPACE": str(job.workspace),
        "GITHUB_OUTPUT": str(job.file_commands / "set_output_1"),
        "GITHUB_EVENT_PATH": str(job.event),
        "RUNNER_TEMP": str(job.temp),
        "RUNNER_WORKSPACE": str(job.workspace.parent),
        "RUNNER_TOOL_CACHE": str(job.tools),
        "NEAR": f"{job.workspace}-2",
        "TEXT": f"in {job.workspace}",
    }
    assert in_container(environment, job.mounts) == {
        "HOME": "/github/home",
        "GITHUB_WORKSPACE": "/github/workspace",
        "GITHUB_OUTPUT": "/github/file_commands/set_output_1",
        "GITHUB_EVENT_PATH": "/github/workflow/event.json",
        "RUNNER_TEMP": "/github/runner_temp",
        # These stay the host's, as on GitHub.
        "RUNNER_WORKSPACE": "/srv/job/work/hello-world",
        "RUNNER_TOOL_CACHE": "/srv/job/tools",
        "NEAR": "/srv/job/work/hello-world/hello-world-2",
        "TEXT": "in /srv/job/work/hello-world/hello-world",
    }
