"""The one error of the runners."""


class RunnerError(Exception):
    """Trials cannot be run where they were asked to be; the message says what to do."""
