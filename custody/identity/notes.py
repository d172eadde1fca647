"""Who signed a note: checkpoints are signed and checked here.

Type 0x01 signs the text itself (C2SP signed-note).  Type 0x04, a witness's cosignature, signs a
header with its own time before the text (C2SP tlog-cosignature).
"""

from __future__ import annotations

from collections.abc import Iterable

from custody.errors import FormatError
from custody.formats import note, vkey
from custody.formats.note import NoteSignature, SignedNote
from custody.formats.strict import LARGEST_SIZE
from custody.formats.vkey import VerifierKey
from custody.identity.signing import Signer, is_signed

_TIME_BYTES = 8


def sign(text: str, signer: Signer) -> bytes:
    """Sign *text* and return the note's bytes.

    :param text: must end in a newline and have no other control character.
    :raises FormatError: if *text* cannot stand in a note.
    """
    line = NoteSignature(signer.key.name, signer.key.key_hash(), signer.sign(text.encode()))
    return note.dump(SignedNote(text, (line,)))


def cosign(text: str, signer: Signer, seconds: int) -> NoteSignature:
    """Sign *text* as a witness who saw it at this POSIX time; the key is of type 0x04."""
    message = _cosigned_bytes(text.encode(), seconds)
    signature = seconds.to_bytes(_TIME_BYTES, "big") + signer.sign(message)
    return NoteSignature(signer.key.name, signer.key.key_hash(), signature)


def verified(signed: SignedNote, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Which of *keys* signed the note; none of them is an empty answer, not an error.

    A note whose answer is empty must not be believed.  Lines by other keys are passed over.

    :raises FormatError: if a line bears the name and hash of one of *keys* and is not by it.
    """
    signers: dict[VerifierKey, None] = {}
    for key, line in signed.lines_from(keys):
        if not _is_by(key, line, signed):
            raise FormatError("check signature", key.name, "the text is not what this key signed")
        signers[key] = None
    return tuple(signers)


def cosigned_at(line: NoteSignature) -> int:
    """The POSIX time, in seconds, inside a type 0x04 signature line.

    :raises FormatError: if the line is too short for one, or the time is 2**63 or later.
    """
    if len(line.signature) <= _TIME_BYTES:
        raise FormatError("read cosignature", line.name, "too short to hold a time")
    seconds = int.from_bytes(line.signature[:_TIME_BYTES], "big")
    if seconds > LARGEST_SIZE:
        raise FormatError("read cosignature", line.name, "its time is not below 2**63")
    return seconds


def _is_by(key: VerifierKey, line: NoteSignature, signed: SignedNote) -> bool:
    if key.kind == vkey.ED25519:
        return is_signed(key, line.signature, signed.signed_bytes())
    message = _cosigned_bytes(signed.signed_bytes(), cosigned_at(line))
    return is_signed(key, line.signature[_TIME_BYTES:], message)


def _cosigned_bytes(text: bytes, seconds: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % seconds + text
