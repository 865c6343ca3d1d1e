"""A server that treats passwords as FreeIPA's ipa-pwd-extop does by its documents and comments; no real one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.servers.scripted import Answer, Attributes, Client, CutOff, ScriptedDirectory

SUFFIX = "dc=ipa,dc=example"
PEOPLE = f"cn=users,cn=accounts,{SUFFIX}"
SERVICE_DN = f"uid=pwreset,cn=sysaccounts,cn=etc,{SUFFIX}"
SERVICE_PASSWORD = "service-secret"
GLOBAL_POLICY = f"cn=global_policy,cn=IPA.EXAMPLE,cn=kerberos,{SUFFIX}"
TOO_SHORT, IN_HISTORY, BAD_SYNTAX = 6, 8, 5


def person_dn(uid: str) -> str:
    return f"uid={uid},{PEOPLE}"


def stamp(when: datetime) -> str:
    return f"{when:%Y%m%d%H%M%SZ}"


class LikeFreeIpa(ScriptedDirectory):
    """One person, jdoe, whose password was set a year ago by herself."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        super().__init__(
            {
                "": {
                    "vendorName": ["389 Project"],
                    "vendorVersion": ["389-Directory/2.4.5 B2024.198.0000"],
                    "namingContexts": ["cn=changelog", SUFFIX, "o=ipaca"],
                    "supportedExtension": ["1.3.6.1.4.1.4203.1.11.1", "2.16.840.1.113730.3.8.10.1"],
                    "supportedControl": ["1.3.6.1.4.1.42.2.27.8.5.1"],
                },
                SUFFIX: {"dc": ["ipa"]},
                PEOPLE: {"cn": ["users"]},
                SERVICE_DN: {"uid": ["pwreset"], "userPassword": [SERVICE_PASSWORD]},
                GLOBAL_POLICY: {
                    "objectClass": ["krbPwdPolicy"],
                    "cn": ["global_policy"],
                    "krbPwdMinLength": ["8"],
                    "krbPwdMinDiffChars": ["2"],
                    "krbPwdHistoryLength": ["3"],
                    "krbMaxPwdLife": ["7776000"],
                    "krbPwdMaxFailure": ["6"],
                    "krbPwdLockoutDuration": ["600"],
                },
                person_dn("jdoe"): {
                    "objectClass": ["person"],
                    "uid": ["jdoe"],
                    "cn": ["Jane Doe"],
                    "mail": ["jane.doe@example.org"],
                    "ipaUniqueID": ["0f0e0d0c-1111-2222-3333-444455556666"],
                    "entryusn": ["100"],
                    "krbLastPwdChange": [stamp(now - timedelta(days=365))],
                    "krbPasswordExpiration": [stamp(now + timedelta(days=30))],
                    "userPassword": ["Passw0rd-jdoe"],
                },
            }
        )
        self.history = ["Passw0rd-jdoe"]
        self.cut_before_the_second_step = False
        self.lets_people_log_in = True
        self.answer_to_the_second_step: Answer | None = None

    @property
    def jdoe(self) -> Attributes:
        return self.entries[person_dn("jdoe")]

    @property
    def expired(self) -> bool:
        return self.jdoe["krbPasswordExpiration"][0] <= stamp(datetime.now(UTC))

    def bind(self, client: Client, dn: str, password: str) -> Answer:  # noqa: ARG002
        if self.entries.get(dn, {}).get("userPassword") != [password]:
            return Answer(49)
        if dn != SERVICE_DN and not self.lets_people_log_in:
            return Answer(49)
        return Answer()

    def set_password(self, client: Client, dn: str, old: str | None, new: str) -> Answer:
        own = client.dn == dn
        self.log.append("by the person" if own else "by another")
        if own and self.cut_before_the_second_step:
            raise CutOff
        if own and self.answer_to_the_second_step is not None:
            return self.answer_to_the_second_step
        if not own:
            now = stamp(datetime.now(UTC) - timedelta(seconds=1))
            return self._set(dn, new, changed=now, expires=now)
        if self.entries[dn]["userPassword"] != [old]:
            return Answer(49)
        if (refusal := self._refusal_of(new)) is not None:
            return refusal
        now_ = datetime.now(UTC)
        return self._set(dn, new, changed=stamp(now_), expires=stamp(now_ + timedelta(days=90)))

    def _refusal_of(self, new: str) -> Answer | None:
        if len(new) < 8:
            return Answer(19, TOO_SHORT)
        if "dictionary" in new:
            return Answer(19, BAD_SYNTAX)
        return Answer(19, IN_HISTORY) if new in self.history else None

    def modify(self, client: Client, dn: str, changes: list[tuple[int, str, list[str]]]) -> Answer:  # noqa: ARG002
        for kind, name, values in changes:
            if kind == 1:
                return Answer(16)
            assert kind == 2
            self.log.append(f"{name} is written")
            self.entries[dn][name] = values
        return Answer()

    def _set(self, dn: str, new: str, *, changed: str, expires: str) -> Answer:
        entry = self.entries[dn]
        entry |= {"userPassword": [new], "krbLastPwdChange": [changed], "krbPasswordExpiration": [expires]}
        entry["entryusn"] = [str(int(entry["entryusn"][0]) + 1)]
        self.history.append(new)
        return Answer()
