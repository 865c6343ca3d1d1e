"""Tokens, digests and the keys they are made with.

A link's token is 256 random bits. The store holds only its HMAC-SHA-256, under a key that is not in the database, and
an HMAC over the row's fixed fields (`binding`): a copy of the database opens nothing, and a row that somebody else
wrote or edited is no link. Every purpose has its own key, derived from the key file's by HKDF (RFC 5869).
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pwreset.reset.model import Demand, ResetRequest
from pwreset.secret import Secret

TOKEN_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
KEY_BYTES = 32
AUDIT = "audit chain"
RETIRED = "audit-only"
WAITING = "waiting"
KEY_ID_BYTES = 4
ID_BYTES = 12
ID_SHAPE = re.compile(r"[0-9a-f]{24}\Z")
DAY_SHAPE = re.compile(r"\d{4}-\d\d-\d\d\Z")
TIME_BYTES, SHORT_MAC_BYTES = 4, 16
CODE, PROOF, PROMPT = "second factor code", "second factor proof", "second factor prompt"
PROOF_NONCE_BYTES = 12
PROOF_SHAPE = re.compile(r"[A-Za-z0-9_-]{64}\Z")


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """One key of the key file. `id` is public, `value` is 32 bytes."""

    id: str
    value: bytes
    made: str = ""  # the day, YYYY-MM-DD; unknown of keys from before that was noted
    waiting: bool = False  # it only checks, until all processes that share the key file know it

    def derive(self, purpose: str) -> bytes:
        """32 bytes for this purpose alone."""
        return _derive(self.value, purpose)


@cache
def _derive(value: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"pwreset {purpose}".encode()).derive(value)


@dataclass(slots=True, repr=False)
class Keys:
    """The keys of the key file, newest first: the first one makes, all of them check.

    `retired` are what is left of keys that no link needs any more: enough to prove the audit trail, and no more.
    """

    keys: tuple[Key, ...]
    retired: tuple[Key, ...] = ()

    def renew(self, other: Keys) -> None:
        """Be these keys from now on: the key file was changed under a running process."""
        self.keys, self.retired = other.keys, other.retired

    def rotated(self, today: str) -> Keys:
        """With a new key to make things with: the waiting one, if there is one."""
        waiting = next((key for key in self.keys if key.waiting), None) or new_key(today)
        others = tuple(key for key in self.keys if key.id != waiting.id)
        return Keys((replace(waiting, waiting=False), *others), self.retired)

    def prepared(self, today: str) -> Keys:
        """With a new key that waits."""
        return Keys((*self.keys, replace(new_key(today), waiting=True)), self.retired)

    def without(self, key_id: str) -> Keys:
        """Without this key, but for what proves the audit trail. It must not be the newest one."""
        gone = next(key for key in self.keys[1:] if key.id == key_id)
        left = tuple(key for key in self.keys if key is not gone)
        return Keys(left, (*self.retired, Key(gone.id, gone.derive(AUDIT), gone.made)))

    def audit_keys(self) -> list[bytes]:
        """What blocks of the audit trail may be chained with."""
        return [*(key.derive(AUDIT) for key in self.keys), *(key.value for key in self.retired)]

    @property
    def newest(self) -> Key:
        """The key new things are made with."""
        return self.keys[0]

    def digests(self, token: Secret) -> tuple[bytes, ...]:
        """What the store may hold for this token, the newest key's first."""
        text = token.reveal().encode()
        return tuple(_mac(key.derive("link digest"), text) for key in self.keys)

    def bind(self, request: ResetRequest) -> ResetRequest:
        """The request with its `binding`."""
        return replace(request, binding=_mac(self.newest.derive("request binding"), _fixed(request)))

    def is_bound(self, request: ResetRequest) -> bool:
        """Whether the request's fixed fields are those it was born with."""
        text = _fixed(request)
        return any(hmac.compare_digest(_mac(key.derive("request binding"), text), request.binding) for key in self.keys)

    def form_token(self, digest: bytes) -> str:
        """What a form of this link must carry; worthless for any other link."""
        return base64.urlsafe_b64encode(_mac(self.newest.derive("form token"), digest)).decode().rstrip("=")

    def is_form_token(self, digest: bytes, presented: str) -> bool:
        """Whether a form belongs to this link."""
        candidates = [
            base64.urlsafe_b64encode(_mac(key.derive("form token"), digest)).rstrip(b"=") for key in self.keys
        ]
        return any(hmac.compare_digest(candidate, presented.encode(errors="replace")) for candidate in candidates)

    def renewal_token(self, digest: bytes) -> str:
        """What the "send me a new link" of this expired link must carry; worthless for any other link or form."""
        return base64.urlsafe_b64encode(_mac(self.newest.derive("renewal token"), digest)).decode().rstrip("=")

    def is_renewal_token(self, digest: bytes, presented: str) -> bool:
        """Whether a renewal was offered for this link."""
        candidates = [
            base64.urlsafe_b64encode(_mac(key.derive("renewal token"), digest)).rstrip(b"=") for key in self.keys
        ]
        return any(hmac.compare_digest(candidate, presented.encode(errors="replace")) for candidate in candidates)

    def disowning_token(self, request_id: str, ends_at: datetime) -> Secret:
        """What says "it was not me" of a request until then: its id, the end, and an HMAC of both.

        43 characters, as a link's token has, and worth nothing as one.
        """
        plain = bytes.fromhex(request_id) + int(ends_at.timestamp()).to_bytes(TIME_BYTES, "big")
        mac = _mac(self.newest.derive("disowning token"), plain)[:SHORT_MAC_BYTES]
        return Secret(base64.urlsafe_b64encode(plain + mac).decode().rstrip("="))

    def read_disowning(self, token: Secret) -> tuple[str, datetime] | None:
        """The request's id and when the token ends; None when it is none of ours."""
        whole = base64.urlsafe_b64decode(token.reveal() + "=")
        plain, presented = whole[:-SHORT_MAC_BYTES], whole[-SHORT_MAC_BYTES:]
        macs = [_mac(key.derive("disowning token"), plain)[:SHORT_MAC_BYTES] for key in self.keys]
        # The last of 43 characters has two bits that mean nothing.
        if not _one_spelling(whole, token.reveal()) or not any(hmac.compare_digest(mac, presented) for mac in macs):
            return None
        return plain[:-TIME_BYTES].hex(), datetime.fromtimestamp(int.from_bytes(plain[-TIME_BYTES:], "big"), UTC)

    def code_mark(self, request: ResetRequest, code: Secret) -> bytes:
        """What the store may hold of a code: of this code, this link and this person."""
        return _mac(self.newest.derive(CODE), _code_text(request, code))

    def is_code(self, request: ResetRequest, code: Secret, mark: bytes) -> bool:
        """Whether this is the code of that mark; compared in constant time."""
        text = _code_text(request, code)
        return any(hmac.compare_digest(_mac(key.derive(CODE), text), mark) for key in self.keys)

    def proof(self, request: ResetRequest, until: datetime) -> Secret:
        """What shows on any node, until then, that the second factor of this link was shown in a browser."""
        nonce = secrets.token_bytes(PROOF_NONCE_BYTES)
        plain = int(until.timestamp()).to_bytes(TIME_BYTES, "big") + nonce
        mac = _mac(self.newest.derive(PROOF), plain + request.digest + request.binding)
        return Secret(base64.urlsafe_b64encode(plain + mac).decode().rstrip("="))

    def is_proof(self, request: ResetRequest, presented: Secret, now: datetime) -> bool:
        """Whether this is a proof of this link's that is still good."""
        text = presented.reveal()
        if not PROOF_SHAPE.match(text):
            return False
        whole = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        plain, mac = whole[:-KEY_BYTES], whole[-KEY_BYTES:]
        bound = plain + request.digest + request.binding
        good = any(hmac.compare_digest(_mac(key.derive(PROOF), bound), mac) for key in self.keys)
        return good and int.from_bytes(plain[:TIME_BYTES], "big") > now.timestamp()

    def prompt_mark(self, digest: bytes, state: bytes) -> bytes:
        """What a form must carry beside the state of a RADIUS server's further question: it is this link's."""
        return _mac(self.newest.derive(PROMPT), digest + state)

    def is_prompt_mark(self, digest: bytes, state: bytes, presented: bytes) -> bool:
        """Whether the state in a form is one that we put there, for this link."""
        return any(hmac.compare_digest(_mac(key.derive(PROMPT), digest + state), presented) for key in self.keys)

    def name_mark(self, domain: str, name: str) -> str:
        """What may be kept of a name that somebody typed: people type passwords there too.

        The same for the same name, and whoever has no key cannot try names or passwords at it.
        """
        return self.name_marks(domain, name)[0]

    def name_marks(self, domain: str, name: str) -> tuple[str, ...]:
        """The mark, and those that it had under older keys."""
        text = msgspec.json.encode([domain, name.encode(errors="surrogatepass").hex()])
        return tuple(_mac(key.derive("typed name"), text)[:ID_BYTES].hex() for key in self.keys)

    def report_token(self, delivery_id: str) -> str:
        """What stands in the address to which a gateway tells what became of this delivery: its id, and an HMAC of it.

        43 characters, as a link's token has; worth nothing as one, nor for anything but reports of this delivery.
        """
        plain = bytes.fromhex(delivery_id)
        mac = _mac(self.newest.derive("delivery report"), plain)[: KEY_BYTES - len(plain)]
        return base64.urlsafe_b64encode(plain + mac).decode().rstrip("=")

    def read_report(self, token: Secret) -> str | None:
        """The delivery's id; None when it is none of ours."""
        whole = base64.urlsafe_b64decode(token.reveal() + "=")
        plain, presented = whole[:ID_BYTES], whole[ID_BYTES:]
        macs = [_mac(key.derive("delivery report"), plain)[: len(presented)] for key in self.keys]
        if not _one_spelling(whole, token.reveal()) or not any(hmac.compare_digest(mac, presented) for mac in macs):
            return None
        return plain.hex()


def new_code(digits: int) -> Secret:
    """So many random decimal digits."""
    return Secret("".join(str(secrets.randbelow(10)) for _ in range(digits)))


def _one_spelling(whole: bytes, presented: str) -> bool:
    """Whether the text is the spelling of these bytes that we make."""
    return base64.urlsafe_b64encode(whole).decode().rstrip("=") == presented


def new_token() -> Secret:
    """256 random bits, base64url, 43 characters."""
    return Secret(secrets.token_urlsafe(KEY_BYTES))


def new_id() -> str:
    """A public id: 96 random bits in hex."""
    return secrets.token_hex(ID_BYTES)


def new_key(today: str = "") -> Key:
    """A fresh key, made today."""
    return Key(id=secrets.token_hex(KEY_ID_BYTES), value=secrets.token_bytes(KEY_BYTES), made=today)


def read_token(text: str) -> Secret | None:
    """A token from a URL or cookie, or None when it cannot be one."""
    return Secret(text) if TOKEN_SHAPE.match(text) else None


def write_keys(keys: Keys) -> str:
    """The key file's text: one `id base64` a line, newest first; behind them those that only prove the audit trail."""
    lines = [_written(key, WAITING if key.waiting else "") for key in keys.keys]
    lines += [_written(key, RETIRED) for key in keys.retired]
    return "".join(f"{line}\n" for line in lines)


def _written(key: Key, word: str) -> str:
    return " ".join(filter(None, (key.id, base64.b64encode(key.value).decode(), word, key.made)))


def read_keys(text: str) -> Keys:
    """Keys from a key file's text. Raises ValueError, without its content, when it is none."""
    keys: list[Key] = []
    retired: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key_id, encoded, *more = line.split()
            made = more.pop() if more and DAY_SHAPE.match(more[-1]) else ""
            word = {(): "", (RETIRED,): RETIRED, (WAITING,): WAITING}[tuple(more)]
            key = Key(key_id, base64.b64decode(encoded, validate=True), made, waiting=word == WAITING)
        except (ValueError, KeyError):
            raise ValueError(f"line {number} is no key") from None
        if len(key.value) != KEY_BYTES:
            raise ValueError(f"the key in line {number} has not {KEY_BYTES} bytes")
        (retired if word == RETIRED else keys).append(key)
    if not keys:
        raise ValueError("it holds no key")
    return Keys(tuple(keys), tuple(retired))


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")  # by name: twice as fast as by function


def _code_text(request: ResetRequest, code: Secret) -> bytes:
    """The code with what it is bound to. No sign of a code's length is left: what is typed may be of any."""
    return msgspec.json.encode([request.id, request.digest.hex(), request.domain, request.user_id, code.reveal()])


def _fixed(request: ResetRequest) -> bytes:
    """All fields that are fixed at birth, in one unambiguous text.

    A link that demands nothing has the text that it had before there were demands, so that older links stay good; a
    demand makes the text longer, so that a program that knows of none, or a row that has lost it, finds it not bound.
    """
    demand = request.demand
    return msgspec.json.encode(
        [
            request.id,
            request.digest.hex(),
            request.domain,
            request.user_id,
            request.mode.value,
            request.origin.value,
            request.asked_by,
            request.created_at.isoformat(),
            request.expires_at.isoformat(),
            request.password_mark,
            [[recipient.channel.value, recipient.address] for recipient in request.sent_to],
            *([] if demand is None else [_demand_text(demand)]),
        ]
    )


def _demand_text(demand: Demand) -> list[object]:
    return [
        demand.factor.value,
        [[recipient.channel.value, recipient.address] for recipient in demand.code_to],
        demand.since.isoformat() if demand.since else None,
    ]
