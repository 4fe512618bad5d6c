"""What an error says about a trigger: whether a build may have been started, and what to tell people."""

from stormkit_action.errors import NoAnswer, ServerFault, StormkitError


def may_have_started(error: StormkitError) -> bool:
    """Whether a build may have been started although the trigger raised `error`."""
    return isinstance(error, ServerFault) or (isinstance(error, NoAnswer) and error.may_have_arrived)


def is_lost(error: StormkitError) -> bool:
    """Whether the server itself has not said what became of the trigger: it may still be working on it."""
    return may_have_started(error) and not (isinstance(error, ServerFault) and error.from_stormkit)


def unknown_whether_started(branch: str, error: StormkitError) -> NoAnswer:
    """The error when neither the trigger nor the list answers."""
    why = f"Whether a build of {branch} was started is not known, because the list of deployments gave no answer either"
    return _look_there(f"{error.text} {why}")


def may_still_start(branch: str, error: StormkitError) -> NoAnswer:
    """The error when the list shows no build, but the trigger may still arrive."""
    return _look_there(
        f"{error.text} No build of {branch} was started so far, but the request may still be carried out"
    )


def _look_there(text: str) -> NoAnswer:
    return NoAnswer(f"{text}: look at the dashboard before running again.", may_have_arrived=True)
