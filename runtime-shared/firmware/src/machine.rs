//! What touches the machine itself: the one module of the firmware with `unsafe`.
//!
//! Start-up code, symbols that the linker script defines, memory-mapped registers at the addresses that
//! the architecture fixes, the instruction by which a program calls its debugger, and copying and clearing
//! of memory in machine code. Everything offered here is safe to call at any time.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, Ordering};

/// What the stack is filled with at reset.
const PAINT: u32 = 0x5aa5_c33c;

#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    include_str!("startup_arm.s"),
    paint = const PAINT,
    // The hard-float ABI implies an FPU; CPACR switches it on.
    fpu = const if cfg!(target_abi = "eabihf") { 0xe000_ed88_u32 } else { 0 },
);

#[cfg(target_arch = "arm")]
core::arch::global_asm!(include_str!("memory_arm.s"), options(raw));

#[cfg(target_arch = "riscv32")]
core::arch::global_asm!(include_str!("startup_riscv.s"), paint = const PAINT);

// SAFETY: the linker script defines all of them; they are never read, only their addresses are taken.
unsafe extern "C" {
    static mut _stack_bottom: u32;
    static _stack_top: u32;
    static _data_start: u32;
    static _bss_end: u32;
    static mut _pool_start: u8;
    static _pool_end: u8;
    static _flash_start: u8;
    static _flash_end: u8;
    static _program_start: u8;
    static _program_end: u8;
}

/// The address of a linker symbol.
macro_rules! address {
    ($symbol:ident) => {
        (&raw const $symbol) as usize
    };
}

/// All RAM that is neither stack nor statics; once.
pub fn take_pool() -> Option<&'static mut [u8]> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.load(Ordering::Relaxed) {
        return None;
    }
    // The core has no second thread, and no exception handler comes here: load and store suffice.
    TAKEN.store(true, Ordering::Relaxed);
    let len = address!(_pool_end) - address!(_pool_start);
    // SAFETY: the linker script sets this range of RAM aside for nothing else, and the flag sees to it
    // that it is handed out once. Bytes have no invalid patterns.
    Some(unsafe { core::slice::from_raw_parts_mut(&raw mut _pool_start, len) })
}

/// The flash from where a Program is looked for, to its end.
pub fn program_flash() -> &'static [u8] {
    let len = address!(_program_end) - address!(_program_start);
    // Behind a black box, because a Program may well start at address 0 of nothing that Rust knows.
    let start = core::hint::black_box(&raw const _program_start);
    // SAFETY: flash is readable, and nothing writes it while the firmware runs.
    unsafe { core::slice::from_raw_parts(start, len) }
}

/// Bytes of RAM set aside for the stack.
pub fn stack_bytes() -> usize {
    address!(_stack_top) - address!(_stack_bottom)
}

/// Most bytes of stack that were ever used: the paint that is gone.
pub fn stack_used() -> usize {
    let words = stack_bytes() / 4;
    let bottom = &raw const _stack_bottom;
    let untouched = (0..words).take_while(|&i| {
        // SAFETY: within the stack by construction; volatile, because the words in use change.
        unsafe { bottom.add(i).read_volatile() == PAINT }
    });
    (words - untouched.count()) * 4
}

/// Bytes of RAM that statics take.
pub fn static_bytes() -> usize {
    address!(_bss_end) - address!(_data_start)
}

/// Bytes of flash that code, constants and initial values take.
pub fn flash_bytes() -> usize {
    address!(_flash_end) - address!(_flash_start)
}

/// The address from which a Program is looked for.
pub fn program_at() -> usize {
    address!(_program_start)
}

/// Registers of every Cortex-M, at addresses that the architecture fixes.
#[cfg(target_arch = "arm")]
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Register {
    /// SysTick control and status (Armv6-M ARM, B3.3.3).
    SysTickControl = 0xe000_e010,
    /// SysTick reload value.
    SysTickReload = 0xe000_e014,
    /// SysTick current value.
    SysTickValue = 0xe000_e018,
    /// Debug exception and monitor control (Armv7-M ARM, C1.6.5).
    DebugControl = 0xe000_edfc,
    /// DWT control (C1.8.7).
    DwtControl = 0xe000_1000,
    /// DWT cycle count (C1.8.8).
    DwtCycles = 0xe000_1004,
    /// Configuration and control (B3.2.8).
    Configuration = 0xe000_ed14,
    /// Size of the cache that is selected (B4.8.2).
    CacheSize = 0xe000_ed80,
    /// Selects a cache (B4.8.3).
    CacheSelect = 0xe000_ed84,
    /// Empties the cache of instructions (B2.2.7).
    InstructionCacheInvalidate = 0xe000_ef50,
    /// Empties a line of the cache of data (B2.2.7).
    DataCacheInvalidate = 0xe000_ef60,
}

#[cfg(target_arch = "arm")]
impl Register {
    /// Its value.
    pub fn read(self) -> u32 {
        // SAFETY: reading any of these registers is allowed and harms nothing; where one is not
        // implemented it reads as zero.
        unsafe { (self as usize as *const u32).read_volatile() }
    }

    /// Sets it.
    pub fn write(self, value: u32) {
        // SAFETY: these registers count, interrupt and rule caches; none of them can change memory that Rust owns. The cache of
        // data is emptied while it is off, so that nothing is lost.
        unsafe { (self as usize as *mut u32).write_volatile(value) }
    }
}

/// Waits until caches and memory agree, and fetches again what comes next.
#[cfg(target_arch = "arm")]
pub fn barrier() {
    // SAFETY: barriers change nothing that Rust knows of.
    unsafe { core::arch::asm!("dsb", "isb", options(nostack)) }
}

/// A register of a peripheral.
#[cfg(target_arch = "arm")]
#[derive(Clone, Copy)]
pub struct Peripheral(usize);

#[cfg(target_arch = "arm")]
impl Peripheral {
    /// The register at `address`, in the region that the architecture sets aside for peripherals
    /// (Armv7-M ARM, B3.1): what lies outside is brought into it.
    pub const fn at(address: u32) -> Self {
        Self((0x4000_0000 | address & 0x1fff_fffc) as usize)
    }

    /// Its value.
    pub fn read(self) -> u32 {
        // SAFETY: no memory that Rust owns lies in this region, and the address is aligned.
        unsafe { (self.0 as *const u32).read_volatile() }
    }

    /// Sets it.
    pub fn write(self, value: u32) {
        // SAFETY: as above. The writes of `setup` and `uart` start nothing that writes memory by itself.
        unsafe { (self.0 as *mut u32).write_volatile(value) }
    }
}

/// The low word of `mcycle`.
#[cfg(target_arch = "riscv32")]
pub fn mcycle() -> u32 {
    let cycles: u32;
    // SAFETY: reads a counter.
    unsafe { core::arch::asm!("csrr {}, mcycle", out(reg) cycles, options(nomem, nostack)) };
    cycles
}

/// Calls the debugger or emulator (Arm, *Semihosting for AArch32 and AArch64*; RISC-V has the same by
/// another instruction). `block` holds the operation's parameters.
fn semihost(operation: usize, block: usize) -> usize {
    let mut result = operation;
    #[cfg(target_arch = "arm")]
    // SAFETY: the host reads and writes the memory that the operation's parameters name; the callers
    // below pass slices that they own.
    unsafe {
        core::arch::asm!("bkpt #0xab", inout("r0") result, in("r1") block, options(nostack));
    }
    #[cfg(target_arch = "riscv32")]
    // SAFETY: as above. The three instructions must be uncompressed and in one page.
    unsafe {
        core::arch::asm!(
            ".balign 16",
            ".option push",
            ".option norvc",
            "slli x0, x0, 0x1f",
            "ebreak",
            "srai x0, x0, 7",
            ".option pop",
            inout("a0") result,
            in("a1") block,
            options(nostack),
        );
    }
    result
}

/// SYS_OPEN of the console; `write` for the output, otherwise the input.
pub fn open_console(write: bool) -> Option<usize> {
    const NAME: &[u8; 4] = b":tt\0";
    // Modes of fopen by number: 1 is "rb", 5 is "wb".
    let block = [NAME.as_ptr() as usize, if write { 5 } else { 1 }, 3];
    let handle = semihost(0x01, block.as_ptr() as usize);
    (handle != usize::MAX).then_some(handle)
}

/// SYS_READ: bytes that were read into `into`; none at the end of the input.
pub fn read_console(handle: usize, into: &mut [u8]) -> usize {
    let block = [handle, into.as_mut_ptr() as usize, into.len()];
    into.len()
        .saturating_sub(semihost(0x06, block.as_ptr() as usize))
}

/// SYS_WRITE: bytes of `bytes` that were written.
pub fn write_console(handle: usize, bytes: &[u8]) -> usize {
    let block = [handle, bytes.as_ptr() as usize, bytes.len()];
    bytes
        .len()
        .saturating_sub(semihost(0x05, block.as_ptr() as usize))
}

/// SYS_EXIT: tells the host that the program is over, and whether all went well.
pub fn exit_console(well: bool) {
    // ADP_Stopped_ApplicationExit, ADP_Stopped_RunTimeErrorUnknown.
    let reason = if well { 0x2_0026 } else { 0x2_0023 };
    semihost(0x18, reason);
}

/// SysTick's exception.
#[cfg(target_arch = "arm")]
#[unsafe(no_mangle)]
extern "C" fn tick() {
    crate::clock::tick();
}

/// Every fault and every exception that nobody expects.
#[unsafe(no_mangle)]
extern "C" fn fault() -> ! {
    crate::stop(false)
}

/// The RTT control block, under the name by which probes look it up.
#[cfg(feature = "rtt")]
pub fn rtt_block() -> &'static crate::rtt::ControlBlock {
    #[unsafe(no_mangle)]
    static _SEGGER_RTT: crate::rtt::ControlBlock = crate::rtt::ControlBlock::new();
    &_SEGGER_RTT
}
