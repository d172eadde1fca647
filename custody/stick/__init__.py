"""A stick for a responder, laid out beforehand at the desk: program, place, public keys, card.

No private key comes onto it.  A collection from it makes a key in memory and throws it away.
"""

from __future__ import annotations

from custody.stick.card import Card
from custody.stick.desk import Desk, keys_of
from custody.stick.laying import CARD_PAGE, NAMES, lay, refuse_taken
from custody.stick.program import Program

__all__ = ["CARD_PAGE", "NAMES", "Card", "Desk", "Program", "keys_of", "lay", "refuse_taken"]
