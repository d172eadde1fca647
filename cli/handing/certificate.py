"""``custody certificate``: the facts for a certification under FRE 902(13) and (14), as a draft."""

from __future__ import annotations

from custody.cli.frame import Verb
from custody.cli.given import bundles, ledger_where, options, papers

app = Verb("Draft a certification under Federal Rules of Evidence 902(13) and (14).")


@app.command()
def certificate(
    bundle: bundles.BundleArgument,
    output: papers.OutOption = None,
    expect: options.ExpectOption = None,
    signer: options.SealedByOption = None,
    log: options.LogOption = None,
    checkpoint: ledger_where.CheckpointOption = None,
    ledger: ledger_where.LedgerOption = None,
    trust: options.TrustOption = None,
) -> int:
    """Draft a certification under Federal Rules of Evidence 902(13) and (14).

    The facts come from the bundle, which is verified first; who certifies, and why they can, is
    left blank.  HTML that a word processor opens.  It is a draft and not legal advice.

    Exit 10: the bundle failed, and the draft says not to sign; 11: it could not be judged.
    """
    from custody.forms import certificate as certificates

    whose = papers.Whose(expect, signer, log, checkpoint, ledger, trust)
    return papers.make("certificate", bundle, output, whose, certificates.document)
