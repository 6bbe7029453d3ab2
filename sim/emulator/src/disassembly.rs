//! Instructions in assembler notation, for messages and traces.

use std::fmt::Write;

use crate::op::{DOUBLE, Kind, Op, PRE_INDEX, S, VARIANT, WRITE_BACK};

const CONDITIONS: [&str; 15] = [
    "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "",
];

/// An instruction in assembler notation. Branch targets and literals are absolute addresses.
#[must_use]
pub fn disassemble(op: &Op, encoding: u32) -> String {
    use Kind as K;
    let kind = op.kind;
    let (d, n, m, a) = (name(op.rd), name(op.rn), name(op.rm), name(op.ra));
    let s = if op.has(S) { "s" } else { "" };
    let text = kind.mnemonic();
    let imm = op.imm;
    match kind {
        K::Undecoded | K::Hook | K::Undefined if op.size == 4 => format!("udf.w 0x{encoding:08x}"),
        K::Undecoded | K::Hook | K::Undefined => format!("udf 0x{encoding:04x}"),
        K::MovImm => format!("mov{s} {d}, #{imm}"),
        K::Movt => format!("movt {d}, #{imm}"),
        K::Adr => format!("adr {d}, 0x{imm:x}"),
        K::TstImm | K::TeqImm | K::CmpImm | K::CmnImm => format!("{text} {n}, #{imm}"),
        K::TstReg | K::TeqReg | K::CmpReg | K::CmnReg => format!("{text} {n}, {m}"),
        K::TstShift | K::TeqShift | K::CmpShift | K::CmnShift => {
            format!("{text} {n}, {m}{}", shift(op))
        }
        K::MovReg | K::MvnReg => format!("{text}{s} {d}, {m}"),
        K::MovShift | K::MvnShift => format!("{text}{s} {d}, {m}{}", shift(op)),
        k if k >= K::AndImm && k <= K::CmnImm => format!("{text}{s} {d}, {n}, #{imm}"),
        k if k >= K::AndReg && k <= K::CmnReg => format!("{text}{s} {d}, {n}, {m}"),
        k if k >= K::AndShift && k <= K::CmnShift => {
            format!("{text}{s} {d}, {n}, {m}{}", shift(op))
        }
        K::ShiftReg => format!("{}{s} {d}, {n}, {m}", SHIFTS[usize::from(op.shift & 3)]),
        K::B | K::Bl => format!("{text} 0x{imm:x}"),
        K::BCond => format!("b{} 0x{imm:x}", CONDITIONS[usize::from(op.shift).min(14)]),
        K::Bx | K::BlxReg => format!("{text} {m}"),
        K::Cbz | K::Cbnz => format!("{text} {n}, 0x{imm:x}"),
        K::Tbb => format!("tbb [{n}, {m}]"),
        K::Tbh => format!("tbh [{n}, {m}, lsl #1]"),
        K::MovPc => format!("mov pc, {m}"),
        K::AddPc => format!("add pc, {m}"),
        k if k >= K::LdrLit && k <= K::LdrshLit => format!("{text} {d}, [0x{imm:x}]"),
        K::LdrdLit => format!("ldrd {d}, {a}, [0x{imm:x}]"),
        k if k >= K::LdrReg && k <= K::StrhReg => {
            let scale = if op.amount == 0 {
                String::new()
            } else {
                format!(", lsl #{}", op.amount)
            };
            format!("{text} {d}, [{n}, {m}{scale}]")
        }
        k if k >= K::LdrImm && k <= K::StrhImm => format!("{text} {d}, [{n}{}]", offset(imm)),
        k if k >= K::LdrIndexed && k <= K::StrhIndexed => format!("{text} {d}, {}", indexed(op)),
        K::Ldrd | K::Strd => format!("{text} {d}, {a}, {}", indexed(op)),
        K::Ldm | K::LdmDb | K::Stm | K::StmDb => multiple(op),
        K::Ldrex | K::Lda | K::Stl => format!("{} {d}, [{n}{}]", ordered(op), offset(imm)),
        K::Strex => format!("{} {a}, {d}, [{n}{}]", ordered(op), offset(imm)),
        K::Sxtb | K::Sxth | K::Uxtb | K::Uxth | K::Sxtb16 | K::Uxtb16 => {
            format!("{text} {d}, {m}{}", rotation(op))
        }
        K::Sxtab | K::Sxtah | K::Uxtab | K::Uxtah | K::Sxtab16 | K::Uxtab16 => {
            format!("{text} {d}, {n}, {m}{}", rotation(op))
        }
        K::Rev | K::Rev16 | K::Revsh | K::Rbit | K::Clz => format!("{text} {d}, {m}"),
        K::Bfi | K::Sbfx | K::Ubfx => format!("{text} {d}, {n}, #{imm}, #{}", op.amount),
        K::Bfc => format!("bfc {d}, #{imm}, #{}", op.amount),
        K::Mla
        | K::Mls
        | K::Smlad
        | K::Smlsd
        | K::Smmla
        | K::Smmls
        | K::Usada8
        | K::Smlaxy
        | K::Smlaw => {
            format!("{}{} {d}, {n}, {m}, {a}", text, halves(op))
        }
        K::Smull
        | K::Umull
        | K::Smlal
        | K::Umlal
        | K::Umaal
        | K::Smlalxy
        | K::Smlald
        | K::Smlsld => {
            format!("{}{} {d}, {a}, {n}, {m}", text, halves(op))
        }
        K::Mul => format!("mul{s} {d}, {n}, {m}"),
        K::Parallel => {
            let prefix = ["s", "q", "sh", "?", "u", "uq", "uh", "?"][usize::from(op.amount & 7)];
            let operation = ["add8", "add16", "asx", "?", "sub8", "sub16", "sax", "?"]
                [usize::from(op.shift & 7)];
            format!("{prefix}{operation} {d}, {n}, {m}")
        }
        K::Qadd | K::Qdadd | K::Qsub | K::Qdsub => format!("{text} {d}, {m}, {n}"),
        K::Ssat | K::Usat => format!("{text} {d}, #{imm}, {n}{}", shift(op)),
        K::Ssat16 | K::Usat16 => format!("{text} {d}, #{imm}, {n}"),
        K::Pkhbt | K::Pkhtb => format!("{text} {d}, {n}, {m}{}", shift(op)),
        k if k >= K::Sdiv && k <= K::Sel => format!("{}{} {d}, {n}, {m}", text, halves(op)),
        K::It => it(imm),
        K::Barrier => ["dsb", "dmb", "isb"][(imm.wrapping_sub(4) % 3) as usize].to_owned(),
        K::Bkpt | K::Svc => format!("{text} #{imm}"),
        K::Cps => format!(
            "cps{} {}{}",
            if op.has(VARIANT) { "id" } else { "ie" },
            if imm & 2 != 0 { "i" } else { "" },
            if imm & 1 != 0 { "f" } else { "" }
        ),
        K::Mrs => format!("mrs {d}, #{imm}"),
        K::Msr => format!("msr #{imm}, {n}"),
        K::Tt => format!("tt {d}, {n}"),
        k if k >= K::Vldr => float(op),
        _ => text.to_owned(),
    }
}

const SHIFTS: [&str; 5] = ["lsl", "lsr", "asr", "ror", "rrx"];

fn name(register: u8) -> String {
    match register {
        13 => "sp".to_owned(),
        14 => "lr".to_owned(),
        15 => "pc".to_owned(),
        r => format!("r{r}"),
    }
}

fn shift(op: &Op) -> String {
    match (op.shift, op.amount) {
        (_, 0) => String::new(),
        (4, _) => ", rrx".to_owned(),
        (kind, amount) => format!(", {} #{amount}", SHIFTS[usize::from(kind & 3)]),
    }
}

fn rotation(op: &Op) -> String {
    if op.amount == 0 {
        String::new()
    } else {
        format!(", ror #{}", op.amount)
    }
}

fn offset(imm: u32) -> String {
    match imm as i32 {
        0 => String::new(),
        signed => format!(", #{signed}"),
    }
}

fn indexed(op: &Op) -> String {
    let n = name(op.rn);
    match (op.has(PRE_INDEX), op.has(WRITE_BACK)) {
        (true, false) => format!("[{n}{}]", offset(op.imm)),
        (true, true) => format!("[{n}, #{}]!", op.imm as i32),
        (false, _) => format!("[{n}], #{}", op.imm as i32),
    }
}

fn multiple(op: &Op) -> String {
    let list: Vec<String> = (0..16).filter(|r| op.imm >> r & 1 == 1).map(name).collect();
    let back = if op.has(WRITE_BACK) { "!" } else { "" };
    match (op.kind, op.rn, op.has(WRITE_BACK)) {
        (Kind::Ldm, 13, true) => format!("pop {{{}}}", list.join(", ")),
        (Kind::StmDb, 13, true) => format!("push {{{}}}", list.join(", ")),
        _ => format!(
            "{} {}{back}, {{{}}}",
            op.kind.mnemonic(),
            name(op.rn),
            list.join(", ")
        ),
    }
}

/// Exclusive and ordered accesses: the mnemonic with its width, and whether it acquires or releases.
fn ordered(op: &Op) -> String {
    let text = match (op.kind, op.has(VARIANT)) {
        (Kind::Ldrex, true) => "ldaex",
        (Kind::Strex, true) => "stlex",
        (kind, _) => kind.mnemonic(),
    };
    let width = match op.amount {
        1 => "b",
        2 => "h",
        _ => "",
    };
    format!("{text}{width}")
}

/// Suffixes of DSP products: which halves, exchanged, rounded.
fn halves(op: &Op) -> &'static str {
    match op.kind {
        Kind::Smulxy | Kind::Smlaxy | Kind::Smlalxy => {
            ["bb", "bt", "tb", "tt"][usize::from(op.shift & 3)]
        }
        Kind::Smulw | Kind::Smlaw => ["b", "t"][usize::from(op.shift & 1)],
        Kind::Smmul | Kind::Smmla | Kind::Smmls if op.has(VARIANT) => "r",
        Kind::Smuad | Kind::Smusd | Kind::Smlad | Kind::Smlsd | Kind::Smlald | Kind::Smlsld
            if op.has(VARIANT) =>
        {
            "x"
        }
        _ => "",
    }
}

fn it(imm: u32) -> String {
    let (condition, mask) = (imm >> 4, imm & 15);
    let mut text = "it".to_owned();
    let length = 4 - mask.trailing_zeros().min(3);
    for i in 0..length - 1 {
        let same = (mask >> (3 - i) & 1) == (condition & 1);
        text.push(if same { 't' } else { 'e' });
    }
    let name = CONDITIONS[(condition as usize).min(14)];
    format!("{text} {}", if name.is_empty() { "al" } else { name })
}

fn float(op: &Op) -> String {
    use Kind as K;
    let double = op.has(DOUBLE);
    let suffix = if double { "f64" } else { "f32" };
    let f = |r: u8| {
        if double {
            format!("d{r}")
        } else {
            format!("s{r}")
        }
    };
    let single = |r: u8| format!("s{r}");
    let (d, n, m) = (f(op.rd), f(op.rn), f(op.rm));
    let text = op.kind.mnemonic();
    let memory = |r: u8| {
        if double {
            format!("d{}", r / 2)
        } else {
            format!("s{r}")
        }
    };
    let core = |r: u8| {
        if r == 15 {
            "apsr_nzcv".to_owned()
        } else {
            name(r)
        }
    };
    let signed = if op.amount & 1 == 1 { "s32" } else { "u32" };
    match op.kind {
        K::Vldr | K::Vstr => format!(
            "{text} {}, [{}{}]",
            memory(op.rd),
            name(op.rn),
            offset(op.imm)
        ),
        K::VldrLit => format!("vldr {}, [0x{:x}]", memory(op.rd), op.imm),
        K::Vldm | K::Vstm => {
            let step = if double { 2 } else { 1 };
            let list: Vec<String> = (0..op.amount / step)
                .map(|i| memory(op.rd + i * step))
                .collect();
            let list = list.join(", ");
            match (op.kind, op.rn, op.has(WRITE_BACK), op.has(PRE_INDEX)) {
                (K::Vldm, 13, true, false) => format!("vpop {{{list}}}"),
                (K::Vstm, 13, true, true) => format!("vpush {{{list}}}"),
                (_, _, back, before) => {
                    let mode = if before { "db" } else { "ia" };
                    format!(
                        "{text}{mode} {}{}, {{{list}}}",
                        name(op.rn),
                        if back { "!" } else { "" }
                    )
                }
            }
        }
        K::VmovToCore => format!("vmov {}, {}", name(op.rd), single(op.rn)),
        K::VmovFromCore => format!("vmov {}, {}", single(op.rn), name(op.rd)),
        K::VmovPairToCore => format!("vmov {}, {}, {}", name(op.rd), name(op.ra), pair(op)),
        K::VmovPairFromCore => format!("vmov {}, {}, {}", pair(op), name(op.rd), name(op.ra)),
        K::Vmrs => format!("vmrs {}, fpscr", core(op.rd)),
        K::Vmsr => format!("vmsr fpscr, {}", core(op.rd)),
        K::VmovImm if double => format!(
            "vmov.f64 {d}, #{:e}",
            f64::from_bits(u64::from(op.imm) << 32)
        ),
        K::VmovImm => format!("vmov.f32 {d}, #{:e}", f32::from_bits(op.imm)),
        K::VmovReg | K::Vabs | K::Vneg | K::Vsqrt => format!("{text}.{suffix} {d}, {m}"),
        K::Vcmp => format!(
            "vcmp{}.{suffix} {d}, {m}",
            if op.has(VARIANT) { "e" } else { "" }
        ),
        K::VcmpZero => format!(
            "vcmp{}.{suffix} {d}, #0",
            if op.has(VARIANT) { "e" } else { "" }
        ),
        K::VcvtToInt => {
            let mode = ["n", "p", "m", "", "r", "a"][usize::from(op.shift).min(5)];
            format!("vcvt{mode}.{signed}.{suffix} {}, {m}", single(op.rd))
        }
        K::VcvtFromInt => format!("vcvt.{suffix}.{signed} {d}, {}", single(op.rm)),
        K::VcvtFixed => {
            let width = if op.shift & 4 != 0 { 32 } else { 16 };
            let sign = if op.shift & 1 == 1 { 'u' } else { 's' };
            let types = if op.shift & 2 != 0 {
                format!("{sign}{width}.{suffix}")
            } else {
                format!("{suffix}.{sign}{width}")
            };
            format!("vcvt.{types} {d}, {d}, #{}", op.amount)
        }
        K::VcvtHalf => {
            let to_half = op.shift & 1 == 1;
            let half = if op.has(VARIANT) { "vcvtt" } else { "vcvtb" };
            if to_half {
                format!("{half}.f16.{suffix} {}, {m}", single(op.rd))
            } else {
                format!("{half}.{suffix}.f16 {d}, {}", single(op.rm))
            }
        }
        K::VcvtPrecision if op.has(VARIANT) => format!("vcvt.f32.f64 s{}, d{}", op.rd, op.rm),
        K::VcvtPrecision => format!("vcvt.f64.f32 d{}, s{}", op.rd, op.rm),
        K::Vrint => {
            let mode = if op.has(VARIANT) {
                "x"
            } else {
                ["n", "p", "m", "z", "r", "a"][usize::from(op.shift).min(5)]
            };
            format!("vrint{mode}.{suffix} {d}, {m}")
        }
        K::Vsel => format!(
            "vsel{}.{suffix} {d}, {n}, {m}",
            ["eq", "vs", "ge", "gt"][usize::from(op.shift & 3)]
        ),
        _ => format!("{text}.{suffix} {d}, {n}, {m}"),
    }
}

fn pair(op: &Op) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = if op.has(DOUBLE) {
        write!(text, "d{}", op.rm / 2)
    } else {
        write!(text, "s{}, s{}", op.rm, op.rm + 1)
    };
    text
}
