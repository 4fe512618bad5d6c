"""The endpoints for GitHub Deployments and their statuses."""

from sandbox.github.api import Answer, ApiError, Call, Route, invalid, or_404, route
from sandbox.github.state import Account, Deployment, DeploymentStatus, GitHubState, Repository, now

# A longer one is a 422 (github.com/Shopify/shipit-engine, issue 1004).
MAX_DESCRIPTION_CHARACTERS = 140

STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")


def create_deployment(call: Call) -> Answer:
    """Create a deployment, unless an auto-merge or a pending check comes first.

    Source: GitHub's REST documentation, "Create a deployment", for `auto_merge` and `required_contexts`.
    """
    repository, ref = call.repository, call.text("ref")
    if not ref:
        raise ApiError(422, 'Invalid request.\n\n"ref" wasn\'t supplied.')
    sha = repository.sha_of(ref)
    if not sha:
        raise ApiError(422, f"No ref found for: {ref}")
    # Without `auto_merge: false`, GitHub merges the default branch into a ref that is behind, and does not deploy.
    if call.flag("auto_merge", default=True) and ref in repository.behind:
        base = repository.default_branch
        return Answer(status=202, body={"message": f"Auto-merged {base} into {ref} on deployment."})
    _require_contexts(call, repository, ref)
    environment = call.text("environment", "production")
    deployment = Deployment(
        id=call.state.next_id(),
        ref=ref,
        sha=sha,
        task=call.text("task", "deploy"),
        environment=environment,
        description=_description(call, "Deployment") or None,
        transient_environment=call.flag("transient_environment", default=False),
        production_environment=call.flag("production_environment", default=environment == "production"),
        payload=call.body.get("payload", {}),
        creator=call.caller.account,
        created_at=now(),
    )
    repository.deployments.append(deployment)
    body = call.builder.deployment(repository, deployment)
    return Answer(status=201, body=body, headers={"location": body["url"]})


def list_deployments(call: Call) -> Answer:
    """List the deployments that match the query's filters, newest first."""
    filters = {name: call.query[name] for name in ("sha", "ref", "task", "environment") if call.query.get(name)}
    deployments = [
        deployment
        for deployment in reversed(call.repository.deployments)
        if all(getattr(deployment, name) == value for name, value in filters.items())
    ]
    return call.page(deployments, lambda deployment: call.builder.deployment(call.repository, deployment))


def get_deployment(call: Call) -> Answer:
    """Get a deployment."""
    return Answer(body=call.builder.deployment(call.repository, _deployment(call)))


def create_status(call: Call) -> Answer:
    """Create a status of a deployment; a success can make earlier deployments inactive."""
    deployment, state = _deployment(call), call.text("state")
    if state not in STATES:
        raise invalid("DeploymentStatus", "state", f"state is not included in the list: {state!r}")
    for name in ("log_url", "target_url", "environment_url"):
        url = call.text(name)
        if url and not url.lower().startswith(("http://", "https://")):
            raise invalid("DeploymentStatus", name, f"{name} must use http(s) scheme")
    status = _new_status(
        call.state,
        state,
        call.caller.account,
        environment=call.text("environment", deployment.environment),
        description=_description(call, "DeploymentStatus"),
        environment_url=call.text("environment_url"),
        log_url=call.text("log_url") or call.text("target_url"),
    )
    if state == "success" and call.flag("auto_inactive", default=True):
        _deactivate_others(call, deployment)
    deployment.statuses.append(status)
    deployment.environment = status.environment
    body = call.builder.deployment_status(call.repository, deployment, status)
    return Answer(status=201, body=body, headers={"location": body["url"]})


def list_statuses(call: Call) -> Answer:
    """List the statuses of a deployment, newest first."""
    deployment = _deployment(call)
    return call.page(
        list(reversed(deployment.statuses)),
        lambda status: call.builder.deployment_status(call.repository, deployment, status),
    )


def _require_contexts(call: Call, repository: Repository, ref: str) -> None:
    """Refuse while a required check is pending. By default all are required, including the job that makes the call."""
    required = call.body.get("required_contexts")
    pending = [name for name in repository.pending_contexts if required is None or name in required]
    if pending:
        contexts = [{"context": name, "state": "pending"} for name in pending]
        error = {"contexts": contexts, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}
        raise ApiError(409, f"Conflict: Commit status checks failed for {ref}.", errors=[error])


def _deactivate_others(call: Call, deployment: Deployment) -> None:
    """Add a status `inactive` to the other successful deployments of the environment.

    Source: GitHub's REST documentation, "Create a deployment status": `auto_inactive` applies neither to transient nor
    to production environments.
    """
    for other in call.repository.deployments:
        is_exempt = other is deployment or other.transient_environment or other.production_environment
        if not is_exempt and other.environment == deployment.environment and other.state == "success":
            inactive = _new_status(call.state, "inactive", call.caller.account, environment=other.environment)
            other.statuses.append(inactive)


def _new_status(
    github: GitHubState,
    state: str,
    creator: Account,
    *,
    environment: str,
    description: str = "",
    environment_url: str = "",
    log_url: str = "",
) -> DeploymentStatus:
    return DeploymentStatus(
        id=github.next_id(),
        state=state,
        creator=creator,
        description=description,
        environment=environment,
        environment_url=environment_url,
        log_url=log_url,
        created_at=now(),
    )


def _description(call: Call, resource: str) -> str:
    description = call.text("description")
    if len(description) > MAX_DESCRIPTION_CHARACTERS:
        message = f"description is too long (maximum is {MAX_DESCRIPTION_CHARACTERS} characters)"
        raise invalid(resource, "description", message)
    return description


def _deployment(call: Call) -> Deployment:
    deployment_id = call.arguments["id"]
    matching = (deployment for deployment in call.repository.deployments if str(deployment.id) == deployment_id)
    deployment: Deployment = or_404(next(matching, None))
    return deployment


ROUTES: tuple[Route, ...] = (
    route("POST", "/repos/{repository}/deployments", "deployments=write", create_deployment),
    route("GET", "/repos/{repository}/deployments", "deployments=read", list_deployments),
    route("GET", "/repos/{repository}/deployments/{id}", "deployments=read", get_deployment),
    route("POST", "/repos/{repository}/deployments/{id}/statuses", "deployments=write", create_status),
    route("GET", "/repos/{repository}/deployments/{id}/statuses", "deployments=read", list_statuses),
)
