"""Check a bundle, a case or a ledger of custody without custody: one file, standard library only.

    python3 -I check.py PATH [--signer VKEY|FINGERPRINT] [--log VKEY] [--expect HEX] [--json]

Written from FORMAT.md ("Verifying a bundle", "Verifying a case"), whose numbers and names stand here
too; no code is shared with custody.  It only reads, follows no link and runs nothing.  Whom to believe
comes from the command line alone.  Exit: 0 ok, 10 failed, 11 cannot verify, 12 nothing that can be
checked or an unknown format, 2 usage.  NOT judged here: time stamps; keys that another key vouches
for; whether an assessment that is attached follows from its record.
"""
from __future__ import annotations
import argparse, base64, contextlib, errno, functools, hashlib, json, os, re, stat, sys
from collections import Counter
from datetime import datetime
from os.path import basename, isdir, islink, join, lexists

BUNDLE = ("layout", "tag files", "tag manifest", "payload", "inventory", "acquisition", "statement",
          "signature", "key validity", "time stamp", "receipts", "expected digest", "additions")
CASE = ("case record", "layout", "ledger", "entries", "bundles", "attachments", "agreement",
        "time stamps", "watched files")
STATEMENT, INFO, TAGS = "seal/statement.dsse.json", "bag-info.txt", "tagmanifest-sha256.txt"
MANIFEST, INVENTORY, RECORD = "manifest-sha256.txt", "custody/inventory.jsonl", "custody/acquisition.json"
TAG_FILES = "VERIFY.txt", INFO, "bagit.txt", RECORD, INVENTORY, MANIFEST
VERIFY_TXT = "ec7323ef5fc8ef9c8cec118fe33865cf7baf5c3d272cde0047a51f62c09e4a96"
BAGIT_TXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
FILES = re.compile(r"(VERIFY|bag-info|bagit|(tag)?manifest-sha256)\.txt\Z|seal/statement\.dsse\.json\Z|data/."
                   r"|custody/(acquisition\.json|inventory\.jsonl)\Z|attachments/[0-9a-f]{64}/[^/]+\Z"
                   r"|seal/(statements|receipts|timestamps|events)/[^/]+\Z", re.DOTALL)
FOLDERS = re.compile(r"(custody|data|attachments(/[0-9a-f]{64})?)\Z|data/."
                     r"|seal(/(statements|timestamps|receipts|events))?\Z", re.DOTALL)
LEDGER_FOLDERS = re.compile(r"tile(/(entries|0|[1-9][0-9]?)(/x[0-9]{3}){0,6}(/[0-9]{3}\.p)?)?\Z")
TILE = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?\Z")
LABELS = re.compile(rb"Bag-Software-Agent: (.*\S.*)\nBagging-Date: (.*\S.*)\nExternal-Identifier: (.*\S.*)\n"
                    rb"Payload-Oxum: (.*\S.*)\nCustody-Bundle-Format: (.*\S.*)\n\Z")
PROOF = re.compile(r"c2sp\.org/tlog-proof@v1\n(?:extra (\S+)\n)?index (0|[1-9][0-9]{0,18})\n"
                   r"((?:\S{44}\n){0,63})\n(.+)\Z", re.DOTALL)
NOTE = re.compile(r"((.+)\n(0|[1-9][0-9]{0,18})\n(\S{44})\n((?:.+\n)*))\n"
                  r"((?:\u2014 [^\s+\x7f]{1,255} \S+\n){1,100})\Z")
SHA256, DECIMAL, WORD = "[0-9a-f]{64}", "-?(0|[1-9][0-9]*)", "(?s).+"
SMALL, LARGE, MOST = 65535, 1 << 20, 64 << 20  # bytes: of an envelope, a tag file, an attached file

class Bad(Exception):
    """The evidence is not what it should be; this becomes a finding."""
class Unknown(Exception):
    """There is nothing that this program can judge."""

TRANSFERS = re.compile(r"([0-9a-f]{64}|differs-[0-9a-f]{16})\Z")
HAND_OVERS = {"released", "received", "refused"}

def is_folder(path):
    return isdir(path) and not islink(path)

def need(condition, why):
    if not condition:
        raise Bad(why)

def sha256(data):
    return hashlib.sha256(data).hexdigest()

# ---- Ed25519: RFC 8032, section 5.1; without the cofactor, as OpenSSL checks it
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)

def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P

def times(number, p):
    total = (0, 1, 1, 0)
    while number:
        total, p, number = add(total, p) if number & 1 else total, add(p, p), number >> 1
    return total

def point(data):
    """The point that is written so, or None."""
    number = int.from_bytes(data, "little")
    y = number % 2**255 % P
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    x = x if (v * x * x - u) % P == 0 else x * ROOT % P
    x = x if x & 1 == number >> 255 else -x % P
    return (x, y, 1, x * y % P) if (v * x * x - u) % P == 0 else None

BASE = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

@functools.lru_cache(1024)
def is_signed(public, signature, message):
    """Whether the holder of this key signed this; S below L, and R in its one spelling."""
    if len(public) != 32:
        return is_ecdsa(public, signature, message)
    a, s = point(public), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    x, y, z, _ = add(times(s, BASE), times(h, (-a[0], a[1], 1, -a[3])))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]

# ---- ECDSA: FIPS 186-5, with P-256 and SHA-256; S in the lower half, in DER
Q, A = 2**256 - 2**224 + 2**192 + 2**96 - 1, -3
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")

def plus(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0] and (p[1] + q[1]) % Q == 0:
        return None
    up, down = (3 * p[0] * p[0] + A, 2 * p[1]) if p == q else (q[1] - p[1], q[0] - p[0])
    slope = up * pow(down, -1, Q) % Q
    x = (slope * slope - p[0] - q[0]) % Q
    return x, (slope * (p[0] - x) - p[1]) % Q

def multiple(number, p):
    total = None
    while number:
        total, p, number = plus(total, p) if number & 1 else total, plus(p, p), number >> 1
    return total

def xy(public):
    """The point in a public key (RFC 5480); bad if it is none of this curve."""
    x, y = int.from_bytes(public[27:59], "big"), int.from_bytes(public[59:], "big")
    need(public[:27] == SPKI and len(public) == 91 and max(x, y) < Q
         and (y * y - x**3 - A * x - B) % Q == 0, "not a key of P-256")
    return x, y

def der(number):
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02%c%s" % (len(data), data)

def is_ecdsa(public, signature, message):
    split = 4 + (signature[3] if 7 < len(signature) < 73 else 0)
    r, s = (int.from_bytes(part, "big") for part in (signature[4:split], signature[split + 2:]))
    body = der(r) + der(s)
    if not (0 < r < N and 0 < 2 * s < N and signature == b"\x30%c%s" % (len(body), body)):
        return False
    e, w = int(sha256(message), 16), pow(s, -1, N)
    p = plus(multiple(e * w % N, G), multiple(r * w % N, xy(public)))
    return p is not None and p[0] % N == r

# ---- Reading: regular files alone, through no link, at most so many bytes
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))

@contextlib.contextmanager
def opened(root, path):
    """A stream of the file at *path* below *root*; every step is looked at before it is taken."""
    try:
        parts, here = path.split("/"), root
        for number, part in enumerate(parts, 1):
            here, is_kind = join(here, part), stat.S_ISREG if number == len(parts) else stat.S_ISDIR
            need(part not in ("", ".", "..") and is_kind(os.lstat(here).st_mode), "a link, or no file")
        with os.fdopen(os.open(here, FLAGS), "rb") as stream:
            yield stream
    except OSError as err:
        need(err.errno != errno.ENOENT, "it is missing")
        need(err.errno not in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO), "a link, or no file")
        raise

def read(root, path, limit):
    with opened(root, path) as stream:
        data = stream.read(limit + 1)
    need(len(data) <= limit, "more than %d bytes" % limit)
    return data

def hashed(root, path, limit=1 << 62):
    """The digest and the size of a file."""
    digest = hashlib.sha256()
    with opened(root, path) as stream:
        for piece in iter(lambda: stream.read(LARGE), b""):
            digest.update(piece)
            need(stream.tell() <= limit, "more than %d bytes" % limit)
        return digest.hexdigest(), stream.tell()

def tree(root, folders):
    """Path and kind of everything below: file, directory, empty, other, or the system's error."""
    waiting = [""]
    while waiting:
        path = waiting.pop()
        try:
            items = sorted(os.listdir(join(root, path)))
            modes = [os.lstat(join(root, path, item)).st_mode for item in items]
        except OSError as err:
            yield path, err
            continue
        if not items:
            yield path, "empty"
        for item, mode in zip(items, modes):
            name = path + "/" + item if path else item
            if stat.S_ISDIR(mode) and folders.match(name) and len(name) <= 1024:
                waiting.append(name)
            yield name, "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"

# ---- Forms: each value has one spelling, so that no flipped bit is without meaning
def shaped(value, shape):
    """Whether *value* is of this type, pattern or constant, or has these fields (? optional)."""
    if isinstance(shape, dict):
        names = {name.rstrip("?") for name in shape}
        return isinstance(value, dict) and ("*" in names or set(value) <= names) and all(
            shaped(value[name.rstrip("?")], each) if name.rstrip("?") in value else name[-1] in "?*"
            for name, each in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(shaped(item, shape[0]) for item in value)
    if isinstance(shape, type):
        return shape is object or (type(value) is shape and (shape is not int or value >= 0))
    return value is shape or (isinstance(value, str) and re.fullmatch(str(shape), value, re.ASCII))

def several(names, shape):
    return dict.fromkeys(names.split(), shape)

ENVELOPE = {"payload": str, "payloadType": str, "signatures": [{"keyid": str, "sig": str}]}
EVENT = {"_type": "https://in-toto[.]io/Statement/v1", "predicateType": "urn:custody:event:v1",
         "subject": [{"name": str, "digest": {"sha256": str}}],
         "predicate": {"type": str, "time": str, "ledger?": dict, "details?": dict,
                       "actor": {"key": WORD, **several("name? title? organization?", WORD)},
                       **several("authority? case? comment? item? method? place? purpose?", WORD)}}
HEAD = {"origin": str, "size": int, "root": SHA256}
OPENED = {"format": "custody[.]case/1", **several("case created origin title", str)}
ACQUISITION = {"schema": "custody[.]acquisition/v1", "*": object, "files": int, "bytes": int,
               "outcomes?": dict, "facts?": list,
               **several("collector host clock tool definitions? read_on?", dict),
               "sets?": [{"name": str, "version": int, "sha256": SHA256, "unresolved?": list, "*": object}],
               **several("bundle started finished case? evidence_number? description? authority?", str),
               **several("root? root_b64?", str)}
PATH = {"path": str, "outcome": str, "payload?": str, "sha256?": SHA256, "ancestor?": True,
        "xattrs?": dict, "error?": several("name number message", object),
        **several("path_b64? user? group? mode? device? link_target? link_target_b64? remark? generation?"
                  " rotated_from? rotated_from_b64? rotated_to? rotated_to_b64? chain_sha256?", str),
        **several("modified? accessed? changed? born? inode? read_started? read_finished?", DECIMAL),
        **several("size? uid? gid? nlink? size_before? size_after? offset? length?", int)}

def integer(text):
    need(abs(int(text)) < 2**53, "an integer beyond 2**53 - 1")
    return int(text)

def canonical(data, shape, end=b""):
    """Canonical JSON (RFC 8785; no floats, integers below 2**53) of this shape."""
    try:
        value = json.loads(data.decode(), parse_int=integer, parse_float=int, parse_constant=int)
        again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        need(again.encode() + end == data, "not canonical JSON")
    except (ValueError, RecursionError) as err:
        raise Bad("not canonical JSON: " + str(err)[:100]) from err
    need(shaped(value, shape), "a field is unknown, wrong or missing")
    return value

def moment(text):
    need(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").isoformat() + "Z" == text, "not a time")

def unbase64(text, length=None):
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as err:
        raise Bad("not base64") from err
    need(base64.b64encode(data).decode() == text and length in (None, len(data)), "not canonical base64")
    return data

class Key:
    """A verifier key, name+hhhhhhhh+base64 (C2SP signed-note)."""
    def __init__(self, text, kinds=b"\x01\x02"):
        self.name, _, rest = text.partition("+")
        data = unbase64(rest[9:])
        self.public, self.fingerprint = data[1:], sha256(data[1:])
        hashed_ = self.public if data[:1] == b"\x02" else self.name.encode() + b"\n" + data
        self.hash = hashlib.sha256(hashed_).digest()[:4]
        need(len(data) == 33 if data[:1] != b"\x02" else xy(self.public), "a key of a wrong length")
        need(re.match(r"[^\s+\x00-\x1f\x7f]{1,255}\Z", self.name) and data[0] in kinds
             and rest[:9] == self.hash.hex() + "+", "not a verifier key, or mistyped")

class Envelope:
    """A DSSE envelope; *event* and *key* are None, for the reason *why*, if it holds no event."""
    def __init__(self, data):
        self.sha256, self.event, self.key, self.why = sha256(data), None, None, ""
        need(len(data) <= SMALL, "too long")
        value = canonical(data, ENVELOPE, b"\n")
        self.lines = {item["keyid"]: unbase64(item["sig"]) for item in value["signatures"]}
        need(0 < len(value["signatures"]) == len(self.lines), "no signature, or one key id twice")
        payload, kind = unbase64(value["payload"]), value["payloadType"].encode()
        self.signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
        try:
            need(kind == b"application/vnd.in-toto+json", "not an in-toto statement")
            said = canonical(payload, EVENT)
            event = {"details": {}, **said["predicate"]}
            need(said["predicate"].get("details", True), "empty details")
            moment(event["time"])
            event["subjects"] = [(item["name"], item["digest"]["sha256"]) for item in said["subject"]]
            self.event = event
            self.key = Key(event["actor"]["key"])
        except (Bad, ValueError) as err:
            self.why = str(err)

    def is_by(self, key):
        return is_signed(key.public, self.lines.get(key.fingerprint, b""), self.signed)

# ---- The ledger: RFC 6962, and signed-note, tlog-checkpoint, tlog-proof and tlog-tiles of C2SP
def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()

def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()

def root_of(hashes):
    half = 1 << max(len(hashes) - 1, 0).bit_length() >> 1
    if half == 0 or len(hashes) < 2:
        return hashes[0] if hashes else hashlib.sha256().digest()
    return node(root_of(hashes[:half]), root_of(hashes[half:]))

def climb(index, size, value, path):
    """The root that an inclusion proof leads to (RFC 6962, section 2.1.1)."""
    need(index < size and bool(path) == (size > 1), "no proof of that entry in that tree")
    if size == 1:
        return value
    half = 1 << (size - 1).bit_length() - 1
    if index < half:
        return node(climb(index, half, value, path[:-1]), path[-1])
    return node(path[-1], climb(index - half, size - half, value, path[:-1]))

class Checkpoint:
    """A signed note that says origin, size and root of a tree."""
    def __init__(self, data):
        match = NOTE.match(data.decode("utf-8", "replace"))
        need(match and not re.search(rb"[\x00-\x09\x0b-\x1f]", data) and len(data) <= LARGE, "no checkpoint")
        self.text, self.origin, self.size = match[1].encode(), match[2], int(match[3])
        self.root, self.is_plain = unbase64(match[4], 32), not match[5]
        rows = [line.split(" ") for line in match[6].splitlines()]
        self.lines = [(name, unbase64(value)) for _, name, value in rows]
        need(self.size < 2**63 and all(len(value) > 4 for _, value in self.lines)
             and "\ufffd" not in match[0], "no checkpoint")

class Trust:
    """Whom the command line names: signers by fingerprint (their key, or None), and logs."""
    def __init__(self, signers, logs):
        self.signers, self.logs = {}, {}
        for text in signers:
            key = Key(text.strip(), b"\x01\x02\x04") if "+" in text else None
            self.signers.setdefault(key.fingerprint if key else digits(text), key)
        for key in (Key(text.strip(), b"\x01") for text in logs):
            self.logs.setdefault(key.public, key)

    def knows(self, origin):
        return any(key.name == origin for key in self.logs.values())

    def believes(self, note):
        """Whether the key trusted for its origin signed a checkpoint; a wrong line, or none, is bad."""
        by = [(key, value[4:]) for name, value in note.lines for key in self.logs.values()
              if (name, value[:4]) == (key.name, key.hash)]
        need(all(is_signed(key.public, value, note.text) for key, value in by), "a wrong signature")
        believed = any(key.name == note.origin for key, _ in by)
        need(believed or (not by and not self.knows(note.origin)), "not signed by the log's trusted key")
        return believed

def digits(text):
    text = re.sub(r"[\s:]", "", re.sub(r"\A\s*sha256:", "", text.lower()))
    need(re.fullmatch(SHA256, text), "neither a verifier key nor 64 hex digits")
    return text

# ---- Names: what each path is called in the bag, and the order of the collector's walk
def component(name, marked=False, digest=""):
    """One part of a path; where siblings would be confused it is cut and bears a digest."""
    safe = re.sub(rb"[^A-Za-z0-9._\-+,@~() ]|[. ]+\Z",
                  lambda match: b"".join(b"=%02X" % byte for byte in match[0]), name)
    if re.match(rb"(?is)(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$) *(\.|\Z)", name):
        safe = b"=%02X" % name[0] + safe[1:]
    if marked or len(safe) > 200:
        safe = re.sub(rb"=.?\Z", b"", safe[:160]) + b"=~" + (digest or sha256(name))[:32].encode()
    return safe.decode()

BARE = ("directory symlink special excluded vanished missing rotated-unfinished not-local "
        "rotated changed limit-skipped unreadable").split()
SIZES = {  # of what is in the bag: its size there, at opening, after reading
    "collected": lambda size, was, now: size > 0 and (size == was == now or was == now == 0),
    "empty": lambda size, was, now: size == was == now == 0,
    "grew": lambda size, was, now: size == was < now,
    "changed": lambda size, was, now: size == was == now,
    "truncated": lambda size, was, now: size < was or now < was,
    "rotated": lambda size, was, now: size == was <= now or was == now == 0,
    "limit-skipped": lambda size, was, now: was == now == 0,
    "unreadable": lambda size, was, now: True}
GAPS = "truncated changed unreadable vanished missing rotated-unfinished limit-skipped not-local".split()

def fits(kind, end, size, was, now):
    """The same for a piece of a watched file, which reaches from some offset to *end*."""
    return was == end and {"collected": now == end and size, "empty": now == end == 0,
                           "grew": now > end and size, "truncated": now < end,
                           "rotated": now >= end}.get(kind, False)

def exact(record, name):
    """The bytes of a path in a record."""
    raw = unbase64(record[name + "_b64"]) if name + "_b64" in record else record[name].encode()
    need(raw.decode("utf-8", "backslashreplace") == record[name], "a record with two paths")
    return raw

class Walk:
    """The walk made again: parents before children, files and then directories, ascending."""
    def __init__(self):
        self.open, self.names, self.last, self.payloads = [b""], {b"": []}, {b"": (b"", False)}, []
        self.counts, self.has_pieces, self.facts = Counter(), False, [b""]

    def take(self, record):
        kind, raw, has = record["outcome"], exact(record, "path"), "payload" in record
        sizes = [record.get(name) for name in ("size", "size_before", "size_after")]
        piece = [record.get(name) for name in ("generation", "offset", "length", "chain_sha256")]
        is_piece = piece.count(None) < 4
        self.has_pieces |= is_piece
        need(not is_piece or None not in piece and piece[2] == record.get("size", 0)
             and re.fullmatch(SHA256, piece[3]), "a piece of a watched file without its place")
        self.counts[kind] += 1
        need(has or kind in BARE, "an unknown outcome, or one that has a payload")
        need(not has or "sha256" in record and kind in SIZES and None not in sizes, "a payload undigested")
        need(not has or (fits(kind, piece[1] + piece[2], *sizes) if is_piece else SIZES[kind](*sizes)),
             "sizes that do not lead to its outcome")
        if raw[:8] == b"=~facts/":
            self.payloads += [(raw, b"", raw[8:], False, record)] if has else []
            self.facts.append(raw)
            return need(self.facts[-2] < raw and len(self.facts) == 1 + sum(self.counts.values())
                        and kind in ("collected", "empty", "unreadable", "limit-skipped")
                        and re.fullmatch(rb"[a-z0-9][a-z0-9.-]{0,58}[a-z0-9]", raw[8:])
                        and not is_piece and "rotated_from" not in record, "no fact, or not in its place")
        if kind == "missing":
            return need(sum(self.counts.values()) == self.counts[kind] + len(self.facts) - 1,
                        "a missing source too late")
        parent, _, name = raw.rpartition(b"/")
        if raw in (self.open[-1], b"/") and not has:
            return need(not self.names[self.open[-1]] and (kind == "unreadable" or (raw == b"/" and
                        kind == "directory" and len(self.open) == 1)), "a directory recorded twice")
        need(raw[:1] == b"/" and name not in (b"", b".", b"..") and b"\0" not in raw, "no path of a walk")
        while len(self.open[-1]) > len(parent):
            self.open.pop()
        moved = None
        if "rotated_from" in record and not is_piece:
            moved = exact(record, "rotated_from").rpartition(b"/")
        need(self.open[-1] == parent == (moved or [parent])[0], "not in the order of a walk")
        last, in_folders = self.last[parent]
        late = moved or not is_piece and (
            kind in ("vanished", "rotated-unfinished") or kind == "rotated" and not has)
        if not late and not (is_piece and name == last):
            need(name > last or not in_folders, "names not ascending")
            self.last[parent] = name, in_folders or name <= last or kind == "directory"
        self.names[parent].append(moved[2] if moved else name)
        if has:
            self.payloads.append((raw, parent, name, bool(moved), record))
        elif kind == "directory":
            need(len(self.open) <= 16384, "too deep a tree")
            self.open.append(raw)
            self.names[raw], self.last[raw] = [], (b"", False)

    def wrong_names(self):
        """The payloads that are not called what their paths make."""
        twins, written = {}, {b"": "data"}
        for path, names in self.names.items():
            parent, _, name = path.rpartition(b"/")
            if path:
                written[path] = (written[parent] + "/" + component(name, name in twins[parent]))[:1100]
            folded = Counter(component(name).lower() for name in set(names))
            twins[path] = {name for name in names if folded[component(name).lower()] > 1}
        for raw, parent, name, moved, record in self.payloads:
            expected = written[parent] + "/" + component(name, moved or name in twins[parent])
            if len(expected) > 1024:
                expected = "data/=~long/" + sha256(raw)
            if raw[:8] == b"=~facts/":
                expected = "data/" + raw.decode()
            if "generation" in record:
                digest = sha256(raw + b"\0" + record["generation"].encode())
                expected = "data/=~pieces/" + component(name, True, digest)
            if record["payload"] != expected:
                yield record["payload"]

# ---- The numbered checks
class Checks:
    """What each check came to: it fails, is left open, or is ok.  The verdict can do without *free*."""
    def __init__(self, names, root, trust, *free):
        self.names, self.root, self.trust, self.free = names, root, trust, set(free)
        self.findings, self.open = [], {}

    def fail(self, number, path, why):
        self.findings.append((number, path, why))

    def leave(self, number, why, required=True):
        self.open.setdefault(number, why)
        if required:
            self.free.discard(number)

    @contextlib.contextmanager
    def at(self, number, path):
        try:
            yield
        except Bad as err:
            self.fail(number, path, str(err))
        except OSError as err:
            self.leave(number, "%s cannot be read: %s" % (path, err.strerror), number not in self.free)

    def rows(self):
        for number, name in enumerate(self.names, 1):
            bad = [finding[1:] for finding in self.findings if finding[0] == number]
            status = "fail" if bad else "not-checked" if number in self.open else "ok"
            yield {"number": number, "name": name, "status": status, "required": number not in self.free,
                   "detail": "%s: %s" % bad[0] if bad else self.open.get(number, "")}

    def verdict(self):
        left = [row for row in self.rows() if row["required"] and row["status"] == "not-checked"]
        return "failed" if self.findings else "cannot-verify" if left else "ok"

    def known(self, number, path, envelope):
        """Which trusted keys signed an envelope; a wrong line of one is a finding."""
        keys = [key for key in map(self.trust.signers.get, envelope.lines) if key]
        for key in keys:
            if not envelope.is_by(key):
                self.fail(number, path, "a signature line of a trusted key is not by that key")
        return [key.fingerprint for key in keys if envelope.is_by(key)]

    def addition(self, number, path, name):
        """A signed event that was added later; it is named by the digest of its bytes."""
        envelope = Envelope(read(self.root, path, SMALL))
        need(envelope.key and envelope.is_by(envelope.key), envelope.why or "not signed by its actor")
        need(name == envelope.sha256, "its name is not the digest of its bytes")
        if not self.known(number, path, envelope):
            self.leave(number, "signed by an unknown key: " + path, required=False)
        return envelope

    def attachment(self, number, folder, files, pinned):
        """Files, and a signed statement that names each of them, and the bundle by its digest."""
        with self.at(number, folder):
            envelope = self.addition(number, folder + "/statement.dsse.json", basename(folder))
            event, named = envelope.event, dict(envelope.event["subjects"])
            about = {named.pop(name) for name in list(named) if name.startswith("bundle/")}
            need(event["type"] == "attached" and about <= {pinned}, "about something else")
            need(set(named) == files - {"statement.dsse.json"}, "not exactly the files it names")
            for name in named:
                need(hashed(self.root, folder + "/" + name, MOST)[0] == named[name], name + " differs")
            if event["details"].get("kind") == "obligations" and self.known(number, folder, envelope):
                self.leave(number, folder + ": only custody can work the assessment out again")

def bundle(root, trust, expect=None, named=()):
    """The thirteen checks of a bundle; what they came to, and what a case wants to know of it."""
    checks = Checks(BUNDLE, root, trust, 10, 11, 12, 13)
    files, folders, digests, info, pinned = set(), set(), {}, [""] * 4 + ["1"], None
    for path, kind in tree(root, FOLDERS):  # 1
        if isinstance(kind, OSError):
            checks.leave(1, "%s cannot be listed: %s" % (path, kind.strerror))
        elif kind == "file" and FILES.match(path):
            files.add(path)
        elif kind == "directory" and FOLDERS.match(path) and len(path) <= 1024:
            folders.add(path)
        elif kind != "empty" or path.startswith("data/"):
            checks.fail(1, path, kind + ": nothing that a bundle has")
    for path in {"data", "custody", "seal"} - folders:
        checks.fail(1, path, "a part of the bundle is missing")
    def inside(folder):
        return {path[len(folder) + 1:] for path in files if path.startswith(folder + "/")}
    for name in TAG_FILES:  # 2, 3
        with checks.at(3, name):
            digests[name] = hashed(root, name, 1 << 62 if name in (MANIFEST, INVENTORY) else MOST)[0]
    with checks.at(2, INFO):
        match = LABELS.match(read(root, INFO, LARGE))
        need(match, "not the labels of this format")
        info = [value.decode("utf-8", "replace") for value in match.groups()]
    with checks.at(3, TAGS):
        found = read(root, TAGS, LARGE)
        pinned, names = sha256(found), [name for name in TAG_FILES if name in digests]
        lines = ["%s  %s\n" % (digests[name], name) for name in names]
        is_same = "".join(lines).encode() == found or names != list(TAG_FILES)
        need(is_same, "not the tag files in their order, or one of them differs")
    if info[4] != "1" and not any(finding[0] in (2, 3) for finding in checks.findings):
        raise Unknown("the bundle is of format %s; this program knows 1" % info[4])
    for name, text in ("bagit.txt", sha256(BAGIT_TXT)), ("VERIFY.txt", VERIFY_TXT):
        with checks.at(2, name):
            need(digests.get(name, text) == text and info[4] == "1", "not the text of this format")
    walk, told = Walk(), {}  # 4, 5
    with checks.at(5, INVENTORY), opened(root, INVENTORY) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(4 << 20), b""), 1):
            with checks.at(5, "%s:%d" % (INVENTORY, number)):
                walk.take(canonical(line, PATH, b"\n"))
    for name in walk.wrong_names():
        checks.fail(5, name, "not the name that its path makes")
    told = {row["payload"]: row for *_, row in walk.payloads}
    on_disk = {path for path in files if path.startswith("data/")}
    total = sum(row["size"] for row in told.values())
    if 5 in checks.open:
        checks.leave(4, "the inventory, which names the payload, cannot be read")
    else:
        lines = "".join("%s  %s\n" % (row["sha256"], name) for name, row in told.items())
        with checks.at(4, MANIFEST):
            need(digests.get(MANIFEST) in (None, sha256(lines.encode())), "not the files of the inventory")
            need(len(told) == len(walk.payloads), "a payload twice")
            need("%d.%d" % (total, len(told)) == info[3] or 2 in checks.open, "another Payload-Oxum")
        for path in sorted(on_disk | set(told)):
            with checks.at(4, path):
                need(path in told, "a file that is not listed")
                need(path in on_disk or 1 in checks.open, "it is missing")
                found = hashed(root, path)
                need(found == (told[path]["sha256"], told[path]["size"]), "it differs from what is listed")
    record = None
    with checks.at(6, RECORD):
        record = canonical(read(root, RECORD, MOST), ACQUISITION, b"\n")
        need(all(type(count) is int for count in record.get("outcomes", {}).values()), "not counts")
        need(record["bundle"] == info[2] or 2 in checks.open, "about another bundle")
        need(5 in checks.open or (record["files"], record["bytes"], record.get("outcomes", {})) == (
            len(told), total, walk.counts), "it does not count what the inventory counts")
    envelope = event = head = None
    with checks.at(7, STATEMENT):
        envelope = Envelope(read(root, STATEMENT, SMALL))
        need(envelope.key and envelope.event["type"] == "sealed", "not a signed statement: " + envelope.why)
        event = envelope.event
        head = event.get("ledger") if shaped(event.get("ledger"), HEAD) else None
        is_about = event["subjects"] == [(TAGS, pinned)] or pinned is None and 3 in checks.open
        need(is_about, "about another bag than this")
        need(head or "ledger" not in event, "the ledger that it names is no checkpoint")
        expected = {} if 2 in checks.open else {"bundle": info[2], "item": info[2]}
        if 5 not in checks.open:
            expected.update(files=len(told), bytes=total, outcomes=walk.counts,
                            gaps=sum(walk.counts[name] for name in GAPS))
        if record:
            tool, host = record["tool"], record["host"].get("hostname", "")
            expected.update({name: record.get(name, "") for name in
                             ("case", "evidence_number", "authority", "started", "finished")},
                            comment=record.get("description", ""), host=str(host), actor=record["collector"],
                            tool="%s %s" % (tool.get("name"), tool.get("version")))
        for name, value in expected.items():
            place = event if name in ("actor", "item", "case", "comment", "authority") else event["details"]
            need(place.get(name, {} if name == "outcomes" else "") == value, name + " is not the bundle's")
    good, proved, envelopes = [], [], [envelope] if envelope else []
    if event is None:
        checks.leave(8, "there is no statement to judge")
    else:
        good = checks.known(8, STATEMENT, envelope) + [envelope.key.fingerprint]
        with checks.at(8, STATEMENT):
            need(envelope.is_by(envelope.key), "the key that it names has not signed it")
        for name in inside("seal/statements"):
            with checks.at(8, "seal/statements/" + name):
                other = Envelope(read(root, "seal/statements/" + name, SMALL))
                envelopes.append(other)
                need([key + ".dsse.json" for key in other.lines] == [name], "not named by its one key")
                need(re.fullmatch(SHA256, name[:64]) and other.signed == envelope.signed, "another statement")
                good += checks.known(8, name, other)
        if named and not set(named).intersection(good):
            checks.fail(8, STATEMENT, "not signed by the signer who is named")
        elif envelope.key.fingerprint not in trust.signers:
            checks.leave(8, "signed by a key that nobody here trusts: " + envelope.key.fingerprint)
    if 8 in checks.open:
        checks.leave(9, "there is no trusted signer")
    for name in inside("seal/events"):  # 13
        with checks.at(13, "seal/events/" + name):
            own = name[:-10] if name.endswith(".dsse.json") else ""
            envelopes.append(checks.addition(13, "seal/events/" + name, own))
    checks.leave(10, "time stamps are not judged here; none is required", required=False)
    signatures = {sig for each in envelopes for sig in each.lines.values()}
    imprints = [hash_(sig).digest() for hash_ in (hashlib.sha256, hashlib.sha384, hashlib.sha512)
                for sig in signatures]
    for name in inside("seal/timestamps") if event else ():
        with checks.at(10, "seal/timestamps/" + name):
            token = read(root, "seal/timestamps/" + name, LARGE)
            need(any(imprint in token for imprint in imprints), "not over a signature that is here")
    origin = head["origin"] if head else None
    for name in inside("seal/receipts") if envelope else ():  # 11
        with checks.at(11, "seal/receipts/" + name):
            data = read(root, "seal/receipts/" + name, LARGE)
            match = PROOF.match(data.decode("utf-8", "surrogateescape"))
            need(match and (match[1] is None or unbase64(match[1])), "not a proof")
            note, index = Checkpoint(match[4].encode("utf-8", "surrogateescape")), int(match[2])
            path = [unbase64(line, 32) for line in match[3].split()]
            believed = trust.believes(note)
            found = climb(index, note.size, leaf(read(root, STATEMENT, SMALL)), path)
            need(found == note.root, "it leads to another root")
            need(name == "%s-%d.tlog-proof" % (component(note.origin.encode()), note.size), "misnamed")
            need(origin != note.origin or index >= head["size"], "before what the statement already names")
            if believed:
                proved.append((note.origin, note.size, note.root.hex()))
    if origin and trust.knows(origin) and origin not in [tree_[0] for tree_ in proved]:
        checks.leave(11, "no receipt of %s that can be checked" % origin)
    elif not proved:
        checks.leave(11, "there is none that can be checked; none is required", required=False)
    if expect is None:
        checks.leave(12, "no digest was given with --expect", required=False)
    else:
        with checks.at(12, STATEMENT):
            need(sha256(read(root, STATEMENT, SMALL)) == expect, "not the statement whose digest was given")
    for name in inside("seal/timestamps"):  # 13
        with checks.at(13, "seal/timestamps/" + name):
            token = read(root, "seal/timestamps/" + name, LARGE)
            need(sha256(token) + ".tsr" == name, "not named by its digest")
    attached = {path[12:] for path in folders if path.startswith("attachments/")}
    for name in attached:
        checks.attachment(13, "attachments/" + name, inside("attachments/" + name), pinned)
    if head and envelope.key.fingerprint in trust.signers:
        proved.append((head["origin"], head["size"], head["root"]))
    return checks, {"name": info[2], "statement": envelope and envelope.sha256, "heads": proved,
                    "attached": attached, "has_pieces": walk.has_pieces}

def no_facts():
    """What the entries of a ledger say of its case, before any was read."""
    return {"opened": None, "receipts": {}, "papers": {}, "sealed": {}, "away": {}, "attached": set(),
            "brought": set(), "gone": set(), "kept": set(), "released": set(), "signers": set()}

def ledger(root, origin, checks):
    """Checks 3 and 4 of a case: everything is made again from the entries."""
    trust, head, leaves, present = checks.trust, None, [], {}
    facts = no_facts()
    with checks.at(3, "ledger/checkpoint"):
        head = Checkpoint(read(root, "checkpoint", LARGE))
        need(head.is_plain and origin in (None, head.origin), "of another log, or with extension lines")
        if not trust.believes(head):
            checks.leave(3, "no key is trusted for the log " + head.origin)
    if head is None:
        checks.leave(4, "there is no checkpoint")
        return None, None, facts
    def place(level, index, width):
        groups = re.findall("...", str(index).zfill(-(-len(str(index)) // 3) * 3))
        path = "tile/%s/%s" % (level, "/".join(["x" + group for group in groups[:-1]] + groups[-1:]))
        return path if width == 256 else "%s.p/%d" % (path, width)
    def compare(level, index, parts):
        for width in present.get((str(level), index), set()) | {len(parts)}:
            path, expected = place(level, index, width), b"".join(parts[:width])
            with checks.at(3, "ledger/" + path):
                need(read(root, path, len(expected)) == expected, "not what the entries make it")
    for path, kind in tree(root, LEDGER_FOLDERS):
        match = TILE.match(path)
        if isinstance(kind, OSError):
            checks.leave(3, "%s cannot be listed: %s" % (path, kind.strerror))
        elif kind == "file" and match:
            level, index, width = match[1], int(re.sub("[x/]", "", match[2])), int(match[3] or 256)
            if place(level, index, width) != path or re.fullmatch("0[0-9]|6[4-9]|[7-9][0-9]", level):
                checks.fail(3, "ledger/" + path, "a name that no ledger has")
            elif index * 256 + width <= head.size >> (8 * int(level) if level.isdigit() else 0):
                present.setdefault((level, index), set()).add(width)
        elif kind != "empty" and not (kind == "directory" and LEDGER_FOLDERS.match(path)) and (
                kind != "file" or path not in ("checkpoint", "checkpoint.new")):
            checks.fail(3, "ledger/" + path, "a name that no ledger has")
    for index in range(0, head.size, 256):
        width, parts, position = min(256, head.size - index), [], 0
        with checks.at(3, "ledger/" + place("entries", index // 256, width)):
            data = read(root, place("entries", index // 256, width), 256 * 65537)
            while len(parts) < width:
                end = position + 2 + int.from_bytes(data[position:position + 2], "big")
                need(position + 2 <= end <= len(data), "it ends inside an entry")
                parts.append(data[position:end])
                position = end
            need(position == len(data), "it goes on after its entries")
        if len(parts) < width or position != len(data):
            checks.leave(4, "the entries cannot be read")
            return head, None, facts
        compare("entries", index // 256, parts)
        for number, part in enumerate(parts, index):
            leaves.append(leaf(part[2:]))
            entry("ledger: entry %d" % number, part[2:], facts, checks)
    level, hashes = 0, leaves
    while hashes:
        parts = [hashes[start:start + 256] for start in range(0, len(hashes), 256)]
        for index, part in enumerate(parts):
            compare(level, index, part)
        level, hashes = level + 1, [root_of(part) for part in parts if len(part) == 256]
    with checks.at(3, "ledger/checkpoint"):
        need(root_of(leaves) == head.root, "the entries do not lead to its root")
    return head, leaves, facts

def entry(where, data, facts, checks):
    """Check 4 of one entry, and what it says of the case."""
    envelope = None
    with checks.at(3, where):
        envelope = Envelope(data)
    if envelope is None:
        return
    event, key, signers = envelope.event, envelope.key, checks.trust.signers
    if event:
        note(event, envelope.sha256, facts)
        with checks.at(4, where):
            need(key and envelope.is_by(key), "the key that it names has not signed it")
    good = checks.known(4, where, envelope) or (
        key and key.fingerprint in signers and envelope.is_by(key))
    facts["signers"].add(next(iter(envelope.lines)))
    if not good:
        checks.leave(4, where + " is signed by an unknown key")

def note(event, digest, facts):
    """Keep what an entry says of bundles and of what is attached."""
    kind, item, details = event["type"], event.get("item"), event["details"]
    if kind == "case-opened" and not facts["opened"]:
        facts["opened"] = event
    elif kind == "attached":
        facts["attached"].add(digest)
    elif kind == "sealed" and item:
        facts["sealed"].setdefault(item, set()).add(digest)
    elif kind == "disposed" and item and not details.get("copy"):
        facts["gone"].add(item)
    elif kind in HAND_OVERS:
        hand_over(event, item or "", digest, facts)

def hand_over(event, item, digest, facts):
    """Keep what was given away, answered, taken in, and kept apart."""
    kind, details, away = event["type"], event["details"], facts["away"]
    release = str(details.get("release", ""))
    if kind == "released":
        facts["released"].add(digest)
        if details.get("original") is True:
            away[item] = digest
    elif "received_by" in details:  # an answer to a release
        if kind == "refused" and away.get(item) == release:
            del away[item]
        if details.get("paper") is True:
            scans = [sha for name, sha in event["subjects"] if name == "paper"]
            facts["papers"].setdefault(release, (scans + [""])[0])
        else:
            facts["receipts"].setdefault(release, str(details.get("receipt_sha256", "")))
    elif "from" in details:  # taken in
        facts["kept"].update({details["kept"]} if shaped(details.get("kept"), WORD) else ())
        is_in = kind == "received" and details.get("verdict") != "failed" and "already_held" not in details
        pinned = str(details.get("statement", "")) if is_in else ""
        if pinned and item:
            facts["sealed"].setdefault(item, set()).add(pinned)
            brought = details.get("attachments", [])
            facts["brought"].update(filter(lambda name: isinstance(name, str), brought)
                                    if isinstance(brought, list) else ())
        if details.get("original") is True or pinned and item:
            away.pop(item, None)

def case(root, trust, named=()):
    """The checks of a case, as far as they concern its ledger, its bundles, and whether these agree."""
    checks, record, said, head, leaves = Checks(CASE, root, trust, 6, 8), None, None, None, None
    facts = no_facts()
    for name in ("bundles", "ledger", "attachments", "transfers", "incoming"):  # 2
        if lexists(join(root, name)) or name in ("bundles", "ledger"):
            with checks.at(2, name):
                need(is_folder(join(root, name)), "not a directory of the case")
    with checks.at(1, "case.json"):
        record = read(root, "case.json", SMALL + 1)
    with contextlib.suppress(Bad, ValueError):
        said = canonical(record or b"", OPENED, b"\n")
        moment(said["created"])
    with checks.at(3, "ledger"):  # 3, 4
        need(is_folder(join(root, "ledger")), "the ledger is gone")
        head, leaves, facts = ledger(join(root, "ledger"), said and said["origin"], checks)
    if named and not facts["signers"].intersection(named):
        checks.fail(4, "ledger", "no entry is signed by the signer who is named")
    if leaves is None and 3 in checks.open:
        checks.leave(1, "the ledger, whose first entry names the record, cannot be read")
    elif record is not None:
        with checks.at(1, "case.json"):
            opened_by = facts["opened"] or {}
            need(opened_by.get("subjects") == [("case.json", sha256(record))], "not what was entered")
            if re.match(rb'\{.*"format":"custody\.case/(?!1")', record):
                raise Unknown("the case is of a format that this program does not know")
            need(said and opened_by.get("case", "") == said["case"], "not the record that was entered")
    bundles, listed = {}, False  # 5
    with checks.at(5, "bundles"):
        need(is_folder(join(root, "bundles")), "not a directory of the case")
        names = sorted(os.listdir(join(root, "bundles")))
        listed = True
        for name in names:
            mode = os.lstat(join(root, "bundles", name)).st_mode
            with checks.at(5, "bundles/" + name):
                need(stat.S_ISDIR(mode) or stat.S_ISREG(mode), "something that is not a bundle")
                if stat.S_ISDIR(mode):
                    bundles[name] = one_bundle(checks, name)
    bundles = {name: found for name, found in bundles.items() if found}
    there = attached_to_case(checks) if lexists(join(root, "attachments")) else set()  # 6
    if leaves is None or not listed:
        checks.leave(7, "there is no ledger, or no bundle, to compare with")
    else:
        agree(checks, head, leaves, facts, bundles, there)
        papers(checks, facts)
    checks.leave(8, "time stamps are not judged here; none is required", required=False)
    if any(found["has_pieces"] for found in bundles.values()):
        checks.leave(9, "whether pieces of watched files follow each other is not judged here")
    return checks

def one_bundle(checks, name):
    """Check 5 of one bundle: its own thirteen checks, and its name."""
    path, found = "bundles/" + name, None
    try:
        inner, found = bundle(join(checks.root, path), checks.trust)
    except Unknown as err:
        checks.leave(5, "%s: %s" % (path, err))
        return None
    for _, where, why in inner.findings:
        checks.fail(5, path + "/" + where, why)
    for row in inner.rows():
        if row["required"] and row["status"] == "not-checked":
            checks.leave(5, "%s: %s: %s" % (path, row["name"], row["detail"]))
    need(found["name"] == name or 2 in inner.open, "the directory's name is not the bundle's")
    return found

def attached_to_case(checks):
    """Check 6: the names of what is attached to the case itself."""
    files = {}
    for path, kind in tree(join(checks.root, "attachments"), re.compile(SHA256 + r"\Z")):
        folder, _, name = path.partition("/")
        with checks.at(6, "attachments/" + path):
            if isinstance(kind, OSError):
                raise kind
            is_good = kind == "file" and "/" not in name if name else kind == "directory"
            need(kind == "empty" or re.fullmatch(SHA256, folder) and is_good, "nothing attached")
            files.setdefault(folder, set()).add(name)
    files.pop("", None)
    for folder, names in files.items():
        checks.attachment(6, "attachments/" + folder, names - {""}, None)
    return set(files)

def agree(checks, head, leaves, facts, bundles, there):
    """Check 7: bundles and attachments are those that were entered, and no receipt contradicts."""
    for name in set(facts["sealed"]) | set(bundles):
        entered, own = facts["sealed"].get(name, set()), bundles.get(name)
        with checks.at(7, "bundles/" + name):
            need(len(entered) < 2, "different bundles were entered under one name")
            if own:
                need(entered, "nobody entered this bundle in the ledger")
                need(entered == {own["statement"]}, "another bundle than was entered")
            elif not lexists(join(checks.root, "bundles", name)):
                need(name in facts["gone"] or name in facts["away"], "the bundle is gone")
    for own in bundles.values():
        there = there | own["attached"]
        for origin, size, root in own["heads"] if leaves is not None else ():
            with checks.at(7, "ledger"):
                need(origin != head.origin or size <= head.size, "it is behind a checkpoint in a bundle")
                need(origin != head.origin or root_of(leaves[:size]).hex() == root, "another past")
    for name in (facts["attached"] - there) | (there - facts["attached"] - facts["brought"]):
        checks.fail(7, "attachments/" + name, "entered and not there, or there and not entered")

def papers(checks, facts):
    """A part of check 7: the papers of hand-overs are those that were entered."""
    files = {}
    for path, kind in tree(join(checks.root, "transfers"), TRANSFERS):
        folder, _, name = path.partition("/")
        if isinstance(kind, OSError) and kind.errno != errno.ENOENT:
            checks.leave(7, "transfers/%s cannot be listed: %s" % (path, kind.strerror))
        elif kind == "directory" and TRANSFERS.match(folder) and not name:
            files[folder] = []
        elif kind == "file" and name:
            files[folder].append(name)
        elif kind == "other" and name and re.fullmatch(SHA256, folder):
            checks.fail(2, "transfers/" + path, "a link or a device")
    def same(name, file, digest):
        with checks.at(7, "transfers/%s/%s" % (name, file)):
            found = hashed(checks.root, "transfers/%s/%s" % (name, file))[0]
            need(found == digest, "not the paper that was entered")
    for name in sorted(set(files) - facts["kept"]):
        if "release.dsse.json" in files[name] and re.fullmatch(SHA256, name):
            same(name, "release.dsse.json", name)
        if "receipt.dsse.json" in files[name] and name in facts["released"] & set(facts["receipts"]):
            same(name, "receipt.dsse.json", facts["receipts"][name])
    for name, digest in facts["papers"].items():
        scans = [file for file in files.get(name, ()) if file.partition(".")[0] == "paper-" + digest[:16]]
        same(name, (scans + ["paper-" + digest[:16]])[0], digest)
    for path in facts["kept"]:
        if re.sub(r"\Atransfers/", "", path) not in files:
            checks.fail(7, path, "what was kept apart is gone")

def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path")
    parser.add_argument("--signer", action="append", default=[], metavar="VKEY|FINGERPRINT")
    parser.add_argument("--log", action="append", default=[], metavar="VKEY")
    parser.add_argument("--expect", metavar="HEX", help="the SHA-256 of a bundle's statement")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    try:
        trust, expect = Trust(given.signer, given.log), given.expect and digits(given.expect)
    except Bad as err:
        parser.error(str(err))
    try:
        names = set(os.listdir(given.path)) if isdir(given.path) else set()
        kind = ("bundle" if names & {"bagit.txt", INFO, MANIFEST, TAGS, "seal"} else
                "case" if "case.json" in names or names >= {"bundles", "ledger"} else
                "ledger" if names & {"checkpoint", "tile"} else "")
        if expect and kind != "bundle":
            parser.error("a digest can be expected of a bundle alone")
        if kind == "bundle":
            checks, _ = bundle(given.path, trust, expect, trust.signers)
        elif kind == "case":
            checks = case(given.path, trust, trust.signers)
        elif kind == "ledger":
            checks = Checks(("", "", "ledger", "entries"), given.path, trust, 1, 2)
            ledger(given.path, None, checks)
        else:
            raise Unknown("neither a bundle nor a case nor a ledger")
    except Unknown as err:
        print("check.py: %s: %s" % (ascii(given.path), err), file=sys.stderr)
        return 12
    except OSError as err:
        print("check.py: %s: %s" % (ascii(given.path), err.strerror), file=sys.stderr)
        return 11
    verdict, rows = checks.verdict(), [row for row in checks.rows() if row["name"]]
    if given.json:
        findings = [{"path": path, "message": why} for _, path, why in checks.findings]
        print(json.dumps({"schema": "custody.check/v1", "verdict": verdict, "kind": kind, "path": given.path,
                          "checks": rows, "findings": findings}))
    else:
        for row in rows:
            print("%-12s %2d  %-16s %s" % (row["status"].upper().replace("-", " "), row["number"],
                                           row["name"], ascii(row["detail"])[1:-1]))
        for _, path, why in checks.findings[:100]:
            print("finding      %s: %s" % (ascii(path)[1:-1], ascii(why)[1:-1]))
        print("verdict      " + verdict)
    return {"ok": 0, "failed": 10, "cannot-verify": 11}[verdict]

if __name__ == "__main__":
    sys.exit(main())
