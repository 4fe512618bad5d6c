"""`python -m sandbox`: serves a local Stormkit, a local GitHub and a page to try the action on, until Ctrl+C."""

import argparse
import signal
import threading
from contextlib import ExitStack

from sandbox.events import HEAD_BRANCH, PULL_REQUEST, REPOSITORY
from sandbox.github.server import GitHub
from sandbox.page.server import PageServer
from sandbox.stormkit.server import Generation, Stormkit

_GUIDE = """\
Open {page} to try the action on a pull request.

A local Stormkit that behaves like {generation} servers, at {stormkit}
    api-key SK_sandbox (of environment 305), or SK_user (of a user: needs env-id)
A local GitHub at {github}
    github-token ghs_sandbox, repository {repository}, pull request {pull_request} of branch {branch}

In another terminal:
    STORMKIT_API_KEY=SK_sandbox .venv/bin/python entrypoint.py --api-url {stormkit} --branch {branch}

Press Ctrl+C to stop."""


def main() -> None:
    """Serve until Ctrl+C."""
    parser = argparse.ArgumentParser(prog=".venv/bin/python -m sandbox", description=__doc__)
    parser.add_argument("--stormkit-port", type=int, default=4310, help="Port of Stormkit. Default: 4310.")
    parser.add_argument("--github-port", type=int, default=4311, help="Port of GitHub. Default: 4311.")
    parser.add_argument("--page-port", type=int, default=4312, help="Port of the page. Default: 4312.")
    parser.add_argument(
        "--generation", type=Generation, choices=list(Generation), default=Generation.NEWER, help="Default: newer."
    )
    options = parser.parse_args()
    with ExitStack() as servers:
        try:
            stormkit = servers.enter_context(Stormkit(generation=options.generation, port=options.stormkit_port))
            github = servers.enter_context(GitHub(port=options.github_port))
            page = servers.enter_context(PageServer(stormkit, github, port=options.page_port))
        except (OSError, OverflowError) as error:
            parser.error(f"{error}: choose other ports with --stormkit-port, --github-port and --page-port")
        print(
            _GUIDE.format(
                page=page.url,
                generation=options.generation,
                stormkit=stormkit.url,
                github=github.url,
                repository=REPOSITORY,
                pull_request=PULL_REQUEST,
                branch=HEAD_BRANCH,
            ),
            flush=True,
        )
        # Shells start background jobs with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
