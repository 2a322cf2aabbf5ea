"""What is said in the open about a model's accelerator."""

from typing import Any, Literal, NamedTuple

State = Literal["probing", "running", "restarting", "quarantined", "refused", "stopped"]


class Refusal(NamedTuple):
    """An accelerator that does not run this model, and why."""

    name: str
    reason: str


class AcceleratorStatus(NamedTuple):
    """name is None until one was chosen; since is when it began to run, seconds since the epoch.

    fallbacks counts the requests that the CPU answered because the chosen accelerator could not.
    """

    name: str | None
    since: float | None
    state: State
    refused: tuple[Refusal, ...]
    fallbacks: int

    def table(self) -> dict[str, Any]:
        """The JSON form; the time is spelt as ISO 8601 in UTC."""
        since = None
        if self.since is not None:
            from time import gmtime, strftime

            since = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(self.since))
        return {
            "name": self.name,
            "state": self.state,
            "since": since,
            "refused": [refusal._asdict() for refusal in self.refused],
            "fallbacks": self.fallbacks,
        }
