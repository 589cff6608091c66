#!/usr/bin/env python3
"""neve-read: restore a snapshot from what a neve store leaves on its disk or in its bucket, without neve.

    neve-read /var/lib/neve list
    neve-read /var/lib/neve restore snap-0123456789abcdef0 disk.img
    neve-read s3://bucket/prefix --endpoint-url http://host:9000 check snap-0123456789abcdef0

For the day on which nothing else is left: one file, Python 3.11 with its standard library, zstandard and cryptography.
It needs the master key and the folders `segments` and `archive`, no database, and changes nothing of the store. What is
written was proven to be what was stored; a block that cannot be proven is an error, or with --skip-damaged a hole that
is named. docs/format.md describes every byte that is read here.

Exit status: 0 all is there; 1 something is lost or damaged, and was named; 2 wrong usage; 4 the store, a key or the
output cannot be used.
"""

import argparse
import base64
import datetime as dt
import errno
import hashlib
import hmac
import json
import os
import re
import sqlite3
import struct
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DAMAGED, UNUSABLE = 1, 4
MIB: Final = 1 << 20
OBJECT_BYTES_MAX, PLAIN_BYTES_MAX = 64 * MIB, 16 * MIB
ZERO_ID: Final = bytes(32)
BLOCK_KIND, NODE_KIND = 1, 2


class Unusable(Exception):
    """The store, a key or the output cannot be used as it is; the message says what to do."""


class Damaged(Exception):
    """Bytes that are not what was written, or are gone."""


class Folder:
    """A store's directory, or a copy of it."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise Unusable(f"{root} is no directory")
        self.root = root

    def names(self, folder: str) -> Iterator[str]:
        if not (self.root / folder).is_dir():
            raise Unusable(f"{self.root} has no folder {folder}: is this the whole store?")
        for file in sorted((self.root / folder).rglob("*")):
            if file.is_file():
                yield file.relative_to(self.root).as_posix()

    def size(self, path: str) -> int:
        return (self.root / path).stat().st_size

    def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        with (self.root / path).open("rb") as stream:
            stream.seek(offset)
            return stream.read() if size is None else stream.read(size)


class Bucket:
    """The same files as objects, asked for with AWS Signature Version 4 and the credentials in the environment."""

    def __init__(self, url: str, endpoint_url: str | None, region: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self.bucket, self.prefix = parts.netloc, parts.path.strip("/")
        self.endpoint = (endpoint_url or f"https://s3.{region}.amazonaws.com").rstrip("/")
        self.region = region
        try:
            self.key_id = os.environ["AWS_ACCESS_KEY_ID"]
            self._secret = os.environ["AWS_SECRET_ACCESS_KEY"]
        except KeyError as missing:
            raise Unusable(f"set {missing.args[0]} to read a bucket") from None
        self._sizes: dict[str, int] = {}

    def names(self, folder: str) -> Iterator[str]:
        prefix = f"{self.prefix}/{folder}/".lstrip("/")
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = ET.fromstring(self._get("", query, {}))  # noqa: S314 - expat expands no external entities
            space = page.tag.partition("}")[0] + "}" if page.tag.startswith("{") else ""
            for entry in page.iter(f"{space}Contents"):
                key, size = entry.findtext(f"{space}Key", ""), entry.findtext(f"{space}Size", "")
                path = key[len(self.prefix) :].lstrip("/") if self.prefix else key
                self._sizes[path] = int(size)
                yield path
            token = page.findtext(f"{space}NextContinuationToken")
            if not token:
                return
            query = {"list-type": "2", "prefix": prefix, "continuation-token": token}

    def size(self, path: str) -> int:
        return self._sizes[path]

    def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        key = f"{self.prefix}/{path}".lstrip("/")
        wanted = {} if size is None else {"range": f"bytes={offset}-{offset + size - 1}"}
        return self._get(key, {}, wanted)

    def _get(self, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        path = urllib.parse.quote(f"/{self.bucket}/{key}" if key else f"/{self.bucket}", safe="/-_.~")
        text = urllib.parse.urlencode(sorted(query.items()), quote_via=urllib.parse.quote, safe="-_.~")
        for left in reversed(range(4)):
            url = f"{self.endpoint}{path}" + (f"?{text}" if text else "")
            request = urllib.request.Request(url, headers=self._signed(path, text, headers))  # noqa: S310 - as configured
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as configured
                    content: bytes = answer.read()
                    return content
            except urllib.error.HTTPError as error:
                if key and error.code in {404, 416}:
                    raise FileNotFoundError(errno.ENOENT, f"no such bytes ({error.code})", key) from None
                if error.code < 500 or not left:
                    raise Unusable(f"{self.endpoint}{path} answers {error.code}: {error.reason}") from None
            except OSError as error:
                if not left:
                    raise Unusable(f"{self.endpoint} cannot be read: {error}") from None
        raise AssertionError("unreachable")

    def _signed(self, path: str, query: str, headers: Mapping[str, str]) -> dict[str, str]:
        now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        signed = {**headers, "host": urllib.parse.urlsplit(self.endpoint).netloc, "x-amz-date": now}
        signed["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
        if token := os.environ.get("AWS_SESSION_TOKEN"):
            signed["x-amz-security-token"] = token
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical = f"GET\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + self._secret.encode()
        for part in (*scope.split("/"), to_sign):
            key = hmac.digest(key, part.encode(), "sha256")
        credential = f"AWS4-HMAC-SHA256 Credential={self.key_id}/{scope}"
        signed["authorization"] = f"{credential}, SignedHeaders={names}, Signature={key.hex()}"
        del signed["host"]  # urllib sends the same
        return signed


Store = Folder | Bucket


def hkdf(key: bytes, info: bytes, size: int, salt: bytes | None = None) -> bytes:
    """Return HKDF-SHA-256 of a key (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=size, salt=salt, info=info).derive(key)


Tables = dict[str, list[dict[str, Any]]]


class Archive:
    """The records beside the segments, and the master key that they and every key in them are sealed under."""

    def __init__(self, store: Store, master_key: str) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}\n?", master_key):
            raise Unusable("a master key is 64 lower-case hex digits and a line end")
        self.store, self._key = store, bytes.fromhex(master_key.strip())
        try:
            (facts,) = self.tables("store/facts")["store"]
        except Damaged as error:
            fingerprint = hkdf(self._key, b"neve/1 fingerprint", 4).hex()
            raise Unusable(f"{error}. Is the key given, {fingerprint}, this store's?") from None
        self.block_bytes, self.fanout = facts["block_bytes"], facts["node_fanout"]

    def open(self, purpose: str, sealed: bytes, belongs_to: str) -> bytes:
        """Return a sealed value: version 1, nonce, AES-256-GCM ciphertext and tag, under the key of a purpose."""
        key = hkdf(self._key, f"neve/1 {purpose}".encode(), 32)
        try:
            if sealed[:1] == b"\x01":
                return AESGCM(key).decrypt(sealed[1:13], sealed[13:], belongs_to.encode())
        except (InvalidTag, ValueError):
            pass
        raise Damaged(f"the {purpose} of {belongs_to} does not open: another master key, or altered")

    def tables(self, name: str) -> Tables:
        """Return the rows by table that an object has."""
        try:
            content = self.store.read(f"archive/{name}")
        except FileNotFoundError:
            raise Damaged(f"the archive has no object {name}") from None
        magic, version = struct.unpack_from(">8sI", content.ljust(12, b"\0"))
        if magic != b"\x89NVA\r\n\x1a\n" or version != 1:
            raise Damaged(f"archive object {name} is none of version 1")
        frame = self.open("archive", content[12:], name)
        record = json.loads(decompressed(frame, bytes_max=OBJECT_BYTES_MAX), object_hook=_bytes_or_object)
        if f"{record['kind']}/{record['name']}" != name:
            raise Damaged(f"archive object {name} calls itself {record['kind']}/{record['name']}")
        tables: Tables = record["tables"]
        return tables

    def snapshots(self) -> Iterator[str]:
        """Yield the ids of the snapshots that there are objects of."""
        for path in self.store.names("archive/snapshot"):
            name = path.rpartition("/")[2]
            if re.fullmatch(r"snap-[0-9a-f]{8,17}", name):
                yield name


def _bytes_or_object(pairs: dict[str, Any]) -> Any:
    return bytes.fromhex(pairs["hex"]) if pairs.keys() == {"hex"} else pairs


def decompressed(frame: bytes, *, bytes_max: int, size: int | None = None) -> bytes:
    """Return what a zstd frame holds, once it is known that it declares no more than it may."""
    try:
        declared = zstandard.get_frame_parameters(frame)
        if declared.content_size > bytes_max or declared.window_size > max(bytes_max, 1024):
            raise Damaged(f"a frame declares {declared.content_size} bytes")
        if size is not None and declared.content_size != size:
            raise Damaged(f"a frame declares {declared.content_size} bytes where {size} are on record")
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Damaged(f"a zstd frame does not open: {error}") from None


class Domain(NamedTuple):
    """Keys of one domain. `data_key` returns the key of a generation, or raises."""

    uid: bytes
    id_key: bytes
    encrypted: bool
    data_key: Callable[[int], bytes]

    def chunk_id(self, content: bytes) -> bytes:
        """Return what content is called in this domain."""
        return hmac.digest(self.id_key, hashlib.sha256(content).digest(), "sha256")


def open_domain(archive: Archive, key: int, given: Mapping[int, bytes]) -> Domain:
    """Return a domain; `given` has data keys that somebody else unwrapped, by generation."""
    tables = archive.tables(f"domain/{key}")
    (row,) = tables["domain"]
    uid, arn = row["uid"], row["kms_key_arn"]
    id_key = archive.open("domain id key", row["sealed_id_key"], uid.hex())
    wrappings = {each["generation"]: each["wrapping"] for each in tables["domain_wrapping"]}
    known = {0: hkdf(id_key, b"neve/1 map key", 32), **given}

    def data_key(generation: int) -> bytes:
        if generation not in known:
            if generation not in wrappings:
                raise Damaged(f"domain {key} has no data key of generation {generation}")
            context = {"neve:domain": uid.hex(), "neve:generation": str(generation)}
            known[generation] = unwrapped(archive, arn, wrappings[generation], context)
        return known[generation]

    return Domain(uid, id_key, bool(arn), data_key)


def unwrapped(archive: Archive, arn: str, wrapping: bytes, context: Mapping[str, str]) -> bytes:
    """Return a data key that a KMS key of the local keyring wrapped."""
    key_id = arn.rpartition("/")[2]
    try:
        materials = archive.tables(f"key/{key_id}")["kms_material"]
    except Damaged as missing:
        raise Unusable(
            f"a data key of the snapshot is wrapped by {arn}, which is no key of this store's own ({missing}). Have its "
            f"keeper decrypt the wrapping, in base64:\n  {base64.b64encode(wrapping).decode()}\nwith the encryption "
            f"context {json.dumps(context)}, and say what comes of it: --data-key "
            f"{context['neve:generation']}=<64 hex digits>"
        ) from None
    version, named, material_version, salt = struct.unpack_from(">B16sI32s", wrapping)
    sealed = {each["version"]: each["sealed_material"] for each in materials}.get(material_version)
    if version != 1 or named.hex() != key_id.replace("-", "") or sealed is None:
        raise Damaged(f"a wrapping of {arn} is none of a material that the key still has")
    material = archive.open("kms key material", sealed, f"{key_id} {material_version}")
    derived = hkdf(material, b"neve/1 kms ciphertext", 44, salt)
    texts = [text.encode() for pair in sorted(context.items()) for text in pair]
    bound = wrapping[:53] + struct.pack(">I", len(context))
    bound += b"".join(struct.pack(">I", len(text)) + text for text in texts)
    try:
        return AESGCM(derived[:32]).decrypt(derived[32:], wrapping[53:], bound)
    except InvalidTag:
        raise Damaged(f"a wrapping of {arn} does not open") from None


_ENTRY: Final = struct.Struct(">16s32sBBHQII")


class Place(NamedTuple):
    """Where a chunk lies."""

    segment: str
    offset: int
    stored_bytes: int
    plain_bytes: int
    encoding: int


class Chunks:
    """Content of one domain by chunk id, proven. Where it lies is learnt from all segments, into a temporary table."""

    def __init__(self, store: Store, domain: Domain, rows: sqlite3.Connection) -> None:
        self._store, self._domain, self._rows = store, domain, rows
        self._rows.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE segment (number INTEGER PRIMARY KEY, path TEXT);"
            "CREATE TABLE chunk (id BLOB, kind INT, encoding INT, segment INT, offset INT, stored INT, plain INT);"
        )
        self._rows.execute("BEGIN")
        for path in store.names("segments"):
            if re.fullmatch(r"segments/([0-9a-f]{2})/\1[0-9a-f]{30}\.seg", path):
                try:
                    self._take(path, domain.uid)
                except (Damaged, OSError) as error:
                    warn(f"{path} is left out: {error}")
        self._rows.execute("COMMIT")
        self._rows.execute("CREATE INDEX chunk_by_id ON chunk (id)")

    def _take(self, path: str, uid: bytes) -> None:
        size = self._store.size(path)
        header = self._store.read(path, 0, 32)
        footer = self._store.read(path, max(0, size - 56), 56)
        if size < 32 + 56 or header[:8] != b"\x89NVS\r\n\x1a\n" or footer[48:] != b"NVSEGEND":
            raise Damaged("it is no whole segment")
        version, _, name = struct.unpack_from(">II16s", header, 8)
        table_offset, table_bytes, entries = struct.unpack_from(">QII", footer)
        if version != 1 or name.hex() != path[-36:-4]:
            raise Damaged(f"it has version {version} and calls itself {name.hex()}")
        if table_bytes != entries * _ENTRY.size or table_offset + table_bytes + 56 != size:
            raise Damaged("its footer cannot be true")
        table = self._store.read(path, table_offset, table_bytes)
        if hashlib.sha256(header + table + footer[:16]).digest() != footer[16:48]:
            raise Damaged("its table is not what was written")
        number = self._rows.execute("INSERT INTO segment (path) VALUES (?)", (path,)).lastrowid
        for owner, chunk_id, kind, encoding, _, *place in _ENTRY.iter_unpack(table):
            if owner == uid:
                row = (chunk_id, kind, encoding, number, *place)
                self._rows.execute("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def _places(self, chunk_id: bytes, kind: int) -> Sequence[Place]:
        query = """SELECT path, offset, stored, plain, encoding FROM chunk JOIN segment ON number = segment
                   WHERE id = ? AND kind = ?"""
        return [Place(*row) for row in self._rows.execute(query, (chunk_id, kind))]

    def content(self, chunk_id: bytes, kind: int) -> bytes:
        """Return the content of a chunk: whichever copy proves right."""
        reasons = []
        for place in self._places(chunk_id, kind):
            try:
                content = self._opened(place, chunk_id, kind)
            except (Damaged, OSError) as error:
                reasons.append(f"{place.segment} at {place.offset}: {error}")
                continue
            if self._domain.chunk_id(content) == chunk_id:
                return content
            reasons.append(f"{place.segment} at {place.offset}: other content")
        raise Damaged(f"chunk {chunk_id.hex()}: {'; '.join(reasons) or 'in no segment'}")

    def _opened(self, place: Place, chunk_id: bytes, kind: int) -> bytes:
        if place.plain_bytes > PLAIN_BYTES_MAX or place.stored_bytes > PLAIN_BYTES_MAX + 32:
            raise Damaged("it is longer than chunks are")
        stored = self._store.read(place.segment, place.offset, place.stored_bytes)
        if len(stored) != place.stored_bytes:
            raise Damaged("the segment ends before it")
        encoding = place.encoding
        if self._domain.encrypted:
            encoding -= 2
            stored = self._unsealed(stored, place, chunk_id, kind, encoding)
        if encoding == 0 and len(stored) == place.plain_bytes:
            return stored
        if encoding == 1:
            return decompressed(stored, bytes_max=PLAIN_BYTES_MAX, size=place.plain_bytes)
        raise Damaged(f"it has encoding {place.encoding}")

    def _unsealed(self, stored: bytes, place: Place, chunk_id: bytes, kind: int, encoding: int) -> bytes:
        if len(stored) < 32 or encoding not in {0, 1}:
            raise Damaged("it is not sealed, in an encrypted domain")
        generation, nonce = struct.unpack_from(">I12s", stored)
        if (generation == 0) != (kind == NODE_KIND):
            raise Damaged(f"a chunk of kind {kind} is sealed under generation {generation}")
        label = b"neve/1 chunk key" + chunk_id + b"\x01"
        key, uid = hmac.digest(self._domain.data_key(generation), label, "sha256"), self._domain.uid
        bound = b"neve/1 sealed chunk" + uid + struct.pack(">I", generation) + chunk_id
        bound += struct.pack(">BBI", kind, encoding, place.plain_bytes)
        try:
            return AESGCM(key).decrypt(nonce, stored[16:], bound)
        except InvalidTag:
            raise Damaged("it does not open") from None


def children(node: bytes, level: int, fanout: int) -> Iterator[tuple[int, bytes]]:
    """Yield slot and chunk id of each child of a node."""
    magic, found_level, _, found_fanout, count = struct.unpack_from(">4sB3sII", node.ljust(16, b"\0"))
    head = 16 + fanout // 8
    if magic != b"NVN1" or (found_level, found_fanout) != (level, fanout) or len(node) != head + 32 * count:
        raise Damaged(f"a node of level {level} is none")
    present = int.from_bytes(node[16:head], "little")
    slots = [slot for slot in range(fanout) if present >> slot & 1]
    if len(slots) != count:
        raise Damaged(f"a node of level {level} counts its children wrongly")
    for number, slot in enumerate(slots):
        yield slot, node[head + 32 * number : head + 32 * number + 32]


def blocks(
    chunks: Chunks, root: bytes, fanout: int, lost: Callable[[int, int, Damaged], None]
) -> Iterator[tuple[int, bytes]]:
    """Yield index and chunk id of each block, ascending. `lost` is told of ranges whose map cannot be read."""

    def walk(chunk_id: bytes, level: int, first: int) -> Iterator[tuple[int, bytes]]:
        try:
            found = list(children(chunks.content(chunk_id, NODE_KIND), level, fanout))
        except Damaged as damage:
            return lost(first, first + fanout ** (level + 1), damage)
        for slot, child in found:
            if level == 0:
                yield first + slot, child
            else:
                yield from walk(child, level - 1, first + slot * fanout**level)

    yield from walk(root, 2, 0)


def open_archive(arguments: argparse.Namespace) -> Archive:
    """Return the store that was named, once its key is known to be right."""
    store: Store
    if arguments.store.startswith("s3://"):
        store = Bucket(arguments.store, arguments.endpoint_url, arguments.region)
    else:
        store = Folder(Path(arguments.store))
    if arguments.master_key is not None:
        return Archive(store, Path(arguments.master_key).read_text(encoding="ascii"))
    if "NEVE_MASTER_KEY" in os.environ:
        return Archive(store, os.environ["NEVE_MASTER_KEY"])
    if isinstance(store, Folder) and (store.root / "master.key").exists():
        return Archive(store, (store.root / "master.key").read_text(encoding="ascii"))
    raise Unusable("say where the master key is: --master-key FILE, or NEVE_MASTER_KEY in the environment")


def warn(text: str) -> None:
    """Tell the person at the keyboard."""
    sys.stderr.write(f"neve-read: {text}\n")


def list_snapshots(archive: Archive) -> int:
    """Print a line of JSON for every snapshot that can be restored."""
    status = 0
    for snapshot_id in archive.snapshots():
        try:
            tables = archive.tables(f"snapshot/{snapshot_id}")
        except Damaged as damage:
            warn(str(damage))
            status = DAMAGED
            continue
        (row,) = tables["snapshot"]
        wanted = (
            "snapshot_id",
            "account_id",
            "state",
            "volume_gib",
            "block_count",
            "completed_ms",
            "description",
        )
        shown = {name: row[name] for name in wanted}
        shown["tags"] = {each["tag_key"]: each["tag_value"] for each in tables["tag"]}
        sys.stdout.write(json.dumps(shown, ensure_ascii=False) + "\n")
    return status


def restore(archive: Archive, arguments: argparse.Namespace, out: BinaryIO | None) -> int:
    """Write a snapshot's bytes to `out`, or only prove them; return the exit status."""
    (row,) = archive.tables(f"snapshot/{arguments.snapshot_id}")["snapshot"]
    domain = open_domain(
        archive,
        row["domain_key"],
        {int(pair.partition("=")[0]): bytes.fromhex(pair.partition("=")[2]) for pair in arguments.data_key},
    )
    lost: list[tuple[int, int]] = []

    def note_lost(first: int, end: int, damage: Damaged) -> None:
        warn(f"blocks {first} to {end - 1}: {damage}")
        lost.append((first, end))
        if not arguments.skip_damaged and out is not None:
            raise damage

    volume, done = Volume(out, row["volume_gib"] << 30), 0
    with (
        tempfile.TemporaryDirectory(prefix="neve-read-") as folder,
        closing(sqlite3.connect(f"{folder}/index", isolation_level=None)) as rows,
    ):
        chunks = Chunks(archive.store, domain, rows)
        for block, chunk_id in blocks(chunks, row["root"], archive.fanout, note_lost):
            if chunk_id != ZERO_ID:
                try:
                    content = chunks.content(chunk_id, BLOCK_KIND)
                except Damaged as damage:
                    note_lost(block, block + 1, damage)
                    continue
                volume.put(block * archive.block_bytes, content)
            done += 1
            if done % 4096 == 0:
                warn(f"{done} of {row['block_count']} blocks")
    volume.finish()
    warn(f"{done} of {row['block_count']} blocks, {sum(end - first for first, end in lost)} lost")
    return DAMAGED if lost or done != row["block_count"] else 0


class Volume:
    """Where blocks go, in order: into a new file that keeps its holes, onto a device, down a pipe, or nowhere."""

    def __init__(self, out: BinaryIO | None, size_bytes: int) -> None:
        self._out, self._size_bytes, self._at = out, size_bytes, 0
        self._is_file = out is not None and Path(str(out.name)).is_file()

    def put(self, offset: int, content: bytes) -> None:
        """Put content behind zeros up to `offset`."""
        if self._out is not None:
            self._zeros(offset)
            self._at += self._out.write(content[: self._size_bytes - offset])

    def finish(self) -> None:
        """Put zeros up to the end of the volume, and bring all to the medium."""
        if self._out is not None:
            self._zeros(self._size_bytes)
            if self._is_file:
                self._out.truncate(self._size_bytes)
            self._out.flush()
            if self._out.seekable():
                os.fsync(self._out.fileno())

    def _zeros(self, until: int) -> None:
        assert self._out is not None
        if self._is_file:
            self._at = self._out.seek(until)
        while self._at < until:
            self._at += self._out.write(bytes(min(MIB, until - self._at)))


def main(words: Sequence[str] | None = None) -> int:
    """Do what was asked; return the exit status."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="neve-read", description=__doc__, formatter_class=shape)
    parser.add_argument("store", help="the store's directory, a copy of it, or s3://bucket/prefix")
    parser.add_argument("--master-key", metavar="FILE", help="else NEVE_MASTER_KEY, or STORE/master.key")
    parser.add_argument("--endpoint-url", help="of an S3-compatible object store")
    parser.add_argument("--region", default=os.environ.get("AWS_REGION", "us-east-1"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="one line of JSON for each snapshot")
    for name, text in {"restore": "write a snapshot's volume", "check": "prove every block"}.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("snapshot_id")
        if name == "restore":
            command.add_argument("target", help="a new file, a block device, or - for standard output")
        command.add_argument("--skip-damaged", action="store_true", help="go on; what is lost reads as zeros")
        told = "GENERATION=HEX, unwrapped by its keeper"
        command.add_argument("--data-key", action="append", default=[], metavar="KEY", help=told)
    arguments = parser.parse_args(words)
    try:
        return _run(arguments)
    except (Damaged, Unusable, OSError, ValueError) as error:
        warn(str(error))
        return DAMAGED if isinstance(error, Damaged) else UNUSABLE


def _run(arguments: argparse.Namespace) -> int:
    archive = open_archive(arguments)
    if arguments.command == "list":
        return list_snapshots(archive)
    if arguments.command == "check":
        return restore(archive, arguments, None)
    if arguments.target == "-":
        return restore(archive, arguments, sys.stdout.buffer)
    target = Path(arguments.target)
    is_device = target.is_block_device()
    with target.open("r+b" if is_device else "xb") as out:
        try:
            return restore(archive, arguments, out)
        except BaseException:
            if not is_device:
                target.unlink()
            raise


if __name__ == "__main__":
    sys.exit(main())
