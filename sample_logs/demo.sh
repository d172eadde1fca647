#!/bin/sh
# The main job on the sample logs, in a temporary directory that is removed afterwards.
# Every command is printed before it runs.  Ends with 0 only if each gave the exit code it should.
set -eu
unset CUSTODY_CASE CUSTODY_PASSPHRASE_FILE 2>/dev/null || :

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/custody-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 700 "$work"
cd "$work"
export CUSTODY_HOME="$work/home"

say() { printf '\n# %s\n' "$*"; }

# The command as one would type it: words with anything odd in them are quoted.
show() {
  printf '$'
  for word in "$@"; do
    case $word in
      *[!A-Za-z0-9_./:=@%+-]*) printf " '%s'" "$word" ;;
      *) printf ' %s' "$word" ;;
    esac
  done
  printf '\n'
}

# expect CODE COMMAND...: show it, run it, and stop if it ends otherwise.
expect() {
  wanted=$1
  shift
  show "$@"
  code=0
  "$@" || code=$?
  [ "$code" -eq 0 ] || printf '(exit %s)\n' "$code"
  if [ "$code" -ne "$wanted" ]; then
    printf 'demo: that should have been exit %s\n' "$wanted" >&2
    exit 1
  fi
}

say 'A host with logs: a copy of the samples, as if it were /var/log of web01.'
mkdir web01
cp -R "$here/var" web01/
(umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >passphrase)

say 'A signing key for the evidence desk. (Without one, init would make it.)'
expect 0 custody key new desk --person 'Evidence desk' --organization 'Permit Office' \
  --passphrase-file passphrase

say 'Open a case: a directory, a ledger and its key, its first entry.'
expect 0 custody init case --number STL-2026-014 --title 'Intrusion on web01' \
  --passphrase-file passphrase

say 'Collect: read, seal, sign, enter in the ledger.'
expect 0 custody collect web01/var/log --case case --passphrase-file passphrase \
  --authority 'Instruction of the security office, 4 March 2026' --evidence-number 1

say 'Verify the bundle, then the whole case.'
bundle=$(find case/bundles -mindepth 1 -maxdepth 1 -type d)
expect 0 custody verify "$bundle"
expect 0 custody verify case

say 'A log went on after it was collected: what was sealed is still its beginning.'
show sh -c 'echo "a line that came later" >>web01/var/log/auth.log'
echo 'a line that came later' >>web01/var/log/auth.log
expect 0 custody compare "$bundle" --live

say 'Change one byte of a copy: it is found, and the exit code is 10.'
cp -R "$bundle" altered
victim=$(find altered/data -name auth.log)
show dd of="$victim" bs=1 seek=1000 conv=notrunc
printf '\001' | dd of="$victim" bs=1 seek=1000 conv=notrunc 2>/dev/null
expect 10 custody verify altered

say 'A copy for the shelf: read back from the device, verified, numbered, entered.'
expect 0 custody copy "$bundle" shelf --case case --passphrase-file passphrase \
  --purpose 'Second copy, kept elsewhere'

say 'Another copy is released to an investigator, who signs for it with a key of their own.'
id=$(basename "$bundle")
expect 0 custody release "$bundle" --copy-to stick --case case --passphrase-file passphrase \
  --to 'An Investigator, Detective, Example Police' --purpose 'Examination' \
  --authority 'Subpoena 26-1' --via 'by hand'
desk=$(custody key show desk | sed -n 's/^verifier key *//p')
show export CUSTODY_HOME=investigator
export CUSTODY_HOME="$work/investigator"
expect 0 custody key new investigator --person 'An Investigator' --title 'Detective' \
  --organization 'Example Police' --passphrase-file passphrase
expect 0 custody trust add signer "$desk" --name 'Evidence desk' --role desk
expect 0 custody receive "stick/$id" --passphrase-file passphrase
theirs=$(custody key show investigator | sed -n 's/^verifier key *//p')

say 'The receipt goes back to the desk, and the chain of custody is closed.'
show export CUSTODY_HOME=home
export CUSTODY_HOME="$work/home"
expect 0 custody trust add signer "$theirs" --name 'An Investigator' --role examiner
expect 0 custody record "stick/$id.receipt.dsse.json" --case case --passphrase-file passphrase
expect 0 custody history 1 --case case
expect 0 custody form 1 --case case --output form.html

say 'The ledger: what happened, and the proof that nothing was taken out.'
expect 0 custody ledger list --case case
expect 0 custody ledger verify --case case

say 'The same bundle, seen by tools that are not ours.'
cd "$bundle"
if command -v sha256sum >/dev/null 2>&1; then
  expect 0 sha256sum --quiet --check manifest-sha256.txt tagmanifest-sha256.txt
fi
if command -v bagit.py >/dev/null 2>&1; then
  expect 0 env PYTHONWARNINGS=ignore bagit.py --quiet --validate .
fi
cd "$work"
if command -v openssl >/dev/null 2>&1; then
  say 'The signature, checked as VERIFY.txt says: openssl over the DSSE encoding of the statement.'
  statement=$bundle/seal/statement.dsse.json
  show custody key show desk --pem
  custody key show desk --pem | tee signer.pem
  sed 's/.*"payload":"\([^"]*\)".*/\1/' "$statement" | openssl base64 -d -A >payload.json
  sed 's/.*"sig":"\([^"]*\)".*/\1/' "$statement" | openssl base64 -d -A >signature.bin
  {
    printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(wc -c <payload.json)"
    cat payload.json
  } >signed.bin
  expect 0 openssl pkeyutl -verify -pubin -inkey signer.pem -rawin -in signed.bin \
    -sigfile signature.bin
fi

say 'Done. The case, the keys and the passphrase of this demonstration are removed now.'
