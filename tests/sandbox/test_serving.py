"""`python -m sandbox`, which serves the sandbox until it is interrupted."""

import re
import signal
import socket
import subprocess
import sys

from sandbox.runner.runner import ACTION


def test_the_printed_command_deploys_to_the_sandbox(serve):
    server = serve("--stormkit-port", "0", "--github-port", "0", "--page-port", "0")
    printed = "".join(iter(server.stdout.readline, "Press Ctrl+C to stop.\n"))
    key, arguments = re.search(r"STORMKIT_API_KEY=(\S+) \.venv/bin/python (.+)", printed).groups()
    deployed = subprocess.run(
        [sys.executable, *arguments.split(), "--no-wait"],
        cwd=ACTION,
        env={"STORMKIT_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert deployed.returncode == 0, deployed.stderr
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0


def test_a_port_in_use_is_an_error_that_names_the_options(serve):
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = serve("--github-port", "0", "--stormkit-port", str(other.getsockname()[1]))
        out, err = server.communicate(timeout=10)
    assert server.returncode == 2
    assert (out, "Traceback" in err) == ("", False)
    assert "choose other ports with --stormkit-port, --github-port and --page-port" in err
