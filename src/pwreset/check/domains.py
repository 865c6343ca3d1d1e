"""One domain: its servers and our rights there, the rules people are held to, its managers and protected people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pwreset.check.peers import of_directory, with_certificate
from pwreset.directory.connection import Server
from pwreset.errors import DomainMissing, DomainUnknown, PwresetError
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.model import User
from pwreset.reset.services import Services
from pwreset.settings.domains import Domain
from pwreset.web.rules import rules_in_words

NOT_LISTED = (
    "Is it the right group? (Who is in it by his primary group, in Active Directory, counts, but is not listed.)"
)
NOBODY = "Name a test person with --user; see that `base_dn`, `user_filter` and `login_attributes` fit people."


def people_by_domain(usernames: Sequence[str], services: Services) -> dict[str, list[str]]:
    r"""Whom to try rights on: `DOMAIN\user` in the domain of that configured name, others in the default one."""
    found: dict[str, list[str]] = {}
    for username in usernames:
        before, backslash, user = username.partition("\\")
        try:
            domain, wanted = services.domain_name(before if backslash else None), user if backslash else username
        except (DomainUnknown, DomainMissing):
            domain, wanted = _otherwise(services), username
        found.setdefault(domain, []).append(wanted)
    return found


def _otherwise(services: Services) -> str:
    try:
        return services.domain_name(None)
    except DomainMissing:
        return next(iter(services.directories))


async def in_domain(name: str, usernames: Sequence[str], services: Services) -> list[Finding]:
    """All findings on one domain. Never raises an expected failure."""
    directory, domain = services.directories[name], services.settings.domains[name]
    findings = []
    if domain.bind_dn is not None and name not in services.configuration.bind_passwords:
        advice = f"Set domains.{name}.bind_password_file."
        findings.append(Finding(Part.ACCOUNT, State.FAILED, "it has no password", advice, domain.bind_dn, name))
    people, unfound = await _people(name, usernames, services)
    findings += [finding for one in await directory.examine(people) for finding in await _explained(one, domain)]
    # Where no server can be used that has been said, once.
    if any(one.part is Part.SERVER and one.state is not State.FAILED for one in findings):
        findings += [*unfound, *[await _rules(name, user, services) for user in people]]
        findings += await _groups(name, services)
    return findings


async def _people(name: str, usernames: Sequence[str], services: Services) -> tuple[list[User], list[Finding]]:
    directory = services.directories[name]
    people, unfound = [], []
    if not usernames:
        try:
            somebody = await directory.sample()
        except PwresetError as error:
            advice = "See what is wrong with the servers and the account above."
            return [], [Finding(Part.RIGHTS, State.FAILED, f"cannot be tried: {error}", advice, domain=name)]
        if somebody is None:
            return [], [Finding(Part.RIGHTS, State.UNTOLD, "nobody was found to try them on", NOBODY, domain=name)]
        return [somebody], []
    for username in usernames:
        try:
            people.append(await directory.find(username))
        except PwresetError as error:
            advice = "Name an existing person, as he logs in; for another domain than the default one: DOMAIN\\user."
            unfound.append(Finding(Part.RIGHTS, State.FAILED, str(error), advice, username, name))
    return people, unfound


async def _explained(finding: Finding, domain: Domain) -> list[Finding]:
    """A server's finding, with its certificate where that says more."""
    if finding.part is not Part.SERVER:
        return [finding]
    server = Server.read(finding.subject, start_tls=domain.start_tls)
    return with_certificate(finding, await of_directory(server))


async def _rules(name: str, user: User, services: Services) -> Finding:
    try:
        rules = await services.directories[name].rules(user)
    except PwresetError as error:
        return Finding(Part.POLICY, State.UNTOLD, str(error), subject=user.login, domain=name)
    if not rules:
        return Finding(
            Part.POLICY,
            State.WARNING,
            "no rule of the directory can be read for this person: people learn of them only by a refusal",
            "Let the service account read the password policy, if there is one; see the directory's how-to.",
            user.login,
            name,
        )
    words = "; ".join(rule.words for rule in rules_in_words(rules, "en"))
    return Finding(Part.POLICY, State.OK, f"the directory's rules: {words}", subject=user.login, domain=name)


async def _groups(name: str, services: Services) -> list[Finding]:
    domain = services.settings.domains[name]
    try:
        sizes = await services.directories[name].group_sizes()
    except PwresetError as error:
        return [Finding(Part.MANAGERS, State.FAILED, str(error), "See the servers above.", domain=name)]
    return [
        *_of_groups(Part.MANAGERS, domain.managers, sizes, name),
        *_of_groups(Part.PROTECTED, domain.protected, sizes, name),
        *_of_groups(Part.SECOND_FACTOR, domain.mfa.groups, sizes, name),
    ]


def _of_groups(part: Part, dns: Sequence[str], sizes: Mapping[str, int | None], name: str) -> Iterator[Finding]:
    if not dns and part is Part.MANAGERS:
        advice = f"List groups or users in domains.{name}.managers."
        yield Finding(part, State.FAILED, "none are named: nobody may ask for a link", advice, domain=name)
    for dn in dns:
        size = sizes.get(dn)
        if size is None:
            until = "everybody must show a second factor" if part is Part.SECOND_FACTOR else "nobody gets a link"
            advice = f"Mend the DN, or let the service account read it. Until then {until} in this domain."
            yield Finding(part, State.FAILED, "is not there, or may not be read", advice, dn, name)
        elif size == 0:
            yield Finding(part, State.WARNING, "nobody is listed in it", NOT_LISTED, dn, name)
        else:
            yield Finding(part, State.OK, "1 person" if size == 1 else f"{size} people", subject=dn, domain=name)
