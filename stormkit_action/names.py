"""What messages call an input: by its name in a step on GitHub, by its flag or variable on the command line."""

from typing import NamedTuple

# They have no flag: a key among the arguments could be read by everybody, and a command needs none.
_WITHOUT_FLAG = frozenset({"api-key", "github-token", "command"})


def variable_elsewhere(name: str) -> str:
    """The environment variable of an input or an output outside GitHub, such as STORMKIT_ENV_ID."""
    return f"STORMKIT_{name.upper().replace('-', '_')}"


class Names(NamedTuple):
    """How inputs are called: on GitHub, or elsewhere, where the values of `from_variables` come from variables.

    `has_key_file` is whether the API key comes from the file that STORMKIT_API_KEY_FILE names.
    """

    on_github: bool = True
    from_variables: frozenset[str] = frozenset()
    has_key_file: bool = False

    def __call__(self, name: str) -> str:
        """One input: `env-id`, `--env-id` or `STORMKIT_ENV_ID`."""
        if self.on_github:
            return name
        if name == "api-key" and self.has_key_file:
            return variable_elsewhere("api-key-file")
        if name in _WITHOUT_FLAG or name in self.from_variables:
            return variable_elsewhere(name)
        return f"--{name}"

    def subject(self, *names: str) -> str:
        """The beginning of a message about inputs: `Input env-id` or `--env-id`."""
        kind = ("Input " if len(names) == 1 else "Inputs ") if self.on_github else ""
        return f"{kind}{' and '.join(self(name) for name in names)}"

    def switched_off(self, name: str) -> str:
        """The name that a user turned an input off by: the input itself, or its `no-` form."""
        return name if self.on_github or name in self.from_variables else f"no-{name}"

    def setting(self, name: str, value: str) -> str:
        """An input with its value: `on-cancel: leave`, `--on-cancel leave` or `STORMKIT_ON_CANCEL=leave`."""
        if self.on_github:
            return f"{name}: {value}"
        return f"{self(name)}{'=' if name in self.from_variables else ' '}{value}"

    @property
    def where_the_key_goes(self) -> str:
        """What to do with a new API key."""
        if self.on_github:
            return "save it as a repository secret"
        if self.has_key_file:
            return f"write it into the file that {self('api-key')} names"
        return f"set {self('api-key')} to it"


ON_GITHUB = Names()
ELSEWHERE = Names(on_github=False)
