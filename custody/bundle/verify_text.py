"""VERIFY.txt: how to check a bundle without custody; one fixed text for each format version."""

from __future__ import annotations

_TEXT = """\
HOW TO CHECK THIS BUNDLE WITHOUT THE PROGRAM THAT MADE IT

This directory is a bundle of evidence, format 1: a BagIt 1.0 bag (RFC 8493) with a signed
statement. Run the commands in this directory, one step after the other, in one window. They write
into a directory of their own, $T, and change nothing here. Do not run any program that came with
the bundle: it holds none.

One thing must not come from this bundle: the signer's public key. Get it from the signer (on
their machine: "custody key show NAME --pem"), or take its fingerprint, 64 digits, from the paper
form and do step 4.

Linux and macOS, to begin with; then put the key there as signer.pem:

    T=$(mktemp -d); echo "$T"

Windows (PowerShell), likewise:

    $T = (New-Item -ItemType Directory "$env:TEMP\\custody-$PID").FullName; $T


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
      > "$T/payload.json"
    echo "$(sed 's/.*"subject":\\[{"digest":{"sha256":"\\([0-9a-f]*\\)"}.*/\\1/' "$T/payload.json")"
    openssl dgst -sha256 -r tagmanifest-sha256.txt | cut -d ' ' -f 1

Windows (PowerShell):

    $e = Get-Content seal/statement.dsse.json -Raw | ConvertFrom-Json
    $p = [Convert]::FromBase64String($e.payload)
    ([Text.Encoding]::UTF8.GetString($p) | ConvertFrom-Json).subject[0].digest.sha256
    (Get-FileHash -Algorithm SHA256 tagmanifest-sha256.txt).Hash.ToLower()


4. THE KEY, IF YOU HAVE ONLY ITS FINGERPRINT

The statement names the key. It is the right one if, and only if, the line printed is exactly the
fingerprint on the paper form; otherwise stop here. Skip this step if you have signer.pem.

Linux and macOS:

    sed 's/.*"actor":{"key":"[^"+]*+[0-9a-f]*+\\([^"]*\\)".*/\\1/' "$T/payload.json" \\
      | openssl base64 -d -A | tail -c 32 > "$T/key.bin"
    { printf MCowBQYDK2VwAyEA | openssl base64 -d -A; cat "$T/key.bin"; } > "$T/key.der"
    openssl pkey -pubin -inform DER -in "$T/key.der" -out "$T/signer.pem"
    openssl dgst -sha256 -r "$T/key.bin" | cut -d ' ' -f 1

Windows (PowerShell, continuing from step 3, with openssl installed):

    $v = ([Text.Encoding]::UTF8.GetString($p) | ConvertFrom-Json).predicate.actor.key
    $v = $v -split '\\+', 3
    $k = [byte[]]([Convert]::FromBase64String($v[2])[1..32])
    [IO.File]::WriteAllBytes("$T/key.bin", $k)
    [IO.File]::WriteAllBytes("$T/key.der",
      [byte[]]([Convert]::FromBase64String('MCowBQYDK2VwAyEA') + $k))
    openssl pkey -pubin -inform DER -in "$T/key.der" -out "$T/signer.pem"
    (Get-FileHash -Algorithm SHA256 "$T/key.bin").Hash.ToLower()


5. THE STATEMENT WAS SIGNED BY THAT KEY

The signature (Ed25519) is over the DSSE encoding of the statement: the words DSSEv1, the length
and text of the payload type, the length and bytes of the payload, with single spaces between.

Linux and macOS (OpenSSL 1.1.1 or newer; the system's own openssl on macOS is not enough):

    { printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c < "$T/payload.json")"
      cat "$T/payload.json"; } > "$T/signed.bin"
    sed 's/.*"sig":"\\([^"]*\\)".*/\\1/' seal/statement.dsse.json | openssl base64 -d -A \\
      > "$T/signature.bin"
    openssl pkeyutl -verify -pubin -inkey "$T/signer.pem" -rawin -in "$T/signed.bin" \\
      -sigfile "$T/signature.bin"

Windows (PowerShell, continuing from step 3, with openssl installed):

    $h = [Text.Encoding]::ASCII.GetBytes("DSSEv1 28 application/vnd.in-toto+json $($p.Length) ")
    [IO.File]::WriteAllBytes("$T/signed.bin", [byte[]]($h + $p))
    [IO.File]::WriteAllBytes("$T/signature.bin",
      [Convert]::FromBase64String($e.signatures[0].sig))
    openssl pkeyutl -verify -pubin -inkey "$T/signer.pem" -rawin -in "$T/signed.bin" `
      -sigfile "$T/signature.bin"

It must print: Signature Verified Successfully


6. IT IS THE ONE THAT WAS WRITTEN DOWN

If the paper form has the digest of the statement, it must be this line.

Linux and macOS:

    openssl dgst -sha256 -r seal/statement.dsse.json | cut -d ' ' -f 1

Windows (PowerShell):

    (Get-FileHash -Algorithm SHA256 seal/statement.dsse.json).Hash.ToLower()


7. WHAT COULD NOT BE COLLECTED

Each line printed is a path that was asked for and is not here, or not whole. None: no gaps.

Linux and macOS:

    G='truncated|changed|unreadable|vanished|missing|rotated-unfinished|limit-skipped|not-local'
    grep -E '"outcome":"('"$G"')"' custody/inventory.jsonl || true

Windows (PowerShell):

    $g = 'truncated|changed|unreadable|vanished|missing|rotated-unfinished|limit-skipped|not-local'
    Select-String -Pattern ('"outcome":"(' + $g + ')"') custody/inventory.jsonl


8. IT WAS ENTERED IN THE LEDGER

Files in seal/receipts/ are proofs in the format c2sp.org/tlog-proof: the entry is the whole file
seal/statement.dsse.json, the leaf hash is SHA-256 of a zero byte and that file (RFC 6962). They
are checked against the public key of the ledger, which must not come from this bundle either.


9. WHEN IT EXISTED AT THE LATEST

Files in seal/timestamps/ are time stamps (RFC 3161) over the signature, which step 5 wrote to
$T/signature.bin. Get the root certificate of their authority from a channel of your own, never
from this bundle, and put it there as tsa.pem. For each of them a time is printed, and then it must
print: Verification: OK

Linux and macOS (OpenSSL, as in step 5):

    for t in seal/timestamps/*.tsr; do
      if [ -e "$t" ]; then
        openssl ts -reply -in "$t" -text | grep 'Time stamp:'
        openssl ts -verify -in "$t" -data "$T/signature.bin" -CAfile "$T/tsa.pem"
      fi
    done

Windows (PowerShell, continuing from step 5, with openssl installed):

    Get-ChildItem seal/timestamps/*.tsr | ForEach-Object {
      openssl ts -reply -in $_.FullName -text | Select-String 'Time stamp:'
      openssl ts -verify -in $_.FullName -data "$T/signature.bin" -CAfile "$T/tsa.pem"
    }

Where the authority's certificate has ended since, add: -attime SECONDS, the time that was printed
as seconds since 1970 (on Linux: date -u -d 'TIME' +%s). A stamp by an authority whose certificate
you do not have shows nothing, and is no sign of tampering.


WHAT THIS SHOWS: this copy is, byte for byte, what the holder of the key sealed. It does not show
that the logs were true before they were collected, or that the key was not stolen.
"""

VERIFY_TEXT = _TEXT.encode("ascii")
