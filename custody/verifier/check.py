"""Check a bundle or a ledger of custody without custody: one file, standard library only.

    python3 -I check.py PATH [--signer VKEY|FINGERPRINT]... [--log VKEY]... [--expect HEX]

PATH is the directory of a bundle or of a ledger; of a case, check CASE/ledger and every
CASE/bundles/ID.  This is written from FORMAT.md, whose numbers and names of checks stand here too,
and shares no code with custody.  It only reads, follows no link and runs nothing.  Whom to believe
comes from the command line alone, never from what is checked.  Let nobody write there meanwhile.

Exit: 0 ok, 10 failed, 11 cannot verify, 12 nothing that can be checked here, 2 usage.  NOT CHECKED
changes no verdict.  What a key on P-256 signed cannot be judged here: then it is cannot-verify.
"""
import argparse, base64, collections, datetime, functools, hashlib, json, os, re, stat, sys

NOT_DONE = {
    "walk and words": "the order of the inventory; whether names, sizes, outcomes and times fit",
    "other keys": "who made additions; what desks said of keys; when a key had an end",
    "time": "time stamps (VERIFY.txt, 9), also in receipts; witnesses; the order of times",
    "the case": "what a ledger says of bundles, hand-overs, papers and attachments; assessments",
    "seen before": "nothing is remembered here: an older state of a ledger looks the same"}
STATEMENT, TAG_MANIFEST = "seal/statement.dsse.json", "tagmanifest-sha256.txt"
INFO, MANIFEST = "bag-info.txt", "manifest-sha256.txt"
ACQUISITION, INVENTORY = "custody/acquisition.json", "custody/inventory.jsonl"
TAG_FILES = "VERIFY.txt", INFO, "bagit.txt", ACQUISITION, INVENTORY, MANIFEST  # in their order
FIXED = {"VERIFY.txt": "ec7323ef5fc8ef9c8cec118fe33865cf7baf5c3d272cde0047a51f62c09e4a96",
         "bagit.txt": "1712ecfb074bf29c4188ad3421032509159a09739fd604f8fe57038b4ddefcc9"}
INFO_LINES = (rb"Bag-Software-Agent: .*\S.*\nBagging-Date: .*\S.*\nExternal-Identifier: (.*\S.*)\n"
              rb"Payload-Oxum: (.*\S.*)\nCustody-Bundle-Format: (.*\S.*)\n")
OUTCOMES = ("collected grew rotated empty directory symlink special excluded truncated changed"
            " unreadable vanished missing rotated-unfinished limit-skipped not-local").split()
FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR
SMALL, MEDIUM, LARGE, ANY = 65535, 1 << 20, 64 << 20, 1 << 62  # bytes that a file may have

class CannotJudge(Exception):
    """What the verdict needs cannot be judged here."""
class NothingToCheck(Exception):
    """There is nothing that this program knows."""

def need(condition, why):
    if not condition:
        raise ValueError(why)
def sha256(data):
    return hashlib.sha256(data).hexdigest()
def listed(paths):
    return ", ".join(sorted(paths)[:100])
def chunks(items, size):
    return [items[start:start + size] for start in range(0, len(items), size)]

# ---- Ed25519: RFC 8032, section 5.1, with its names; without the cofactor, as OpenSSL does it
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT_OF_MINUS_1 = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)

def add(p, q):
    """The sum of two points; each is X, Y, Z, T with x = X/Z, y = Y/Z, x*y = T/Z."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P
def times(number, p):
    if number == 0:
        return 0, 1, 1, 0  # the neutral point
    rest = times(number >> 1, add(p, p))
    return add(rest, p) if number & 1 else rest
def point(data):
    """The point that these 32 bytes say, or None."""
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    x = x if (v * x * x - u) % P == 0 else x * ROOT_OF_MINUS_1 % P
    x = x if x & 1 == sign else -x % P
    return (x, y % P, 1, x * y % P) if (v * x * x - u) % P == 0 else None

BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

@functools.lru_cache(maxsize=1024)
def is_signed(public, signature, message):
    """Whether this key signed this message.  S must be below L, and R is compared in its one
    spelling, so that no signature has a second form."""
    if len(public) != 32:
        raise CannotJudge("a key on P-256, which only custody and openssl judge")
    a, s = point(public), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    x, y, z, _ = add(times(s, BASE), times(h, (-a[0], a[1], 1, -a[3])))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]

# ---- Forms: each value has one spelling, so that no flipped bit is without meaning
ED25519, ECDSA, KEY_NAME = b"\x01", b"\x02", r"[^\s+\x00-\x1f\x7f]{1,255}"
WORDS = "type time actor ledger details authority case comment item method place purpose".split()

def integer(text):
    need(len(text) < 18 and abs(int(text)) < 2**53, "an integer beyond 2**53 - 1")
    return int(text)
def canonical(data, end=b"\n"):
    """The value in canonical JSON (RFC 8785, no floats); nothing that would print otherwise."""
    value = json.loads(data.decode(), parse_int=integer, parse_float=int, parse_constant=int)
    again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    need(again.encode() + end == data, "not canonical JSON")
    return value
def unbase64(text, length=None):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text and length in (None, len(data)),
         "not canonical base64, or another number of bytes than expected")
    return data

class Key:
    """A public key as one line, name+hhhhhhhh+base64 (C2SP signed-note)."""
    def __init__(self, text):
        self.name, _, rest = text.partition("+")
        data = unbase64(rest[9:])
        self.kind, self.public, self.fingerprint = data[:1], data[1:], sha256(data[1:])
        hashed = self.public if self.kind == ECDSA else self.name.encode() + b"\n" + data
        self.hash = hashlib.sha256(hashed).digest()[:4]
        need((self.kind, len(data)) in ((ED25519, 33), (ECDSA, 92)) and
             re.fullmatch(KEY_NAME, self.name) and rest[:9] == self.hash.hex() + "+",
             "not a verifier key, or mistyped")

class Envelope:
    """An in-toto event in DSSE, by the *key* in it; *signatures*, by their keys, over *signed*."""
    def __init__(self, data):
        self.data, outer = data, canonical(data)
        payload, lines = unbase64(outer["payload"]), outer["signatures"]
        self.signatures = {line["keyid"]: unbase64(line["sig"]) for line in lines}
        need(len(outer) == 3 and outer["payloadType"] == "application/vnd.in-toto+json"
             and 0 < len(self.signatures) == len(lines) and all(len(line) == 2 for line in lines),
             "not an envelope, or one with two signatures by one key")
        self.signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
        said = canonical(payload, end=b"")
        self.event, actor = said["predicate"], said["predicate"]["actor"]
        self.subjects = [(each["name"], each["digest"]["sha256"]) for each in said["subject"]]
        self.key, time = Key(actor["key"]), self.event["time"]
        need(said["_type"] == "https://in-toto.io/Statement/v1" and len(said) == 4
             and said["predicateType"] == "urn:custody:event:v1" and set(self.event) <= set(WORDS)
             and "type" in self.event and set(actor) <= {"key", "name", "organization", "title"}
             and all(each and isinstance(each, dict if name in ("actor", "details", "ledger")
                             else str) for name, each in {**self.event, **actor}.items())
             and all(isinstance(each, str) for each in sum(self.subjects, (*self.signatures,)))
             and said["subject"] == [{"name": n, "digest": {"sha256": d}} for n, d in self.subjects]
             and datetime.datetime.fromisoformat(time[:19]).isoformat() + "Z" == time,
             "not an event, or one with a field that is not known here, is empty or no text")
    def is_by(self, key):
        signature = self.signatures.get(key.fingerprint)
        return signature is not None and is_signed(key.public, signature, self.signed)

# ---- Trees and checkpoints: RFC 6962, and signed-note, tlog-checkpoint, tlog-proof of C2SP
NOTE = (r"(([^\x00-\x1f]+)\n(0|[1-9][0-9]{0,18})\n(\S{44})\n((?:[^\x00-\x1f]+\n)*))\n"
        "((?:\u2014 %s [^\\s\\x00-\\x1f]+\\n){1,100})" % KEY_NAME)  # text (its lines), signatures
PROOF = (r"c2sp\.org/tlog-proof@v1\n(?:extra (\S+)\n)?index (0|[1-9][0-9]{0,18})\n"
         r"((?:\S{44}\n){0,63})\n([\s\S]+)")  # extra, number of the entry, hashes, checkpoint

def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()
def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()
def root_of(leaves):
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1  # the largest power of two below
    return node(root_of(leaves[:half]), root_of(leaves[half:]))
def climb(index, size, value, path):
    """The root that an inclusion proof leads to."""
    need(index < size and bool(path) == (size > 1), "no proof of that entry in that tree")
    if size == 1:
        return value
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node(climb(index, half, value, path[:-1]), path[-1])
    return node(path[-1], climb(index - half, size - half, value, path[:-1]))

class Checkpoint:
    """What a log signed of itself: its origin, how many entries it has, and their root."""
    def __init__(self, data):
        match = re.fullmatch(NOTE, data.decode())
        need(match and int(match[3]) < 2**63, "not a signed checkpoint")
        self.text, self.origin, self.size = match[1].encode(), match[2], int(match[3])
        self.root, self.has_more = unbase64(match[4], 32), bool(match[5])
        rows = [line.split(" ") for line in match[6].splitlines()]
        self.signatures = [(name, unbase64(value)) for _, name, value in rows]
        need(all(len(value) > 4 for _, value in self.signatures), "a signature without bytes")
    def is_believed(self, logs):
        """Whether the trusted key of its log signed it; a wrong line of a trusted key is bad."""
        by = [(key, value[4:]) for name, value in self.signatures for key in logs
              if (name, value[:4]) == (key.name, key.hash)]
        need(all(is_signed(key.public, value, self.text) for key, value in by), "a wrong line")
        believed = self.origin in [key.name for key, _ in by]
        need(believed or not by and self.origin not in [key.name for key in logs],
             "not signed by the key that is trusted for its log")
        return believed

# ---- What bundles and ledgers have in common: a directory, and a list of checks
class Checks:
    """The numbered checks of a directory, each a method.  It has passed if it returns nothing, and
    failed if it raises ValueError, or what Python raises for bad JSON, base64 and text and for
    missing fields.  It returns why it was not done; CannotJudge is that the verdict needs it."""
    def __init__(self, top, signers, logs, expect=None):
        self.top, self.signers, self.logs, self.expect = top, signers, logs, expect
        self.survey()
    def __getattr__(self, name):
        raise CannotJudge("an earlier check did not come to what this one needs: " + name)
    def judge(self):
        """Status, number, name and reason of each check; what the system keeps from us is open."""
        for number, name in self.checks.items():
            self.where = ""  # what was looked at last, for the message
            try:
                reason = getattr(self, name)() or ""
                status = "NOT CHECKED" if reason else "OK"
            except (CannotJudge, OSError) as err:
                status, reason = "CANNOT JUDGE", str(err)
            except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as err:
                status, reason = "FAIL", "%s (%s) %s" % (err, type(err).__name__, self.where)
            yield status, number, name.replace("_", " "), reason
        for name, reason in NOT_DONE.items():
            yield "NOT CHECKED", "-", name, reason
    def survey(self):
        """List all that is in the directory.  Nothing but regular files and folders of the names
        that belong here may be there; no link is followed, and no strange folder entered."""
        self.kinds, self.strange, waiting = {}, [], [""]
        while waiting:
            folder = waiting.pop()
            for name in sorted(os.listdir(os.path.join(self.top, folder))):
                path = folder + name
                mode = os.lstat(os.path.join(self.top, path)).st_mode
                self.kinds[path] = kind = stat.S_IFMT(mode)
                pattern = {FILE: self.files, FOLDER: self.folders}.get(kind, "")
                if len(path) > 1024 or not re.fullmatch(pattern, path):
                    self.strange.append(path)
                elif kind == FOLDER:
                    waiting.append(path + "/")
    def inside(self, folder, kind=FILE):
        return [path for path in self.kinds
                if self.kinds[path] == kind and path.startswith(folder + "/")]
    def stream(self, path, limit):
        """Open a regular file that the survey came to, and so through no link, to be read."""
        need(self.kinds.get(path) == FILE, path + " is missing, or no regular file")
        full = os.path.join(self.top, path)
        need(os.lstat(full).st_size <= limit, "%s has over %d bytes" % (path, limit))
        flags = [getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")]
        return os.fdopen(os.open(full, os.O_RDONLY | sum(flags)), "rb")
    def read(self, path, limit=SMALL):
        with self.stream(path, limit) as stream:
            return stream.read(limit)
    def hashed(self, path, limit=ANY):
        """The digest and the size of a file, however large it is."""
        digest = hashlib.sha256()
        with self.stream(path, limit) as stream:
            for piece in iter(lambda: stream.read(MEDIUM), b""):
                digest.update(piece)
            return digest.hexdigest(), stream.tell()
    def trusted(self, envelope):
        """The trusted keys that signed.  Of a mere fingerprint, the envelope may have the key."""
        keys = {name: self.signers[name] or envelope.key
                for name in set(envelope.signatures) & set(self.signers)}
        good = {name for name, key in keys.items() if key.fingerprint == name}
        need(all(envelope.is_by(keys[name]) for name in good), "a wrong line by a trusted key")
        return good

# ---- A bundle: FORMAT.md, "Verifying a bundle"
class Bundle(Checks):
    checks = {1: "layout", 2: "tag_files", 3: "tag_manifest", 4: "payload", 5: "inventory",
              6: "acquisition", 7: "statement", 8: "signature", 11: "receipts",
              12: "expected_digest", 13: "additions"}
    files = ("(?s)%s|data/.+|attachments/[0-9a-f]{64}/[^/]+|seal/timestamps/[0-9a-f]{64}[.]tsr"
             "|seal/(statements|events)/[0-9a-f]{64}[.]dsse[.]json|seal/receipts/[^/]+"
             % "|".join(map(re.escape, (*TAG_FILES, TAG_MANIFEST, STATEMENT))))
    folders = ("(?s)custody|data(/.+)?|seal(/(statements|timestamps|receipts|events))?"
               "|attachments(/[0-9a-f]{64})?")
    def layout(self):
        full = {path.rpartition("/")[0] for path in self.kinds}
        empty = [path for path in self.inside("data", FOLDER) if path not in full]
        need(not self.strange + empty and self.kinds.get("data") == FOLDER,
             "no data, or no place for: " + listed(self.strange + empty))
    def tag_files(self):
        match = re.fullmatch(INFO_LINES, self.read(INFO))
        need(match, INFO + " has not the lines of this format")
        self.bundle_id, self.oxum = match[1].decode(), match[2].decode()
        if match[3] != b"1":
            self.tag_manifest()
            raise NothingToCheck("the bundle is of a format that this program does not know")
        for name, digest in FIXED.items():
            need(self.hashed(name, MEDIUM)[0] == digest, name + " has not this format's text")
    def tag_manifest(self):
        """It lists the tag files with their digests; its own digest pins the whole bag."""
        data, limits = self.read(TAG_MANIFEST, MEDIUM), {INVENTORY: ANY, MANIFEST: ANY}
        self.pinned = sha256(data)
        lines = ["%s  %s\n" % (self.hashed(name, limits.get(name, LARGE))[0], name)
                 for name in TAG_FILES]
        wrong = [line.split()[1] for line in lines if line.encode() not in data]
        need("".join(lines).encode() == data, "not these files, or changed: " + listed(wrong))
    def lines(self, path):
        with self.stream(path, ANY) as stream:
            yield from iter(lambda: stream.readline(4 << 20), b"")
    def payload(self):
        """Every file has the digest that the manifest says, and none is unlisted."""
        found, wrong = {}, []
        for line in self.lines(MANIFEST):
            match = re.fullmatch(rb"([0-9a-f]{64})  (data/[\x20-\x7e]+)\n", line)
            need(match, "a line of the manifest that is none")
            digest, path = match[1].decode(), match[2].decode()
            need(path not in found, path + " is listed twice")
            found[path] = self.hashed(path) if self.kinds.get(path) == FILE else ("missing", 0)
            wrong += [path] if found[path][0] != digest else []
        wrong += set(self.inside("data")) - set(found)
        self.found, self.bytes = found, sum(size for _, size in found.values())
        need(not wrong, "missing, not listed, or not as listed: " + listed(wrong))
        need(self.oxum == "%d.%d" % (self.bytes, len(found)), "not what Payload-Oxum says")
    def inventory(self):
        """Every line is one canonical record, and tells of the very files of the manifest."""
        rest, outcomes = iter(self.found.items()), collections.Counter()
        for number, line in enumerate(self.lines(INVENTORY), 1):
            self.where = "line %d" % number
            record = canonical(line)
            need(record["path"] and record["outcome"] in OUTCOMES, "no path, or no outcome")
            outcomes[record["outcome"]] += 1
            if "payload" in record:
                told = record["payload"], (record["sha256"], record["size"])
                need(next(rest, None) == told, "not what the manifest has next, or another size")
        need(next(rest, None) is None, "it ends before the manifest does")
        self.counted = len(self.found), self.bytes, dict(outcomes)
    def counts(self, said):
        need((said["files"], said["bytes"], said.get("outcomes", {})) == self.counted,
             "it does not count what is here")
    def acquisition(self):
        record = canonical(self.read(ACQUISITION, LARGE))
        need(record["schema"] == "custody.acquisition/v1" and record["bundle"] == self.bundle_id,
             "of a schema that is not known, or about another bundle")
        self.counts(record)
    def statement(self):
        """What was sealed is this bag."""
        self.sealed = Envelope(self.read(STATEMENT))
        event, details = self.sealed.event, self.sealed.event["details"]
        self.head = event.get("ledger", {"origin": None, "size": 0, "root": "0" * 64})
        need(set(self.head) == {"origin", "size", "root"} and self.head["size"] >= 0
             and re.fullmatch("[0-9a-f]{64}", self.head["root"]), "it names no checkpoint")
        need(event["type"] == "sealed" and self.sealed.subjects == [(TAG_MANIFEST, self.pinned)]
             and event["item"] == details["bundle"] == self.bundle_id, "about another bag")
        self.counts(details)
    def signature(self):
        """Who signed the statement, in its own file and in countersignatures beside it."""
        own, by = self.sealed.key.fingerprint, self.trusted(self.sealed)
        need(self.sealed.is_by(self.sealed.key), "the key that it names has not signed it")
        for self.where in self.inside("seal/statements"):
            other = Envelope(self.read(self.where))
            need(other.signed == self.sealed.signed, "over another statement")
            need(re.findall("[0-9a-f]{64}", self.where) == list(other.signatures),
                 "not one signature, or not named by its key")
            by |= self.trusted(other)
        need(not self.signers or {own, *by} & set(self.signers), "not by the signer who was named")
        if own not in self.signers:
            raise CannotJudge("signed by a key that nobody here trusts: " + own)
    def receipts(self):
        """Each leads from the statement to a root; of a known ledger that it names, one must."""
        proved, name = set(), self.head["origin"]
        for self.where in self.inside("seal/receipts"):
            match = re.fullmatch(PROOF, self.read(self.where, MEDIUM).decode())
            need(match and (match[1] is None or unbase64(match[1])), "not a proof")
            note, index = Checkpoint(match[4].encode()), int(match[2])
            hashes = [unbase64(line, 32) for line in match[3].split()]
            root = climb(index, note.size, leaf(self.sealed.data), hashes)
            need(root == note.root, "it leads to another root")
            need(name != note.origin or index >= self.head["size"], "older than the statement")
            origin = re.sub(rb"[^A-Za-z0-9._+,@~() -]", lambda byte: b"=%02X" % byte[0][0],
                            note.origin.encode()).decode()
            need(self.where == "seal/receipts/%s-%d.tlog-proof" % (origin, note.size), "misnamed")
            proved |= {note.origin} if note.is_believed(self.logs) else set()
        if name in {key.name for key in self.logs} - proved:
            raise CannotJudge("no receipt of " + name)
        return "" if proved else "there is none of a log whose key was given with --log"
    def expected_digest(self):
        need(self.expect in (None, sha256(self.sealed.data)), "not the one that was written down")
        return "" if self.expect else "none was given with --expect"
    def additions(self):
        """Each is named by its digest; events and the statements of attachments are signed."""
        for self.where in self.inside("seal/timestamps"):
            need(self.hashed(self.where, MEDIUM)[0] in self.where, "not named by its digest")
        folders = self.inside("attachments", FOLDER)
        for self.where in self.inside("seal/events") + folders:
            own = self.where + "/statement.dsse.json" if self.where in folders else self.where
            event = Envelope(self.read(own))
            need(event.is_by(event.key), "the key that it names has not signed it")
            self.trusted(event)
            need(sha256(event.data) in self.where, "not named by its digest")
            if self.where in folders:
                there = {path: self.hashed(path, LARGE)[0] for path in self.inside(self.where)}
                named = {self.where + "/" + name: sha for name, sha in event.subjects}
                about = {name for name in named if name.startswith(self.where + "/bundle/")}
                there.update(dict.fromkeys(about, self.pinned))
                need(about and there == {**named, own: sha256(event.data)}
                     and event.event["type"] == "attached", "about something else than this")

# ---- A ledger: FORMAT.md, "What custody ledger verify checks"
class Ledger(Checks):
    checks = {1: "checkpoint", 2: "signature", 3: "names", 4: "entries", 5: "tiles", 6: "root"}
    tile = r"tile/(entries|\d|[1-5]\d|6[0-3])/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?"
    files = r"(?a)checkpoint(\.new)?|" + tile
    folders = r"(?a)tile(/(entries|0|[1-9]\d?)(/x\d{3}){0,6}(/\d{3}\.p)?)?"
    def checkpoint(self):
        self.head = Checkpoint(self.read("checkpoint", MEDIUM))
        need(not self.head.has_more, "it has lines that our logs never write")
    def signature(self):
        if not self.head.is_believed(self.logs):
            raise CannotJudge("no key was given for the log " + self.head.origin)
    def names(self):
        wrong = [path for path in self.inside("tile") if path != place(*numbers(path))]
        need(not self.strange + wrong, "no place for " + listed(self.strange + wrong))
    def entries(self):
        """Each is signed by the key that it names, and by one that is trusted."""
        leaves, unknown = [], []
        for start in range(0, self.head.size, 256):
            self.where = place("entries", start // 256, min(256, self.head.size - start))
            for entry in unpacked(self.read(self.where, 256 * 65537)):
                self.where = "entry %d" % len(leaves)
                leaves.append(leaf(entry))
                envelope = Envelope(entry)
                need(envelope.is_by(envelope.key), "the key that it names has not signed it")
                unknown += [] if self.trusted(envelope) else [self.where]
        self.leaves = leaves
        if unknown:
            raise CannotJudge("signed by keys that nobody here trusts: " + listed(unknown))
    def tiles(self):
        """Every tile that the checkpoint covers holds what the entries make it."""
        levels, hashes = {"entries": self.leaves}, self.leaves
        while hashes:
            levels[str(len(levels) - 1)] = hashes
            hashes = [root_of(part) for part in chunks(hashes, 256) if len(part) == 256]
        needed = {place(level, number, len(part)) for level, hashes in levels.items()
                  for number, part in enumerate(chunks(hashes, 256))}
        for self.where in needed.union(self.inside("tile")):
            level, number, width = numbers(self.where)
            expected = levels.get(level, [])[number * 256:number * 256 + width]
            if len(expected) == width:  # others lie beyond the checkpoint, and do not count
                data = self.read(self.where, 256 * 65537)
                found = chunks(data, 32) if level != "entries" else map(leaf, unpacked(data))
                need(list(found) == expected, "not what the entries make it")
    def root(self):
        need(len(self.leaves) == self.head.size and root_of(self.leaves) == self.head.root,
             "the entries do not lead to the root in the checkpoint")

def place(level, index, width):
    """The path of a tile: its number in groups of three digits, all but the last after an x."""
    digits = str(index).zfill(-(-len(str(index)) // 3) * 3)
    path = "tile/%s/%s" % (level, re.sub("(...)(?=.)", r"x\1/", digits))
    return path if width == 256 else "%s.p/%d" % (path, width)
def numbers(path):
    """Level, number and width of the tile with this path."""
    match = re.fullmatch(Ledger.tile, path, re.ASCII)
    need(match, path + " is no tile")
    return match[1], int(re.sub("[x/]", "", match[2])), int(match[3] or 256)
def unpacked(data):
    """The entries in a tile of them, each after its length in two bytes."""
    entries, position = [], 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        need(position <= len(data), "it ends inside an entry")
        entries.append(data[start:position])
    return entries

# ---- The command line
def fingerprint(text):
    text = re.sub(r"\A\s*sha256:|[\s:]", "", text.lower())  # as it stands on paper, in groups
    need(re.fullmatch("[0-9a-f]{64}", text), "neither a verifier key nor 64 hex digits")
    return text
def checks_of(given):
    keys = [Key(text.strip()) for text in given.signer if "+" in text]
    signers = {fingerprint(text): None for text in given.signer if "+" not in text}
    signers.update((key.fingerprint, key) for key in keys)
    logs = [Key(text.strip()) for text in given.log]
    need(all(key.kind == ED25519 for key in logs), "the key of a log is Ed25519")
    names = set(os.listdir(given.path)) if os.path.isdir(given.path) else set()
    if names & {"bagit.txt", INFO, MANIFEST, TAG_MANIFEST, "seal"}:
        return Bundle(given.path, signers, logs, given.expect and fingerprint(given.expect))
    need(not given.expect, "a digest can be expected of a bundle alone")
    if names & {"checkpoint", "tile"}:
        return Ledger(given.path, signers, logs)
    raise NothingToCheck("no bundle and no ledger; of a case, check its ledger and each bundle")
def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", metavar="PATH")
    parser.add_argument("--signer", action="append", default=[], metavar="VKEY|FINGERPRINT")
    parser.add_argument("--log", action="append", default=[], metavar="VKEY")
    parser.add_argument("--expect", metavar="HEX", help="the SHA-256 of a bundle's statement")
    try:
        rows = list(checks_of(parser.parse_args(arguments)).judge())
    except ValueError as err:
        parser.error(str(err))
    except (NothingToCheck, OSError) as err:
        print("check.py: " + ascii(str(err))[1:-1], file=sys.stderr)
        return 12 if isinstance(err, NothingToCheck) else 11
    for status, number, name, reason in rows:  # escaped, for it may come from the evidence
        print("%-12s %2s  %-16s %s" % (status, number, name, ascii(reason)[1:-1]))
    seen = {status for status, *_ in rows}
    code = 10 if "FAIL" in seen else 11 if "CANNOT JUDGE" in seen else 0
    print("verdict      " + {0: "ok", 10: "failed", 11: "cannot-verify"}[code])
    return code

if __name__ == "__main__":
    sys.exit(main())
