"""What is found when somebody looks at the set-up: each thing that was tried, how it stands, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How a thing stands."""

    OK = ("ok", "It works, as far as can be seen without changing anything.")
    WARNING = ("warning", "It works, and should be mended: it is weaker, slower or more powerful than it need be.")
    FAILED = ("failed", "It does not work, or a rule that pwreset rests on does not hold.")
    UNTOLD = ("untold", "It cannot be found out from here; `advice` says how it can.")

    def __init__(self, word: str, meaning: str) -> None:
        self.word = word
        self.meaning = meaning


class Part(Enum):
    """What a finding is about; the reference page is made from here."""

    SETTINGS = ("settings", "The settings file, the key file and the files that they name.")
    STORE = ("store", "Whether the store writes.")
    HTTPS = (
        "https",
        "The certificate that people and callers see: its time, and whether it is for `public_url`; whose certificates callers must show.",
    )
    SERVER = ("server", "One address of `uris`: connection, TLS, the log-in of our service account, `base_dn`.")
    DIALECT = ("dialect", "What kind of directory it is, and whether all servers agree about it.")
    CLOCK = ("clock", "How far the clock of a directory server is from this machine's.")
    ACCOUNT = ("account", "Whether our service account may do more than it should.")
    POLICY = ("policy", "Whether the directory holds our writes to its password policy, and to which rules.")
    RIGHTS = (
        "rights",
        "Whether our service account may write a person's password, and what the settings ask for beside.",
    )
    CHANGES = ("changes", "Whether the directory tells when a password was changed elsewhere, which ends links.")
    OLD_PASSWORDS = ("old-passwords", "Whether a replaced password still logs in for a while.")
    INDEX = ("index", "Whether people are found by an index, rather than by reading the whole directory.")
    MANAGERS = ("managers", "Each DN of `managers`: whether it is there, and how many people it stands for.")
    PROTECTED = ("protected", "Each DN of `protected`, likewise.")
    SECOND_FACTOR = (
        "second-factor",
        "The second factor: each DN of `mfa.groups`, each RADIUS server, and whether a code has a way to travel.",
    )
    MAIL = ("mail", "The SMTP relay: connection, TLS, log-in.")
    SMS = ("sms", "The SMS gateway: connection and TLS; nothing is sent.")
    CERTIFICATE = ("certificate", "The certificate of another server, when it is about to expire.")

    def __init__(self, word: str, meaning: str) -> None:
        self.word = word
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `subject` is the server, DN or person in question, `domain` the configured name.

    `by_certificate`: whether it is a server's certificate that is wrong.
    """

    part: Part
    state: State
    detail: str
    advice: str = ""
    subject: str = ""
    domain: str = ""
    by_certificate: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong that would have to be mended first."""
        return self.state is not State.FAILED
