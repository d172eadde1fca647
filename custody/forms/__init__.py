"""Papers about one bundle: the chain-of-custody form, and the facts for a certification.

Both are made in three steps, each of which takes values and gives values: what the bundle says of
itself (:mod:`~custody.forms.item`), how it and the ledger stand at this moment
(:mod:`~custody.forms.standing`), and the facts drawn from the two and from the history
(:mod:`~custody.forms.form`, :mod:`~custody.forms.certificate`).  :mod:`~custody.forms.page` makes
a page of the facts and adds nothing.
"""
