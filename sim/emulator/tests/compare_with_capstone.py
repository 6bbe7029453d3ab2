"""Compares listings of our decoder (stdin: encoding and text a line) with capstone's.

Texts are brought to one form first: widths and hints of size are dropped, numbers are unsigned and
decimal, PC-relative operands absolute, two-operand forms expanded.
"""
import collections
import re
import struct
import sys

try:
    import capstone
except ImportError:
    sys.exit("capstone is missing: pip install capstone")

ADDRESS = 0x1000
PC = (ADDRESS + 4) & ~3
TWO_OPERAND = {"add", "adds", "sub", "subs", "and", "ands", "orr", "orrs", "eor", "eors", "bic", "bics", "adc", "adcs",
               "sbc", "sbcs", "lsl", "lsls", "lsr", "lsrs", "asr", "asrs", "ror", "rors", "mul", "muls", "rsb", "rsbs",
               "orn", "orns"}
SHIFTS = {"lsl", "lsr", "asr", "ror", "rrx"}


def number(match):
    return str(int(match.group(1), 0) & 0xFFFFFFFF)


def numbers(text):
    """Every number as an unsigned decimal without `#`."""
    text = re.sub(r"#(-?[0-9.]+e[-+]?[0-9]+|-?[0-9]+\.[0-9]+)", lambda m: repr(float(m.group(1))), text)
    text = re.sub(r"#?(-?0x[0-9a-f]+)", number, text)
    return re.sub(r"#(-?[0-9]+)(?![0-9.e])", number, text)


def registers(text):
    """r9 to r12 by number."""
    for name, register in (("sb", "r9"), ("sl", "r10"), ("fp", "r11"), ("ip", "r12")):
        text = re.sub(rf"\b{name}\b", register, text)
    return text


def operands(text):
    """Splits at commas outside brackets and braces."""
    parts, depth, part = [], 0, ""
    for c in text:
        depth += (c in "[{") - (c in "]}")
        if c == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += c
    return parts + [part.strip()] if part.strip() else parts


def ours(text):
    name, _, rest = text.partition(" ")
    name = name.removesuffix(".w")
    if re.match(r"(vmov\.f(32|64)) ", text):
        rest = re.sub(r"#(\S+)", lambda m: repr(float(m.group(1))), rest)
    ops = operands(numbers(rest))
    if name in ("mov", "movs") and len(ops) == 3 and ops[2] == "rrx":
        name, ops = name.replace("mov", "rrx"), ops[:2]
    elif name in ("mov", "movs") and len(ops) == 3:
        shift, amount = ops[2].split()
        name, ops = name.replace("mov", shift), [ops[0], ops[1], amount]
    return canonical(name, ops)


def canonical(name, ops):
    if name in TWO_OPERAND and len(ops) == 2:
        ops = [ops[0], *ops]
    if name in ("bfc", "bfi", "sbfx", "ubfx", "ssat", "usat"):
        ops = [o for o in ops if o not in ("lsl 0",)]
    return name, tuple(o.replace(" ", "") for o in ops)


def theirs(instruction, encoding):
    name = instruction.mnemonic.removesuffix(".w").removesuffix(".n")
    text = registers(numbers(instruction.op_str))
    ops = operands(text)
    if name in ("popeq",):
        return name, tuple(ops)
    # Literals become absolute.
    literal = re.fullmatch(r"\[pc(?:, (\d+))?\]", ops[-1]) if ops else None
    if literal and (name.startswith(("ldr", "vldr")) or name == "pld"):
        ops[-1] = f"[{(PC + int(literal.group(1) or 0)) & 0xFFFFFFFF}]"
    if name in ("adr", "addw", "subw", "add", "sub") and len(ops) >= 2 and (name == "adr" or ops[1] == "pc") and ops[-1].isdigit():
        offset = int(ops[-1])
        offset = -offset if name in ("subw", "sub") else offset
        name, ops = "adr", [ops[0], str((PC + offset) & 0xFFFFFFFF)]
    name = {"addw": "add", "subw": "sub", "movw": "mov"}.get(name, name)
    if name in ("cbz", "cbnz", "b", "bl") or re.fullmatch(r"b(eq|ne|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)", name):
        name = name.replace("bhs", "bcs").replace("blo", "bcc")
    if name.startswith("it"):
        ops = [o.replace("hs", "cs").replace("lo", "cc") for o in ops]
    if name in ("pkhbt", "pkhtb") and len(ops) == 4 and ops[3].endswith(" 0"):
        ops = ops[:3]
    if name in ("vpush", "vpop", "push", "pop"):
        pass
    return canonical(name, ops)


def same(mine, other):
    """Equal, or one of the spellings that differ by taste."""
    if mine == other:
        return True
    (a, x), (b, y) = mine, other
    if a == b and a in ("nop", "wfe", "wfi", "sev", "dsb", "dmb", "isb", "clrex", "msr", "mrs", "vmrs", "vmsr"):
        return True
    # Unprivileged accesses are plain ones here, and an offset of minus zero is none.
    if re.fullmatch(r"(ldr|str)s?[bh]?t", b):
        b = b.removesuffix("t")
    y = tuple(o.replace(",0]", "]") for o in y)
    # A scalar of a D register is an S register; PC as an operand is its value.
    y = tuple(re.sub(r"d(\d+)\[([01])\]", lambda m: f"s{2 * int(m[1]) + int(m[2])}", o) for o in y)
    y = tuple("4100" if o == "pc" and "4100" in x else o for o in y)
    b = b.removesuffix(".32") if b.startswith("vmov") else b
    if a == b and a.startswith("cps"):
        return x[0] == y[0].replace("a", "")
    if a == b == "add" and y[1:] == ("sp", x[0]):
        y = (y[0], x[0], "sp")
    if (a, x) == (b, y):
        return True
    # Hints and preloads do nothing here.
    if a == "nop" and b in ("yield", "pld", "pldw", "pli", "dbg", "hint", "sevl", "esb", "csdb"):
        return True
    return False


def invalid(name):
    return name.startswith("udf")


COPROCESSOR = re.compile(r"(cdp|mcr|mrc|mcrr|mrrc|ldc|stc)2?l?$")
MEMORY_ORDER = {"lda", "ldab", "ldah", "stl", "stlb", "stlh", "ldaex", "ldaexb", "ldaexh", "stlex", "stlexb", "stlexh"}
OTHER_PROFILES = {"bxns", "blxns", "tt", "tta", "ttt", "ttat", "sg", "dls", "wls", "le", "fldmiax", "fldmdbx", "fstmiax",
                  "fstmdbx", "ldrt", "strt", "bxj", "hvc", "smc", "eret", "rfeia", "rfedb", "srsia", "srsdb", "dcps1", "dcps2",
                  "dcps3", "crc32b", "crc32h", "crc32w", "crc32cb", "crc32ch", "crc32cw", "setend", "setpan", "hlt", "ldmda"}


def reserved(encoding, name, ops):
    """Whether an encoding that we leave undefined belongs to another profile or is unpredictable."""
    text = ",".join(ops)
    if COPROCESSOR.match(name) or name in MEMORY_ORDER or name in OTHER_PROFILES:
        return True
    if encoding >> 16 == 0:
        condition_al = encoding & 0xFFF0 in (0xBFE0, 0xBFF0)
        both_low_or_pc = encoding & 0xFF00 == 0x4500
        branch_bits = encoding & 0xFF00 == 0x4700 and (encoding & 7 != 0 or encoding >> 3 & 15 == 15)
        pc_twice = encoding in (0x44FF, 0x46FF)
        change_state = encoding & 0xFFE0 == 0xB660
        return condition_al or both_low_or_pc or branch_bits or pc_twice or change_state
    # Advanced SIMD shares the space of floating point; half precision arithmetic is not in these units.
    if name.startswith("v"):
        single_or_double = re.search(r"\.(f32|f64)$", name) or "." not in name
        other_space = encoding >> 24 & 0xEF == 0xEF or encoding >> 24 == 0xF9 or encoding >> 25 == 0x7E
        high = re.search(r"\b(d(1[6-9]|2\d|3[01])|q\d+)\b", text)
        listed = text.count(",") and re.search(r"\{", text)
        fraction = "vcvt" in name and int(ops[-1]) > 32 if ops and ops[-1].isdigit() else False
        if fraction or name in ("vmsr", "vmrs") or len(ops) > 1 and ops[0] == ops[1] and ops[0].startswith(("r", "l")):
            return True
        return bool(not single_or_double or other_space or high or listed or re.search(r"f16|\.16|bf16", name) or "pc" in text or "sp" in text)
    if re.search(r"\b(pc|sp)\b", text):
        return True
    # Bits that should be zero, write-back of a loaded base, equal destinations, one register in a list.
    shifted = encoding >> 25 == 0x75 and encoding & 0x8000
    pack = encoding >> 20 == 0xEAC
    destinations = len(ops) >= 2 and ops[0] == ops[1]
    base = re.search(r"\[(r\d+|lr)", text)
    indexed = base and base.group(1) in ops[:2]
    listed = re.fullmatch(r"(r\d+|lr)!?", ops[0] if ops else "") and "{" in text
    status = name.startswith("strex")
    extension = encoding >> 23 == 0x1F4 and encoding & 0xF0C0 == 0xF0C0
    reversal = encoding >> 20 == 0xFA9 and encoding >> 16 & 15 != encoding & 15
    status = status or extension or reversal
    literal = name == "ldrex" and encoding >> 16 & 15 == 15
    status = status or literal
    return bool(shifted or pack or destinations or indexed or listed or status)


def main():
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    counts, shown = collections.Counter(), collections.Counter()
    failures = 0
    for line in sys.stdin:
        encoding, text = line.rstrip("\n").split(" ", 1)
        encoding = int(encoding, 16)
        wide = encoding >> 16 != 0
        raw = struct.pack("<HH", encoding >> 16, encoding & 0xFFFF) if wide else struct.pack("<H", encoding)
        found = next(decoder.disasm(raw, ADDRESS), None)
        mine = ours(text)
        if found is None or found.mnemonic in ("udf", "udf.w", "trap"):
            # Loads of less than a word to PC are memory hints, allocated or not (A5.3.8, A5.3.9).
            hint = mine[0] == "nop" and encoding >> 25 == 0x7C
            verdict = "both undefined" if invalid(text) else "agree" if hint else "only ours"
        elif invalid(text):
            verdict = "reserved" if reserved(encoding, *theirs(found, encoding)) else "only capstone"
        else:
            verdict = "agree" if same(mine, theirs(found, encoding)) else "differ"
        counts[verdict] += 1
        if verdict not in ("agree", "both undefined", "reserved"):
            other = theirs(found, encoding) if found else None
            key = (verdict, mine[0] if verdict != "only capstone" else other[0])
            shown[key] += 1
            if shown[key] <= 2:
                print(f"{verdict}: {encoding:08x} ours {mine} capstone {other} {found.op_str if found else ''}", file=sys.stderr)
            failures += 1
    print(sys.argv[1], dict(counts), file=sys.stderr)
    print({" ".join(k): v for k, v in shown.items()}, file=sys.stderr)
    sys.exit(1 if failures else 0)


main()
