"""Keys in a PKCS#11 token: a smart card, a hardware security module, or SoftHSM for tests.

The private half never leaves the token.  A PIN is tried once and never again, because a few wrong
ones lock a token for good; where only one try is left, it is not taken.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from custody.counted import counted
from custody.errors import CustodyError, FormatError, KeyAccessError, UsageError
from custody.formats import vkey
from custody.formats.vkey import VerifierKey
from custody.identity import signing
from custody.identity.signing import Signer

if TYPE_CHECKING:
    import pkcs11

_P256_PARAMETERS = bytes.fromhex("06082a8648ce3d030107")  # prime256v1
_ED25519_PARAMETERS = (bytes.fromhex("06032b6570"), b"\x13\x0cedwards25519")  # RFC 8410, PKCS#11
_ED25519_OID = "1.3.101.112"
_OCTETS = 0x04
Pin = Callable[[], bytes]
"""Asks for the PIN: once, and only when the token is there and not locked."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is.

    :ivar module: the file of the PKCS#11 library, an absolute path: it is a program.
    :ivar token: the token's label; *serial*, its serial number, tells two of one label apart.
    :ivar label: the key's label in it.
    """

    module: str
    token: str
    label: str
    serial: str = ""

    def as_json(self) -> dict[str, str]:
        """The fields, as ``NAME.json`` has them."""
        return {
            "label": self.label,
            "module": self.module,
            "serial": self.serial,
            "token": self.token,
        }

    def __str__(self) -> str:
        return f'key "{self.label}" in token "{self.token}"'


@dataclass(frozen=True, slots=True)
class Found:
    """A key that was found, or made, in a token."""

    place: Place
    key: VerifierKey
    is_new: bool


def find_or_make(place: Place, name: str, pin: Pin, kind: int) -> Found:
    """The key at *place*; where there is none of that label, one is made there.

    :param name: what the verifier key is to be called.
    :param kind: the kind of key to make; one that is there keeps its own.
    :raises UsageError: if the module or the token is not there, or the key is of another kind.
    :raises KeyAccessError: if the PIN is wrong, or the token is locked or refuses.
    """
    token = _token(place)
    with _opened(place, token, pin(), writing=True) as session:
        private = _private(place, session)
        if private is None:
            _make(place, session, kind)
        public = _public(place, session)
        key = VerifierKey(vkey.check_name(name), *public)
        held = Place(place.module, place.token, place.label, _text(token.serial))
        _require_its(held, session, key)
        return Found(held, vkey.parse(str(key)), private is None)


def unlock(place: Place, key: VerifierKey, pin: Pin) -> Signer:
    """Make a key in a token ready to sign, and see that it is the one that is expected.

    The session stays open until the process ends.

    :raises KeyAccessError: if the PIN is wrong, the token is locked or gone, or holds another key
        under that label.
    """
    token = _token(place)
    with _said(place):
        session = _open(place, token, pin(), writing=False)
        _require_its(place, session, key)
    return Signer(key, _Held(place, session, key))


class _Held:
    """A private key in a token, in an open session."""

    def __init__(self, place: Place, session: pkcs11.Session, key: VerifierKey) -> None:
        self._place = place
        self._session = session
        self._key = key

    def sign(self, data: bytes, /) -> bytes:
        """Sign *data*.

        :raises KeyAccessError: if the token refuses, or was pulled out.
        """
        with _said(self._place):
            private = _private(self._place, self._session)
            if private is None:  # it was there when the session began
                raise KeyAccessError("use", self._place, _GONE, hint=_AGAIN)
            return _sign(private, self._key, data)


def _require_its(place: Place, session: pkcs11.Session, key: VerifierKey) -> None:
    """A signature that nobody asked for shows whether the private half is that of *key*."""
    challenge = b"custody key check " + secrets.token_bytes(32)
    private = _private(place, session)
    if private is None:
        raise KeyAccessError("use", place, "there is no such key in the token")
    if not signing.is_signed(key, _sign(private, key, challenge), challenge):
        why = "the private key in the token does not belong to the public one that is known"
        hint = "the token was exchanged, or another key has that label; find out before you sign"
        raise KeyAccessError("use", place, why, hint=hint)


def _sign(private: Any, key: VerifierKey, data: bytes) -> bytes:
    from pkcs11 import Mechanism

    if key.kind != vkey.ECDSA:
        return bytes(private.sign(data, mechanism=Mechanism.EDDSA))
    # Hashed here: every token can sign a digest, and not every one hashes.
    digest = hashlib.sha256(data).digest()
    raw = bytes(private.sign(digest, mechanism=Mechanism.ECDSA))
    half = len(raw) // 2
    return signing.ecdsa_signature(
        int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
    )


def _private(place: Place, session: pkcs11.Session) -> Any:
    """The one private key with the label, or None."""
    from pkcs11 import Attribute, ObjectClass

    wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: place.label}
    found = list(session.get_objects(wanted))
    if len(found) > 1:
        raise UsageError(
            "find", place, f"{counted(len(found), 'key')} in the token have that label"
        )
    return found[0] if found else None


def _public(place: Place, session: pkcs11.Session) -> tuple[int, bytes]:
    """The kind and the bytes of the public key with the label."""
    from pkcs11 import Attribute, ObjectClass

    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: place.label}
    found: list[Any] = list(session.get_objects(wanted))
    if len(found) != 1:
        why = f"{len(found)} public keys in the token have that label, where one is needed"
        raise UsageError("find", place, why)
    parameters = bytes(found[0][Attribute.EC_PARAMS])
    point = _unwrapped(bytes(found[0][Attribute.EC_POINT]))
    if parameters == _P256_PARAMETERS and len(point) == 65 and point[0] == _OCTETS:
        return vkey.ECDSA, vkey.P256_SPKI + point[1:]
    if parameters in _ED25519_PARAMETERS and len(point) == 32:
        return vkey.ED25519, point
    why = "it is neither ECDSA P-256 nor Ed25519; no other signs here"
    raise UsageError("use", place, why)


def _unwrapped(point: bytes) -> bytes:
    """The point itself; most tokens give it within a DER octet string."""
    if len(point) in (34, 67) and point[0] == _OCTETS and point[1] == len(point) - 2:
        return point[2:]
    return point


def _make(place: Place, session: pkcs11.Session, kind: int) -> None:
    from pkcs11 import Attribute, KeyType, Mechanism
    from pkcs11.util.ec import encode_named_curve_parameters

    is_p256 = kind == vkey.ECDSA
    curve = encode_named_curve_parameters("secp256r1" if is_p256 else _ED25519_OID)
    parameters: Any = session.create_domain_parameters(
        KeyType.EC if is_p256 else KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: curve}, local=True
    )
    how = Mechanism.EC_KEY_PAIR_GEN if is_p256 else Mechanism.EC_EDWARDS_KEY_PAIR_GEN
    locked = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
    parameters.generate_keypair(
        mechanism=how, store=True, label=place.label, private_template=locked
    )


# ---- the token


def _token(place: Place) -> Any:
    """The token, before anything is tried on it.

    :raises UsageError: if the module or the token is not there.
    :raises KeyAccessError: if it is locked, or has one try left.
    """
    try:
        import pkcs11
    except ImportError as err:
        hint = "install custody with the extra pkcs11"
        raise UsageError("use", place, "python-pkcs11 is not installed", hint=hint) from err
    if not os.path.isabs(place.module) or not os.path.isfile(place.module):
        raise UsageError("load", place.module, "no file with an absolute path: it is a program")
    try:
        library = pkcs11.lib(place.module)
    except (RuntimeError, OSError) as err:
        why = "it cannot be loaded as a PKCS#11 module"
        raise UsageError("load", place.module, why) from err
    with _said(place):
        listed = [item for item in library.get_tokens(token_label=place.token)
                  if place.serial in ("", _text(item.serial))]  # fmt: skip
        if not listed:
            why = f'no token "{place.token}" is there'
            raise KeyAccessError("use", place, why, hint="plug it in; pkcs11-tool --list-tokens")
        if len(listed) > 1:
            raise UsageError(
                "use", place, f"{counted(len(listed), 'token')} have the label {place.token}"
            )
        _refuse_locked(place, listed[0])
        return listed[0]


def _refuse_locked(place: Place, token: Any) -> None:
    from pkcs11 import TokenFlag

    if token.flags & TokenFlag.USER_PIN_LOCKED:
        raise KeyAccessError("use", place, _LOCKED, hint=_UNBLOCK)
    if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
        why = "one more wrong PIN locks the token: custody does not take the last try"
        hint = "log in once with the token's own program, which counts from the beginning again"
        raise KeyAccessError("use", place, why, hint=hint)


_LOCKED = "the token is locked, after too many wrong PINs; nothing was written"
_GONE = "the token is gone: it was pulled out, or started again"
_AGAIN = "plug it in and begin again: whoever signs with it logs in once, at the start"
_UNBLOCK = "whoever holds the token's SO PIN or PUK can set a new PIN"


@contextmanager
def _opened(place: Place, token: Any, pin: bytes, *, writing: bool) -> Iterator[Any]:
    with _said(place):
        session = _open(place, token, pin, writing=writing)
        try:
            yield session
        finally:
            session.close()


def _open(place: Place, token: Any, pin: bytes, *, writing: bool) -> Any:
    from pkcs11 import exceptions

    try:
        return token.open(rw=writing, user_pin=pin.decode())
    except UnicodeDecodeError as err:
        raise KeyAccessError("use", place, "the PIN is not UTF-8; it was not tried") from err
    except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange) as err:
        why = f"wrong PIN{_left(place)}; it is not tried again, and nothing was written"
        raise KeyAccessError("use", place, why) from err


def _left(place: Place) -> str:
    """How many tries are left, as far as the token tells."""
    from pkcs11 import TokenFlag, exceptions, lib

    try:
        tokens = list(lib(place.module).get_tokens(token_label=place.token))
    except exceptions.PKCS11Error:
        return ""
    flags = tokens[0].flags if len(tokens) == 1 else TokenFlag(0)
    if flags & TokenFlag.USER_PIN_LOCKED:
        return ", and the token is now locked"
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        return ", and one try is left before the token locks"
    if flags & TokenFlag.USER_PIN_COUNT_LOW:
        return ", and the token counts: too many wrong ones lock it"
    return ""


@contextmanager
def _said(place: Place) -> Iterator[None]:
    """What a token answers, in words."""
    from pkcs11 import exceptions

    gone = (
        exceptions.DeviceRemoved, exceptions.TokenNotPresent, exceptions.NoSuchToken,
        exceptions.SessionHandleInvalid, exceptions.SessionClosed, exceptions.TokenNotRecognised,
        exceptions.ObjectHandleInvalid, exceptions.KeyHandleInvalid,
    )  # fmt: skip
    try:
        yield
    except CustodyError:
        raise
    except exceptions.PinLocked as err:
        raise KeyAccessError("use", place, _LOCKED, hint=_UNBLOCK) from err
    except exceptions.UserPinNotInitialized as err:
        raise KeyAccessError("use", place, "the token has no PIN yet") from err
    except gone as err:
        raise KeyAccessError("use", place, _GONE, hint=_AGAIN) from err
    except exceptions.PKCS11Error as err:
        said = type(err).__name__
        raise KeyAccessError("use", place, f"the token refuses: {said} {err}".rstrip()) from err


def place_from(fields: Any) -> Place:
    """The place in a ``NAME.json``.

    :raises FormatError: if a field is missing, unknown or no text.
    """
    names = {"label", "module", "serial", "token"}
    if (
        not isinstance(fields, dict)
        or set(fields) != names
        or not all(isinstance(value, str) for value in fields.values())
    ):
        raise FormatError("read key", None, "pkcs11 has label, module, serial and token")
    return Place(**fields)


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
