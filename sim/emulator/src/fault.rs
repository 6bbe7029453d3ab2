//! Why execution stops: faults that name their place, and the ends a caller asked for.

use std::fmt;

use serde::Serialize;

/// What an instruction ran into, before the emulator adds where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// The slot is not decoded yet.
    Undecoded,
    /// A hook or a stop address lies here.
    Hook,
    /// The instruction cannot be executed.
    Fault(Cause),
    /// A supervisor call.
    Svc,
    /// A breakpoint with its number.
    Breakpoint(u8),
    /// A branch to itself.
    Stay,
    /// Sleep until an interrupt.
    Wait,
    /// Sleep until an event or an interrupt.
    WaitForEvent,
    /// A branch to an exception-return value.
    ExceptionReturn(u32),
}

/// Why an instruction cannot be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", content = "address", rename_all = "snake_case")]
pub enum Cause {
    /// A read of an address where the board has nothing.
    UnmappedRead(u32),
    /// A write to an address where the board has nothing.
    UnmappedWrite(u32),
    /// A write to flash.
    WriteToFlash(u32),
    /// A fetch from an address where the board has no code memory.
    UnmappedFetch(u32),
    /// An access that must be aligned and is not.
    Unaligned(u32),
    /// An encoding that the core does not define.
    Undefined,
    /// A division by zero with `CCR.DIV_0_TRP` set.
    DivisionByZero,
    /// A floating-point instruction while `CPACR` disables the unit.
    NoCoprocessor,
    /// A branch to an even address: there is no Arm state.
    ArmState(u32),
    /// An exception return with a value that means nothing.
    BadExceptionReturn(u32),
    /// A supervisor call while its exception cannot be taken.
    Escalated,
    /// The stack grew to this address: out of its memory, below the limit that the caller or the program
    /// (MSPLIM, PSPLIM) set, or into the program's variables.
    StackOverflow(u32),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::UnmappedRead(a) => write!(f, "reads 0x{a:08x}, where the board has no memory"),
            Cause::UnmappedWrite(a) => write!(f, "writes 0x{a:08x}, where the board has no memory"),
            Cause::WriteToFlash(a) => write!(f, "writes 0x{a:08x}, which is flash"),
            Cause::UnmappedFetch(a) => write!(f, "executes 0x{a:08x}, where the board has no code"),
            Cause::Unaligned(a) => {
                write!(f, "accesses 0x{a:08x}, which is not aligned as it must be")
            }
            Cause::Undefined => write!(f, "is not an instruction of this core"),
            Cause::DivisionByZero => write!(f, "divides by zero, and the program asked for a trap"),
            Cause::NoCoprocessor => {
                write!(
                    f,
                    "uses the floating-point unit before CPACR (0xE000ED88) enables it"
                )
            }
            Cause::ArmState(a) => write!(
                f,
                "branches to 0x{a:08x}, an even address: Cortex-M executes Thumb only"
            ),
            Cause::BadExceptionReturn(v) => write!(
                f,
                "returns from an exception with 0x{v:08x}, which means nothing"
            ),
            Cause::Escalated => write!(
                f,
                "calls the supervisor where its exception cannot be taken"
            ),
            Cause::StackOverflow(sp) => {
                write!(
                    f,
                    "overflows the stack, which reaches down to 0x{sp:08x}: give it more room"
                )
            }
        }
    }
}

/// A fault with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Address of the instruction.
    pub pc: u32,
    /// Its encoding: one or two halfwords, the first on top.
    pub encoding: u32,
    /// The instruction in assembler notation.
    pub instruction: String,
    /// Why it cannot be executed.
    pub cause: Cause,
    /// The function that contains it, where the image has symbols.
    pub function: Option<String>,
    /// File and line, where the image has line tables.
    pub line: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at 0x{:08x}", self.instruction, self.pc)?;
        if let Some(function) = &self.function {
            write!(f, " in {function}")?;
        }
        if let Some(line) = &self.line {
            write!(f, " ({line})")?;
        }
        write!(f, " {}", self.cause)
    }
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
pub enum Stop {
    /// The program ended itself by semihosting, with this code.
    Exit(i32),
    /// A called function returned.
    Returned,
    /// A stop address was reached; it has not been executed.
    Address(u32),
    /// The limit of instructions is used up.
    InstructionLimit,
    /// A breakpoint instruction that is not a semihosting call.
    Breakpoint {
        /// Address of the instruction.
        pc: u32,
        /// Its number.
        number: u8,
    },
    /// The core sleeps and nothing can wake it.
    Asleep {
        /// Address of the instruction.
        pc: u32,
    },
    /// The core branches to the same instruction for ever, and no interrupt may end that.
    Stuck {
        /// Address of the instruction.
        pc: u32,
    },
    /// A hook asked to stop.
    Hook(u32),
    /// An instruction could not be executed.
    Fault(Box<Fault>),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Exit(code) => write!(f, "the program exited with code {code}"),
            Stop::Returned => write!(f, "the function returned"),
            Stop::Address(a) => write!(f, "address 0x{a:08x} was reached"),
            Stop::InstructionLimit => write!(
                f,
                "the limit of instructions was reached; raise it with --max-instructions"
            ),
            Stop::Breakpoint { pc, number } => write!(f, "breakpoint {number} at 0x{pc:08x}"),
            Stop::Asleep { pc } => write!(
                f,
                "the core sleeps at 0x{pc:08x} and no interrupt can wake it"
            ),
            Stop::Stuck { pc } => write!(
                f,
                "the program loops at 0x{pc:08x} for ever, with interrupts masked or in a handler that none interrupts"
            ),
            Stop::Hook(a) => write!(f, "the hook at 0x{a:08x} asked to stop"),
            Stop::Fault(fault) => write!(f, "{fault}"),
        }
    }
}

/// What went wrong outside the emulated program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image is no ELF file that can be read.
    #[error("the image is not a readable ELF file: {0}")]
    Elf(String),
    /// The image begins like Intel HEX, and is not.
    #[error("the image is not valid Intel HEX: line {line}: {problem}")]
    Hex {
        /// Counted from one.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
    /// The image begins like UF2, and is not.
    #[error("the image is not a valid UF2 file: block {block}: {problem}")]
    Uf2 {
        /// Counted from zero, as the format does.
        block: usize,
        /// What is wrong there.
        problem: String,
    },
    /// No part of the UF2 file is for the board's chip, or nobody can know which.
    #[error("the UF2 file is for {found}, {wanted}")]
    Uf2Family {
        /// The families of its blocks.
        found: String,
        /// What was wanted instead.
        wanted: String,
    },
    /// The image is for another processor.
    #[error(
        "the image is for {0}, not for a 32-bit little-endian Arm processor; build it for a thumb target"
    )]
    Architecture(String),
    /// The image was built for a core that can do more.
    #[error(
        "the image is built for {built_for}, and the board's {core} executes {executes}; {advice}, or try it as it is with --any-core"
    )]
    WrongCore {
        /// Architecture and floating-point unit that the image says.
        built_for: String,
        /// Name of the core.
        core: String,
        /// What the core executes at most.
        executes: String,
        /// What to do about it.
        advice: String,
    },
    /// The image has nothing to load.
    #[error(
        "the image has no bytes to load: link it, and give the linked file rather than an object file"
    )]
    Empty,
    /// A part of the image lies outside the board's memories.
    #[error(
        "{size} bytes of the image belong at 0x{address:08x}, where the board has no memory: link it for this board"
    )]
    Outside {
        /// Where the bytes belong.
        address: u32,
        /// How many there are.
        size: u64,
    },
    /// The entry point is not in executable memory.
    #[error(
        "the entry 0x{0:08x} is not in the board's flash or RAM: link the image for this board"
    )]
    Entry(u32),
    /// What should be the vector table leads nowhere.
    #[error(
        "the vector table at 0x{address:08x} says to start at 0x{entry:08x} with the stack at 0x{stack_pointer:08x}, which the board does not have: is it an image for this board?"
    )]
    VectorTable {
        /// Where it should be.
        address: u32,
        /// Its first word.
        stack_pointer: u32,
        /// Its second word.
        entry: u32,
    },
    /// The machine names a core that has no table.
    #[error("there is no core `{0}`; known are {known}", known = crate::timing::CORE_NAMES.join(", "))]
    UnknownCore(String),
    /// A core's table cannot be read.
    #[error("the table of core `{core}` is wrong: {problem}")]
    CoreTable {
        /// Name of the core.
        core: String,
        /// What is wrong, with its place.
        problem: String,
    },
    /// Two memories of the machine overlap, or one is empty or too large.
    #[error(
        "memory `{name}` at 0x{base:08x} is empty, wraps around or overlaps another: correct the board's profile, or where --rom puts it"
    )]
    MemoryMap {
        /// Name of the bank.
        name: String,
        /// First address.
        base: u32,
    },
    /// The host asked for memory that is not there.
    #[error("there is no memory at 0x{0:08x}")]
    NoMemory(u32),
    /// A called function takes more arguments than registers hold.
    #[error("a call takes at most four arguments in registers, not {0}")]
    TooManyArguments(usize),
}
