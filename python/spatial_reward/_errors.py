"""The package's one exception, made from Python."""

from spatial_reward._native import Error


def error(kind: str, message: str, remedy: str | None = None, path: str | None = None) -> Error:
    """What to raise: of a kind, with what is wrong, what to do about it, and the file or folder that it is about."""
    raised = Error(message if remedy is None else f"{message}: {remedy}")
    raised.kind, raised.message, raised.remedy, raised.path = kind, message, remedy, path
    return raised
