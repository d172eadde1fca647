"""Time stamps (RFC 3161): asking authorities for them, keeping them, reading and judging them.

A token is an authority's signed word that some bytes existed at a moment.  Here the bytes are the
signature of a bundle's statement, or the text of a ledger's checkpoint.  Tokens are kept byte for
byte as they came, whole responses, so that ``openssl ts`` reads them too.

``ask``     the only module here that opens a connection
``token``   what a token says (with ``der``, no I/O)
``opinion`` whether to believe it, under certificates that the verifier pinned
``places``  where tokens lie, in bundles and in cases
``telling`` the events about them
``bounds``  by when the entries of a ledger existed, by stamps over its checkpoints
``stock``   all the stamps of a case, and which are due to be renewed
"""
