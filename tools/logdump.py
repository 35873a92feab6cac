#!/usr/bin/env python3
"""Reads the log directory of an immortal by docs/formats/ alone, and shares no line with the coordinator.

usage: logdump.py dump DIR         genesis, claims, segments, seals and records, and which of them count
       logdump.py totals DIR       what the history holds, added up
       logdump.py checkpoint FILE  header, sections and totals of one checkpoint

DIR is <log directory>/<namespace>/<name>. All checksums, chains, indexes and seals are verified; nothing is written.
Exit status: 0 well; 1 damage or a refusal, with file and offset; 2 wrong command line, or nothing there.
"""

import hashlib
import mmap
import os
import re
import struct
import sys
import time
from collections import namedtuple

SEGMENT_HEADER = struct.Struct("<8sHHBBH16sQQQIIQQ16sQQ96sH")
RECORD_HEADER = struct.Struct("<4sIQQIIHHIQQQIIII16s")
FRAME_HEADER = struct.Struct("<IIQQQIIHHI")
SEAL_BODY = struct.Struct("<QQQQ16sQQ16sQQ")
CHECKPOINT_HEADER = struct.Struct("<8sHHBBHQ16sQQQ16sII")
SECTION_HEADER = struct.Struct("<IIII")
TRAILER = struct.Struct("<QQII")

SEGMENT_HEADER_BYTES = 4096
FRAME_BYTES_MAX, BODY_BYTES_MAX = (16 << 20) + 64, 64 << 20
INPUTS, NOTE, SEAL = 1, 2, 3
RECORD_KINDS = {INPUTS: "inputs", NOTE: "note", SEAL: "seal"}
ENTRY_KINDS = {1: "peer", 2: "impulse", 3: "control"}
SECTION_KINDS = {1: "output", 2: "service", 3: "state", 4: "trailer"}

Seal = namedtuple("Seal", "epoch nonce base_epoch base_batches base_chain copies last_index chain first_void zero")
Frame = namedtuple("Frame", "bytes count first_sequence index time slot crc kind flags last")


class Damage(Exception):
    """Bytes that are not what they were, or that this reader may not read."""

    def __init__(self, path, offset, text):
        super().__init__(f"{path}: at offset {offset}: {text}")


class Invalid(Exception):
    """No valid record here; whether that is damage depends on what follows."""


# ---- hashes ---------------------------------------------------------------------------------------------------------

def make_crc_tables():
    """Two tables that take CRC32C four bytes further at once."""
    octet = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        octet.append(value)
    high = [0] * 65536
    for value in range(65536):
        crc = octet[value & 255] ^ (value >> 8)
        high[value] = octet[crc & 255] ^ (crc >> 8)
    # A word's low half is taken through four bytes, its high half through two.
    return octet, [high[v & 0xFFFF] ^ (v >> 16) for v in high], high


OCTET, LOW, HIGH = make_crc_tables()


def crc32c(data, crc=0):
    """CRC32C of `data`, going on from `crc`."""
    low, high = LOW, HIGH
    data = memoryview(data)
    crc ^= 0xFFFFFFFF
    whole = len(data) & ~3
    for begin in range(0, whole, 65536):
        part = data[begin:min(begin + 65536, whole)]
        for word in struct.unpack(f"<{len(part) // 4}I", part):
            word ^= crc
            crc = low[word & 0xFFFF] ^ high[word >> 16]
    for value in data[whole:]:
        crc = OCTET[(crc ^ value) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


# ---- genesis and claims ---------------------------------------------------------------------------------------------

def read_genesis(path):
    """The genesis as a dictionary."""
    with open(path, "rb") as file:
        data = file.read()
    body, found, last = data.rpartition(b"crc32c: ")
    if not found or last != b"%08x\n" % crc32c(body):
        raise Damage(path, len(body), "the checksum of the genesis is wrong")
    keys = "semper-genesis minimum-reader features cluster name incarnation created".split()
    lines = body.decode().splitlines()
    if [line.partition(": ")[0] for line in lines] != keys:
        raise Damage(path, 0, "not the lines of a genesis")
    genesis = dict(line.split(": ", 1) for line in lines)
    if genesis["minimum-reader"] != "1" or genesis["features"] != "0":
        raise Damage(path, 0, "written for a newer reader")
    return genesis


def read_claims(folder):
    """{epoch: {key: value}} of all claims."""
    claims = {}
    for bucket in os.listdir(folder):
        for name in os.listdir(os.path.join(folder, bucket)):
            if not (name.isdecimal() and str(int(name) // 256) == bucket):
                continue
            with open(os.path.join(folder, bucket, name), encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            claims[int(name)] = dict(line.split(": ", 1) for line in lines if ": " in line)
    return claims


# ---- segments and records -------------------------------------------------------------------------------------------

class Record:
    """One valid record: where it is and what its header says."""

    __slots__ = ("path", "offset", "end", "durable", "committed", "copied", "kind", "entries", "origin", "batch", "index",
                 "inputs", "bytes", "chain", "seal", "time", "first_time", "kinds")


class Segment:
    """A segment file. `used` is False if it never held a record."""

    NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{8})\.seg")

    def __init__(self, path, genesis):
        self.path = path
        self.epoch, self.nonce, self.number = (int(g, 16) for g in self.NAME.fullmatch(os.path.basename(path)).groups())
        with open(path, "rb") as file:
            self.bytes = os.fstat(file.fileno()).st_size
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.bytes else b""
        header = self.data[:SEGMENT_HEADER_BYTES]
        crc = int.from_bytes(header[4092:], "little")
        self.used = len(header) == SEGMENT_HEADER_BYTES and header[:8] == b"SEMPRSEG" and crc32c(header[:4092]) == crc
        if self.used:
            self.parse_header(header, genesis)
        elif any(self.data[4096:4192]):
            raise Damage(path, 0, "records behind a header that is not valid")

    def parse_header(self, header, genesis):
        (_, _, minimum, body_hash, chain_hash, zero, incarnation, epoch, nonce, number, self.id, self.alignment,
         self.first_batch, self.index, self.chain, features, sealed, seal, name_bytes) = SEGMENT_HEADER.unpack_from(header)
        if (minimum, body_hash, chain_hash, zero, features) != (1, 1, 1, 0, 0):
            raise Damage(self.path, 8, "written for a newer reader")
        if (epoch, nonce, number) != (self.epoch, self.nonce, self.number):
            raise Damage(self.path, 32, "the header belongs to another name")
        if incarnation.hex() != genesis["incarnation"] or header[210:210 + name_bytes] != genesis["name"].encode():
            raise Damage(self.path, 16, "of another immortal")
        if self.alignment not in (1 << n for n in range(3, 13)) or sealed > 1:
            raise Damage(self.path, 60, "alignment or seal flag out of range")
        self.seal = Seal(*SEAL_BODY.unpack(seal)) if sealed else None
        if not sealed and any(seal):
            raise Damage(self.path, 112, "a seal that is not announced")

    def parse_header_at(self, offset):
        """The fields of the record header at `offset`, its own checksum verified."""
        header = self.data[offset:offset + RECORD_HEADER.size]
        if header[:4] != b"SREC" or len(header) < RECORD_HEADER.size:
            raise Invalid("no record")
        fields = RECORD_HEADER.unpack(header)
        if crc32c(header[8:], crc32c(struct.pack("<I", self.id))) != fields[1]:
            raise Invalid("the checksum of the record's header is wrong")
        return header, fields

    def read_record(self, offset, chain):
        """The record at `offset`, valid by itself and behind `chain`."""
        header, fields = self.parse_header_at(offset)
        (_, _, durable, committed, flags, padding, kind, zero, entries, origin, batch, index, inputs, body_bytes, body_crc,
         zero_too, chain_after) = fields
        record = Record()
        record.path, record.offset, record.kind, record.entries = self.path, offset, kind, entries
        record.durable, record.committed, record.copied = durable, committed, flags & 1
        record.origin, record.batch, record.index, record.inputs = origin, batch, index, inputs
        record.bytes, record.chain, record.seal, record.kinds = body_bytes, chain_after, None, {}
        record.time = record.first_time = None
        begin = offset + RECORD_HEADER.size
        record.end = begin + body_bytes + padding
        if flags > 1 or zero or zero_too or kind not in RECORD_KINDS or body_bytes > BODY_BYTES_MAX:
            raise Invalid("a field of the record's header is out of range")
        if padding >= self.alignment or record.end % self.alignment or begin + body_bytes > self.bytes:
            raise Invalid("the record does not fit")
        body = self.data[begin:begin + body_bytes]
        if crc32c(body) != body_crc:
            raise Invalid("the checksum of the body is wrong")
        if hashlib.sha256(chain + header[32:80]).digest()[:16] != chain_after:
            raise Invalid("the chain is wrong")
        if kind == INPUTS:
            self.read_entries(record, body)
        elif entries or inputs or body_bytes != (SEAL_BODY.size if kind == SEAL else 0):
            raise Invalid("a note or a seal of a wrong size")
        if kind == SEAL:
            record.seal = Seal(*SEAL_BODY.unpack(body))
        return record

    @staticmethod
    def read_entries(record, body):
        """Verifies the entries of a record of inputs, and adds them up by kind."""
        place = record.entries * FRAME_HEADER.size
        index = record.index
        if place > len(body) or not record.entries:
            raise Invalid("no room for the entries")
        for number in range(record.entries):
            frame = Frame(*FRAME_HEADER.unpack_from(body, number * FRAME_HEADER.size))
            payload = memoryview(body)[place:place + frame.bytes]
            if frame.kind not in ENTRY_KINDS or frame.flags or frame.last or frame.bytes > FRAME_BYTES_MAX:
                raise Invalid(f"entry {number} has a field out of range")
            if len(payload) != frame.bytes or crc32c(payload) != frame.crc:
                raise Invalid(f"the checksum of entry {number} is wrong")
            if frame.index != index or (record.time is not None and frame.time < record.time):
                raise Invalid(f"entry {number} has another index, or an earlier time, than it should")
            if not frame.count or (frame.count != 1 if frame.kind == 3 else not has_messages(payload, frame.count)):
                raise Invalid(f"entry {number} does not hold {frame.count} messages")
            if record.first_time is None:
                record.first_time = frame.time
            record.time = frame.time
            index += frame.count
            place += frame.bytes
            inputs, size = record.kinds.get(frame.kind, (0, 0))
            record.kinds[frame.kind] = (inputs + frame.count, size + frame.bytes)
        if place != len(body) or index != record.index + record.inputs:
            raise Invalid("entries and record disagree about inputs or bytes")


def has_messages(payload, count):
    """Whether `payload` is `count` messages."""
    place = 0
    for _ in range(count):
        header = int.from_bytes(payload[place:place + 4], "little")
        if place + 4 > len(payload) or header >> 29:
            return False
        place += 4
        if header >> 28 & 1:
            place += 2 + int.from_bytes(payload[place:place + 2], "little")
        place += header & 0x1FFFFFF
    return place == len(payload)


# ---- an epoch -------------------------------------------------------------------------------------------------------

class Epoch:
    """All that stands in the segments of one epoch, read until no valid record follows."""

    def __init__(self, number, segments, progress):
        used = [s for s in segments if s.used]
        self.number, self.segments, self.used = number, segments, used
        self.records, self.seal, self.place, self.why = [], None, None, ""
        if not used:
            return
        if len({s.nonce for s in used}) > 1:
            raise Damage(used[-1].path, 40, f"two nonces in use in epoch {number}: two owners of one claim")
        for segment in segments:
            if not segment.used and segment.number < used[-1].number:
                raise Damage(segment.path, 0, "a segment without header before one in use")
        for before, segment in zip(used, used[1:]):
            if segment.number != before.number + 1:
                name = f"{number:016x}-{segment.nonce:016x}-{before.number + 1:08x}.seg"
                raise Damage(os.path.join(os.path.dirname(segment.path), name), 0, "missing, but a later one is in use")
        self.first = used[0]
        self.batch, self.index, self.chain, self.copies = used[0].first_batch, used[0].index, used[0].chain, 0
        self.last = (number, self.batch - 1) if self.batch else None
        self.time = None
        for segment in used:
            self.seal = self.seal or segment.seal
        self.read(progress)

    def read(self, progress):
        """Reads on while records are valid; then `place` is where the next one should be."""
        for number, segment in enumerate(self.used):
            if number and not self.continues(segment):
                break
            offset = SEGMENT_HEADER_BYTES
            try:
                while True:
                    record = segment.read_record(offset, self.chain)
                    self.take(record)
                    offset = record.end
                    progress(record.end - record.offset)
            except Invalid as invalid:
                self.place, self.why, self.stopped = offset, str(invalid), segment
        self.proven = max([r.durable for r in self.records] + [self.used[-1].first_batch])
        self.committed = max([r.committed for r in self.records] + [0])

    def continues(self, segment):
        """Whether `segment` begins where the records before it end."""
        return ((segment.number, segment.first_batch, segment.index, segment.chain)
                == (self.stopped.number + 1, self.batch, self.index, self.chain)
                and segment.seal == (self.seal if self.batch else None))

    def take(self, record):
        """One record further, if it is the one that belongs here."""
        if record.index != self.index or not follows(self.last, record):
            raise Invalid("another index or batch than should be here")
        if self.time is not None and record.first_time is not None and record.first_time < self.time:
            raise Invalid("logged time goes back")
        if record.copied:
            if self.batch or record.origin >= self.number or record.durable or record.committed:
                raise Invalid("a copy where none may be")
            self.copies += 1
        else:
            if (record.origin, record.batch) != (self.number, self.batch):
                raise Invalid("another batch than should be here")
            if not record.committed <= record.durable <= record.batch:
                raise Invalid("durable and committed are out of order")
            if record.kind == SEAL:
                self.check_seal(record.seal)
            self.batch += 1
        self.index += record.inputs
        self.chain, self.last = record.chain, (record.origin, record.batch)
        self.time = self.time if record.time is None else record.time
        self.records.append(record)

    def check_seal(self, seal):
        """Whether what the records before it were agrees with the seal, as far as they are left."""
        right = ((seal.epoch, seal.nonce, seal.last_index, seal.chain, seal.first_void, seal.zero)
                 == (self.number, self.first.nonce, self.index - 1, self.chain, seal.base_epoch + 1, 0)
                 and seal.base_epoch < self.number and self.copies <= seal.copies)
        if right and self.first.number == 0:
            right = self.copies == seal.copies and self.first.chain == seal.base_chain
        if not right or (self.seal and self.seal != seal):
            raise Invalid("the seal does not fit what is before it")
        self.seal = seal

    def is_damage_at_end(self):
        """Whether the place where reading stopped was valid once: something later has been written behind it."""
        if self.stopped is not self.used[-1]:
            return True
        segment = self.stopped
        for offset in range(self.place + segment.alignment, segment.bytes, segment.alignment):
            if segment.data[offset:offset + 4] != b"SREC":
                continue
            try:
                fields = segment.parse_header_at(offset)[1]
            except Invalid:
                continue
            if not fields[4] & 1 and fields[9] == self.number and fields[10] >= self.batch:
                return True
        return False

    def has_batches_below(self, limit):
        """Whether a segment is left of which something counts if only batches below `limit` do."""
        return bool(self.used) and self.first.first_batch < limit


def follows(last, record):
    """Whether `record` may come after the record (origin epoch, batch) `last`; None: nothing is known before it."""
    if (record.kind == SEAL) != (record.batch == 0):
        return False
    if last is None:
        return True
    if record.kind == SEAL:
        return record.origin > last[0]
    return (record.origin, record.batch) == (last[0], last[1] + 1)


# ---- history --------------------------------------------------------------------------------------------------------

class Log:
    """An immortal's directory: its epochs, and the history that their seals make of them."""

    def __init__(self, root):
        self.root = root
        self.genesis = read_genesis(os.path.join(root, "genesis"))
        self.claims = read_claims(os.path.join(root, "claims"))
        names = sorted(n for n in os.listdir(os.path.join(root, "log")) if Segment.NAME.fullmatch(n))
        segments = [Segment(os.path.join(root, "log", n), self.genesis) for n in names]
        progress = Progress(sum(s.bytes for s in segments if s.used))
        self.epochs = {e: Epoch(e, [s for s in segments if s.epoch == e], progress) for e in {s.epoch for s in segments}}
        self.parts, self.limits = {}, {}  # epoch -> its records that count, oldest first; its batches that may count
        self.damage = None
        try:
            self.find_history()
        except Damage as damage:
            self.damage = damage

    def find_history(self):
        claimed = max(self.claims, default=0)
        for missing in set(range(1, claimed)) - set(self.claims):
            raise Damage(os.path.join(self.root, "claims", str(missing // 256), str(missing)), 0, "this claim is missing")
        for above in (e for e in self.epochs if e > claimed):
            print(f"logdump: epoch {above} has segments, but no claim: it is not looked at", file=sys.stderr)
        newest = next((e for e in sorted(self.epochs, reverse=True) if e <= claimed and self.is_sealed(e)), None)
        parts, number, limit = [], newest, None
        while number and number in self.epochs and self.epochs[number].used:
            epoch = self.epochs[number]
            if not epoch.seal:
                raise Damage(epoch.stopped.path, epoch.place, f"epoch {number} has no valid seal: {epoch.why}")
            if limit is not None and not epoch.has_batches_below(limit):
                break
            parts.insert(0, (epoch, limit))
            number, limit = epoch.seal.base_epoch, epoch.seal.base_batches
        before = None
        for epoch, limit in parts:
            self.check_link(before, epoch)
            self.take_part(epoch, limit)
            before = epoch

    def is_sealed(self, number):
        """Whether the epoch defines the history below it; damage in front of a seal is damage."""
        epoch = self.epochs[number]
        if epoch.used and not epoch.seal and epoch.is_damage_at_end():
            raise Damage(epoch.stopped.path, epoch.place, epoch.why)
        return epoch.seal is not None

    def check_link(self, before, epoch):
        """Whether `epoch` begins where what counts of `before` ends."""
        first, seal = epoch.first, epoch.seal
        if before is None:
            if first.number == 0 and seal.base_epoch == 0 and (first.index, any(first.chain)) != (1, False):
                raise Damage(first.path, 72, "the first segment of all does not begin at the beginning")
            return
        last = self.parts[before.number][-1]
        if first.number:
            raise Damage(first.path, 0, "the segments before it are missing")
        if (first.chain, first.index) != (last.chain, last.index + last.inputs) or seal.base_chain != last.chain:
            raise Damage(first.path, 72, f"does not begin where epoch {before.number} ends")
        times = [r.time for r in self.parts[before.number] if r.time is not None]
        next_time = next((r.first_time for r in epoch.records if r.first_time is not None), None)
        if epoch.records and (not follows((last.origin, last.batch), epoch.records[0])
                              or (times and next_time is not None and next_time < times[-1])):
            raise Damage(epoch.records[0].path, epoch.records[0].offset, f"does not follow the end of epoch {before.number}")

    def take_part(self, epoch, limit):
        """Notes which records of `epoch` count."""
        self.limits[epoch.number] = epoch.batch if limit is None else limit
        if limit is None:
            self.parts[epoch.number] = epoch.records
            if epoch.is_damage_at_end():
                raise Damage(epoch.stopped.path, epoch.place, epoch.why)
            return
        self.parts[epoch.number] = [r for r in epoch.records if r.copied or r.batch < limit]
        if epoch.batch < limit:
            raise Damage(epoch.stopped.path, epoch.place, f"{epoch.why}; {limit} batches of epoch {epoch.number} count")

    def state(self, epoch, record):
        """What is known of a record: committed, durable, written, or that it does not count."""
        if epoch.number not in self.parts or record.batch >= self.limits[epoch.number] and not record.copied:
            return "-"
        later = [self.epochs[e] for e in self.parts if e > epoch.number]
        batch = 0 if record.copied else record.batch
        if batch < epoch.committed or any(e.committed for e in later):
            return "committed"
        return "durable" if later or batch < epoch.proven else "written"


class Progress:
    """Says on standard error how far a large log is read."""

    def __init__(self, total):
        self.total, self.done, self.told = total, 0, time.monotonic()

    def __call__(self, size):
        self.done += size
        if self.total > 64 << 20 and time.monotonic() - self.told > 2:
            self.told = time.monotonic()
            print(f"logdump: {self.done >> 20} of {self.total >> 20} MiB", file=sys.stderr)


# ---- verbs ----------------------------------------------------------------------------------------------------------

def describe(seal):
    base = f"base {seal.base_epoch} with {seal.base_batches} batches, chain {seal.base_chain.hex()}"
    void = f"void {seal.first_void}..{seal.epoch - 1}" if seal.first_void < seal.epoch else "none void"
    return f"{base}; {seal.copies} copied, last index {seal.last_index}, chain {seal.chain.hex()}; {void}"


def dump(root):
    log = Log(root)
    for key, value in log.genesis.items():
        print(f"{key}: {value}")
    for number, claim in sorted(log.claims.items()):
        print(f"claim {number}", *(f"{key} {value}" for key, value in claim.items()))
    for number, epoch in sorted(log.epochs.items()):
        print(f"epoch {number}:", f"{len(log.parts[number])} of {len(epoch.records)} records count"
              if number in log.parts else "does not count")
        if epoch.seal:
            print(f"  seal: {describe(epoch.seal)}")
        for segment in epoch.segments:
            name = os.path.basename(segment.path)
            if not segment.used:
                print(f"  segment {name} unused")
                continue
            print(f"  segment {name} id {segment.id:08x} alignment {segment.alignment} first batch {segment.first_batch} "
                  f"index {segment.index} chain {segment.chain.hex()}")
            for record in (r for r in epoch.records if r.path == segment.path):
                last = f"{record.index}..{record.index + record.inputs - 1}" if record.inputs else f"{record.index}"
                print(f"    {record.offset:>9} {record.origin}/{record.batch} {RECORD_KINDS[record.kind]}"
                      f"{' copy' if record.copied else ''} {last} entries {record.entries} bytes {record.bytes} "
                      f"durable {record.durable} committed {record.committed} {log.state(epoch, record)} {record.chain.hex()}")
        if epoch.used:
            print(f"  ends at {epoch.place} of {os.path.basename(epoch.stopped.path)}: {epoch.why}")
    if log.damage:
        raise log.damage


def totals(root):
    log = Log(root)
    if log.damage:
        raise log.damage
    records = [r for part in log.parts.values() for r in part]
    for name, value in (
            ("name", log.genesis["name"]), ("incarnation", log.genesis["incarnation"]),
            ("newest claim", max(log.claims, default=0)), ("epochs", len(log.parts)),
            ("segments", sum(len({r.path for r in part}) for part in log.parts.values())),
            ("records", len(records)), ("notes", sum(r.kind == NOTE for r in records)),
            ("seals", sum(r.kind == SEAL for r in records)), ("copies", sum(bool(r.copied) for r in records)),
            ("bytes", sum(RECORD_HEADER.size + r.bytes for r in records)),
            ("first index", records[0].index if records else 0), ("inputs", sum(r.inputs for r in records)),
            ("last index", records[-1].index + records[-1].inputs - 1 if records else 0),
            ("chain", records[-1].chain.hex() if records else bytes(16).hex())):
        print(f"{name}: {value}")
    for kind, name in ENTRY_KINDS.items():
        found = [r.kinds[kind] for r in records if kind in r.kinds]
        print(f"{name}: {sum(f[0] for f in found)} inputs, {sum(f[1] for f in found)} bytes")


def checkpoint(path):
    """Prints and verifies one checkpoint."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < CHECKPOINT_HEADER.size or data[:8] != b"SEMPRCKP":
        raise Damage(path, 0, "not a checkpoint")
    (_, _, minimum, body_hash, chain_hash, zero, features, incarnation, epoch, index, batches, chain, name_bytes,
     state_bytes) = CHECKPOINT_HEADER.unpack_from(data)
    if (minimum, body_hash, chain_hash, zero, features) != (1, 1, 1, 0, 0):
        raise Damage(path, 8, "written for a newer reader")
    place = CHECKPOINT_HEADER.size + name_bytes + state_bytes
    if name_bytes > 4096 or state_bytes > 64 << 20 or data[place:place + 4] != struct.pack("<I", crc32c(data[:place])):
        raise Damage(path, 0, "the checksum of the header is wrong")
    name = data[CHECKPOINT_HEADER.size:CHECKPOINT_HEADER.size + name_bytes].decode()
    print(f"name: {name}\nincarnation: {incarnation.hex()}\nepoch: {epoch}\nindex: {index}\nbatches: {batches}\n"
          f"chain: {chain.hex()}\ncoordinator state: {state_bytes} bytes")
    found, state, place = read_sections(path, data, place + 4)
    for kind in (1, 2, 3):
        sizes = [len(body) for k, body in found if k == kind]
        print(f"{SECTION_KINDS[kind]}: {len(sizes)} sections, {sum(sizes)} bytes")
    sections, total, crc, zero = TRAILER.unpack(found[-1][1])
    if (sections, total, crc, zero) != (len(found) - 1, len(state), crc32c(state), 0):
        raise Damage(path, place, "the trailer does not fit the sections")
    if os.path.basename(path) != f"{epoch:016x}-{index:016x}.ckpt":
        raise Damage(path, 40, "the header belongs to another name")


def read_sections(path, data, place):
    """([(kind, body)], the service's state, where the trailer begins)."""
    found, state, outputs = [], bytearray(), {}
    while not found or found[-1][0] != 4:
        if place + SECTION_HEADER.size > len(data):
            raise Damage(path, place, "ends before its trailer")
        kind, size, crc, zero = SECTION_HEADER.unpack_from(data, place)
        body = data[place + SECTION_HEADER.size:place + SECTION_HEADER.size + size]
        if len(body) != size or crc32c(body) != crc or zero or kind not in SECTION_KINDS:
            raise Damage(path, place, "the checksum of a section is wrong")
        services = sum(k == 2 for k, _ in found)
        if (kind == 2 and (services or size > 1 << 20)) or (kind == 3 and (not services or size > 1 << 20)) \
                or (kind == 4 and (size != TRAILER.size or not services)):
            raise Damage(path, place, "a section where it may not be, or of a wrong size")
        if kind == 1:
            frame = Frame(*FRAME_HEADER.unpack_from(body)) if size >= FRAME_HEADER.size else None
            if not frame or (frame.bytes, frame.kind) != (size - FRAME_HEADER.size, 18) \
                    or crc32c(body[FRAME_HEADER.size:]) != frame.crc or frame.flags or frame.last or frame.index or frame.time \
                    or frame.first_sequence != outputs.get(frame.slot, frame.first_sequence):
                raise Damage(path, place, "an output that is not whole, or out of order")
            outputs[frame.slot] = frame.first_sequence + frame.count
        if kind == 3:
            state += body
        found.append((kind, body))
        place += SECTION_HEADER.size + size
    if place != len(data):
        raise Damage(path, place, "something follows the trailer")
    return found, bytes(state), place - TRAILER.size - SECTION_HEADER.size


def main(arguments):
    verbs = {"dump": dump, "totals": totals, "checkpoint": checkpoint}
    if arguments in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if len(arguments) != 2 or arguments[0] not in verbs:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        verbs[arguments[0]](arguments[1])
    except Damage as damage:
        print(f"logdump: damage: {damage}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"logdump: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
