"""Envelopes: what can be told of a payload without reading the envelope around it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from custody.formats import dsse
from custody.formats.dsse import Envelope, Signature


@given(st.binary(max_size=40), st.binary(min_size=1, max_size=60), st.binary(max_size=40))
def test_one_spelling_of_a_word_stands_in_every_envelope_that_holds_it(
    before: bytes, word: bytes, after: bytes
) -> None:
    """Whatever stands around it; and from five bytes on, none of the spellings is empty."""
    payload = before + word + after
    data = dsse.dump(Envelope(dsse.IN_TOTO, payload, (Signature("k", b"s"),)))
    spelled = dsse.spellings(word)
    assert any(part in data for part in spelled)
    assert all(spelled) == (len(word) >= 5)
