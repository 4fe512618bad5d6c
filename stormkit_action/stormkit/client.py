"""One typed method for each endpoint of Stormkit's Deployments API, and whole lists."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from stormkit_action.cancellation import Pending
from stormkit_action.clock import Deadline
from stormkit_action.errors import NoAnswer, NotFound, ServerFault
from stormkit_action.names import Names
from stormkit_action.stormkit import answers
from stormkit_action.stormkit.answers import Answer
from stormkit_action.stormkit.models import Deployment, Page, PolledStatus
from stormkit_action.stormkit.send_gate import SendGate
from stormkit_action.stormkit.session import EXCHANGE_TIMEOUT_S, PATIENCE_S, Request, StormkitSession
from stormkit_action.text import one_line

# The documented size of a list page, by which `from` grows.
PAGE_SIZE = 20

# Stormkit's ids are 32-bit integers; it answers 500 to a larger one, every time.
MAX_ID = 2**31 - 1

# Stormkit gives up on a log that takes 30 s to read.
LOG_TIMEOUT_S = 35.0

# How long after Stormkit did not find a deployment it is asked again, before the deployment counts as gone.
GONE_PAUSE_S = 3.0

# Re-reads to restore the overlap of two pages before a page is taken as it is.
MAX_STEPS_BACK = 3

# Pages in a row without a new row, and pages in total, before the list counts as endless.
MAX_PAGES_WITHOUT_NEW_ROWS = 20
MAX_PAGES = 5000


class StormkitClient:
    """The eight endpoints, for one environment.

    Every method raises StormkitError. What is safe to repeat is repeated, for `patience` seconds where that can be
    given; 0 makes it a single attempt.
    """

    def __init__(self, session: StormkitSession, *, env_id: str = "") -> None:
        self._session = session
        self.env_id = env_id

    @property
    def names(self) -> Names:
        """What messages call inputs."""
        return self._session.names

    def within(self, deadline: Deadline) -> "StormkitClient":
        """The same client, with every call ended by `deadline` and waiting on its clock."""
        return StormkitClient(self._session.within(deadline), env_id=self.env_id)

    def start_deploy(self, branch: str, *, gate: SendGate, limit: float = EXCHANGE_TIMEOUT_S) -> Pending[str]:
        """Trigger a build of `branch`: `POST /v1/deploy`, sent once, never repeated. Results in the deployment's id.

        `publish` is false: the deployment goes live only once publish() is called, whatever the environment's own
        auto-publish setting.
        """
        request = self._request(
            "POST",
            "/v1/deploy",
            f"triggering the deployment of {one_line(branch)}",
            body={"branch": branch, "publish": False},
        )
        return self._session.start(request, answers.triggered_id, gate=gate, limit=limit)

    def deployments(self, *, branch: str = "", offset: int = 0, patience: float = PATIENCE_S) -> Page:
        """One page of deployments, newest first: `GET /v1/deployments`."""
        query = {"from": str(offset)} if offset else {}
        if branch:
            query["branch"] = branch
        action = f"listing the deployments of {one_line(branch)}" if branch else "listing deployments"
        request = self._request("GET", "/v1/deployments", action, query, required="deployments")
        return answers.page(self._send(request, patience))

    def all_deployments(self, *, branch: str = "") -> Iterator[Deployment]:
        """Every deployment once, however the rows move meanwhile: newest first, then what came to the top.

        A new deployment pushes rows back, so some come twice. A deleted one pulls rows forward over the page's edge:
        each page therefore overlaps the one before by a row, and where no known row shows, the list is read from
        further up. What came to the top meanwhile (a new one, a restarted one) is yielded at the end, out of order.

        Raises ServerFault for a list without end, and NoAnswer when the deadline is over before its end.
        """
        pages = _Pages(self, branch, self._session)
        seen: set[str] = set()
        offset = steps_back = pages_without_new_rows = 0
        stepping_back = False
        while True:
            page = pages.read(offset)
            new = [deployment for deployment in page.deployments if deployment.id not in seen]
            overlaps = len(new) < len(page.deployments)
            if offset and not overlaps:
                # If the overlapping row can't be parsed we would step back and forth forever, so this is limited.
                if not stepping_back:
                    steps_back += 1
                stepping_back = steps_back <= MAX_STEPS_BACK
                if stepping_back:
                    offset = max(0, offset - PAGE_SIZE)
                    continue
            elif new:
                steps_back = 0
            stepping_back = False
            pages_without_new_rows = 0 if new else pages_without_new_rows + 1
            if pages_without_new_rows > MAX_PAGES_WITHOUT_NEW_ROWS:
                raise endless_list()
            yield from _unseen(new, seen)
            if not page.has_next:
                break
            offset += PAGE_SIZE - 1
        if offset:
            yield from _came_to_the_top(pages, seen)

    def deployment(self, deployment_id: str, *, logs: bool = False, patience: float = PATIENCE_S) -> Deployment:
        """One deployment: `GET /v1/deployments/{id}`, with its build log if `logs`.

        A log is expensive for the server, which gives up after 30 s: it is asked for once, whatever `patience` is.
        """
        action = f"reading deployment {deployment_id}"
        request = self._request("GET", _path(deployment_id), action, required="deployment")
        if logs:
            query = {**(request.query or {}), "logs": "true"}
            request = request._replace(action=f"{action} with its log", query=query, timeout=LOG_TIMEOUT_S)
            answer = self._session.send(request, limit=LOG_TIMEOUT_S)
        else:
            answer = self._about(deployment_id, request, patience)
        return answers.deployment(answer, deployment_id)

    def is_gone(self, deployment_id: str) -> bool:
        """Whether the deployment no longer exists: Stormkit finds none of that id, and none again after a pause.

        The first time may be a replica that lags.
        """
        for is_proof in (False, True):
            try:
                self.deployment(deployment_id)
            except NotFound as error:
                if not error.from_handler:
                    raise
            else:
                return False
            if not is_proof:
                self._session.clock.sleep(GONE_PAUSE_S)
        return True

    def poll(self, deployment_id: str, *, patience: float = PATIENCE_S) -> PolledStatus:
        """The status alone: `GET /v1/deployments/{id}/poll`."""
        request = self._request(
            "GET", f"{_path(deployment_id)}/poll", f"polling deployment {deployment_id}", required="status"
        )
        return answers.polled_status(self._about(deployment_id, request, patience), deployment_id)

    def publish(self, deployment_id: str) -> None:
        """Make it live: `POST /v1/deployments/{id}/publish`. Its answer is no proof: read the deployment back."""
        request = self._request("POST", f"{_path(deployment_id)}/publish", f"publishing deployment {deployment_id}")
        self._session.send(request)

    def restart(self, deployment_id: str) -> None:
        """Build a failed one again, under the same id: `POST /v1/deployments/{id}/restart`."""
        request = self._request("POST", f"{_path(deployment_id)}/restart", f"restarting deployment {deployment_id}")
        self._session.send(request)

    def stop(self, deployment_id: str, *, patience: float = PATIENCE_S) -> None:
        """Stop a running one: `POST /v1/deployments/{id}/stop`. Does nothing to a finished one, so it is repeated."""
        request = self._request("POST", f"{_path(deployment_id)}/stop", f"stopping deployment {deployment_id}")
        self._send(request, patience)

    def delete(self, deployment_id: str) -> None:
        """Delete it: `DELETE /v1/deployments/{id}`. Takes a published one down too: look first."""
        self._session.repeat(self._request("DELETE", _path(deployment_id), f"deleting deployment {deployment_id}"))

    def _request(
        self,
        method: str,
        path: str,
        action: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        required: str = "",
    ) -> Request:
        """The request, with `envId` where servers look for it.

        Servers read it from the query on GET and DELETE and from the body on POST; their OpenAPI document says query
        for POST too. Broad keys need it on every call.
        """
        env = {"envId": self.env_id} if self.env_id else {}
        return Request(
            method=method,
            path=path,
            action=action,
            env_id=self.env_id,
            query={**(query or {}), **env},
            body={**(body or {}), **env} if method == "POST" else None,
            required=required,
        )

    def _about(self, deployment_id: str, request: Request, patience: float) -> Answer:
        """Send a request about one deployment. Raises NotFound for an id that no server has."""
        if not deployment_id.isdecimal() or int(deployment_id) <= MAX_ID:
            return self._send(request, patience)
        try:
            return self._send(request, 0.0)
        except ServerFault as error:
            if error.from_stormkit:
                raise NotFound(
                    f"Stormkit has no deployment {deployment_id}: its ids end at {MAX_ID}. Check"
                    f" {self.names('deployment-id')}.",
                    status=error.status,
                ) from None
            raise

    def _send(self, request: Request, patience: float) -> Answer:
        if patience <= 0:
            return self._session.send(request)
        return self._session.repeat(request, patience=patience)


class _Pages:
    """The pages of one list. Reading the whole list shares one budget of requests, and ends with the deadline."""

    def __init__(self, client: StormkitClient, branch: str, session: StormkitSession) -> None:
        self._client = client
        self._branch = branch
        self._session = session
        self._requests = 0

    def read(self, offset: int) -> Page:
        """The page at `offset`."""
        if self._requests >= MAX_PAGES:
            raise endless_list()
        if self._requests and self._session.is_over:
            raise NoAnswer(
                "Ran out of time before the whole list of deployments was read. Raise"
                f" {self._session.names('timeout')}.",
                may_have_arrived=False,
                retryable=False,
            )
        self._requests += 1
        return self._client.deployments(branch=self._branch, offset=offset)


def endless_list() -> ServerFault:
    """The error for a list that brings one page after the other and never ends."""
    return ServerFault("Stormkit's list of deployments has no end. Run again later.")


def _came_to_the_top(pages: _Pages, seen: set[str]) -> Iterator[Deployment]:
    offset = 0
    while True:
        new = list(_unseen(pages.read(offset).deployments, seen))
        if not new:
            return
        yield from new
        offset += PAGE_SIZE - 1


def _unseen(deployments: Iterable[Deployment], seen: set[str]) -> Iterator[Deployment]:
    for deployment in deployments:
        if deployment.id not in seen:
            seen.add(deployment.id)
            yield deployment


def _path(deployment_id: str) -> str:
    return f"/v1/deployments/{quote(deployment_id, safe='')}"
