"""What operators and managers are told of settings, files, lists and ids."""

from __future__ import annotations

from pwreset.errors.family import Family, PwresetError


class SettingsError(PwresetError):
    family = Family.OPERATOR
    reason = "settings"
    meaning = "The settings file is wrong, unreadable, or readable by others."


class StoreVersionError(PwresetError):
    family = Family.OPERATOR
    reason = "store-version"
    meaning = "The store was written by a newer pwreset, or is no store of pwreset."


class StartError(PwresetError):
    family = Family.OPERATOR
    reason = "start"
    meaning = "The service cannot start: a port is taken, a certificate or key does not load."


class PeopleInvalid(PwresetError):
    """The list of people cannot be sent as it stands: all that is wrong with it is in the words."""

    family = Family.PARAMETER
    reason = "people-invalid"
    meaning = "The list of people for `pwreset send --from` has wrong lines, or its report is that of another list."


class CommandLineWrong(PwresetError):
    family = Family.PARAMETER
    reason = "command-line"
    meaning = "The options of a command do not fit together."


class FilterInvalid(PwresetError):
    family = Family.PARAMETER
    reason = "filter-invalid"
    meaning = "The filter of `pwreset send --filter` is none, as RFC 4515 has them."

    def __init__(self) -> None:
        super().__init__("The filter is not an LDAP filter (RFC 4515)")


class KeyNeeded(PwresetError):
    family = Family.OPERATOR
    reason = "key-needed"
    meaning = "A key cannot be retired: it is the newest, unknown, or something that lives needs it."

    def __init__(self, key_id: str, why: str) -> None:
        super().__init__(f"Key {key_id} cannot go: {why}")


class RequestNotFound(PwresetError):
    family = Family.NOT_FOUND
    reason = "request-not-found"
    meaning = "No reset request of this id exists in the domains the manager may see."

    def __init__(self, request_id: str) -> None:
        super().__init__(f"No reset request {request_id}")
