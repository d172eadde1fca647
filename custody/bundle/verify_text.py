"""VERIFY.txt: how to check a bundle without custody; one fixed text for each format version."""

from __future__ import annotations

_TEXT = """\
HOW TO CHECK THIS BUNDLE WITHOUT THE PROGRAM THAT MADE IT

This directory is a bundle of evidence, format 1: a BagIt 1.0 bag (RFC 8493) with a signed
statement. Run the commands in this directory. They change nothing in it. Do not run any program
that came with the bundle: it holds none.

You need one thing that must not come from this bundle: the signer's public key. Get it from the
signer, from the paper form, or from "custody key show NAME --pem" on the signer's own machine, and
save it as signer.pem outside this directory. Below it is taken to be ../signer.pem.


1. THE CONTENT IS WHAT THE MANIFESTS SAY

Linux:

    sha256sum --quiet --strict -c tagmanifest-sha256.txt
    if [ -s manifest-sha256.txt ]; then sha256sum --quiet --strict -c manifest-sha256.txt; fi

macOS:

    shasum -a 256 --quiet --strict -c tagmanifest-sha256.txt
    if [ -s manifest-sha256.txt ]; then shasum -a 256 --quiet --strict -c manifest-sha256.txt; fi

Windows (PowerShell); prints a line for each file that differs, nothing when all is well:

    foreach ($list in 'tagmanifest-sha256.txt', 'manifest-sha256.txt') {
      Get-Content $list | ForEach-Object {
        $want, $name = $_ -split '  ', 2
        if ((Get-FileHash -Algorithm SHA256 -LiteralPath $name).Hash -ne $want) { "DIFFERS: $name" }
      }
    }

No output means that every file listed is unchanged.


2. NOTHING WAS ADDED

Linux and macOS; the two numbers must be equal:

    find data ! -type d | wc -l
    grep -c . manifest-sha256.txt

Windows (PowerShell):

    (Get-ChildItem data -Recurse -Force -File).Count
    @(Get-Content manifest-sha256.txt).Count


3. THE STATEMENT NAMES THIS BAG

The statement is the "payload" in seal/statement.dsse.json, in base64. Its subject must be the
SHA-256 of tagmanifest-sha256.txt. The two lines printed must be equal.

Linux and macOS:

    sed 's/.*"payload":"\\([^"]*\\)".*/\\1/' seal/statement.dsse.json | openssl base64 -d -A \\
      > ../payload.json
    echo "$(sed 's/.*"subject":\\[{"digest":{"sha256":"\\([0-9a-f]*\\)"}.*/\\1/' ../payload.json)"
    openssl dgst -sha256 -r tagmanifest-sha256.txt | cut -d ' ' -f 1

Windows (PowerShell):

    $e = Get-Content seal/statement.dsse.json -Raw | ConvertFrom-Json
    $p = [Convert]::FromBase64String($e.payload)
    ([Text.Encoding]::UTF8.GetString($p) | ConvertFrom-Json).subject[0].digest.sha256
    (Get-FileHash -Algorithm SHA256 tagmanifest-sha256.txt).Hash.ToLower()


4. THE STATEMENT WAS SIGNED BY THAT KEY

The signature (Ed25519) is over the DSSE encoding of the statement: the words DSSEv1, the length
and text of the payload type, the length and bytes of the payload, with single spaces between.

Linux and macOS (OpenSSL 1.1.1 or newer; the system's own openssl on macOS is not enough):

    { printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < ../payload.json)"
      cat ../payload.json; } > ../signed.bin
    sed 's/.*"sig":"\\([^"]*\\)".*/\\1/' seal/statement.dsse.json | openssl base64 -d -A \\
      > ../signature.bin
    openssl pkeyutl -verify -pubin -inkey ../signer.pem -rawin -in ../signed.bin \\
      -sigfile ../signature.bin

Windows (PowerShell, continuing from step 3, with openssl installed):

    $h = [Text.Encoding]::ASCII.GetBytes("DSSEv1 28 application/vnd.in-toto+json $($p.Length) ")
    [IO.File]::WriteAllBytes("$PWD/../signed.bin", [byte[]]($h + $p))
    [IO.File]::WriteAllBytes("$PWD/../signature.bin",
      [Convert]::FromBase64String($e.signatures[0].sig))
    openssl pkeyutl -verify -pubin -inkey ../signer.pem -rawin -in ../signed.bin `
      -sigfile ../signature.bin

It must print: Signature Verified Successfully


5. IT WAS ENTERED IN THE LEDGER

Files in seal/receipts/ are proofs in the format c2sp.org/tlog-proof: the entry is the whole file
seal/statement.dsse.json, the leaf hash is SHA-256 of a zero byte and that file (RFC 6962). They
are checked against the public key of the ledger, which must not come from this bundle either.


WHAT THIS SHOWS: this copy is, byte for byte, what the holder of the key sealed. It does not show
that the logs were true before they were collected, or that the key was not stolen.
"""

VERIFY_TEXT = _TEXT.encode("ascii")
