//! The registers of a core.

use crate::float::Fpscr;

/// Registers, flags and special registers, without the system's exceptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// R0 to R12, SP (the one in use), LR; the last slot is unused.
    pub r: [u32; 16],
    /// Address of the next instruction.
    pub pc: u32,
    /// N is bit 31 of this word.
    pub(crate) n: u32,
    /// Z is set where this word is zero.
    pub(crate) z: u32,
    pub(crate) c: bool,
    pub(crate) v: bool,
    /// Saturation, sticky.
    pub(crate) q: bool,
    /// The four greater-or-equal flags of the DSP extension.
    pub(crate) ge: u8,
    /// ITSTATE: zero outside an IT block.
    pub(crate) it: u8,
    /// S0 to S31; a D register is two of them, the low word first.
    pub s: [u32; 32],
    /// Status and control of floating point.
    pub fpscr: Fpscr,
    /// Number of the active exception, 0 in thread mode.
    pub(crate) ipsr: u32,
    pub(crate) primask: bool,
    pub(crate) faultmask: bool,
    pub(crate) basepri: u8,
    /// nPRIV, SPSEL and FPCA.
    pub(crate) control: u32,
    /// The stack pointer that is not in use: PSP in handler mode and with SPSEL clear, MSP otherwise.
    pub(crate) other_sp: u32,
    /// MSPLIM and PSPLIM.
    pub(crate) stack_limits: [u32; 2],
    /// The event register: WFE does not wait while it is set.
    pub(crate) event: bool,
    /// Address that an exclusive load reserved.
    pub(crate) exclusive: Option<u32>,
    /// What the timing rules need to know of the last instruction's operands: quotient or factor bits.
    pub(crate) effort: u32,
}

/// For each condition (ARMv7-M ARM A7.3), a bit for every NZCV under which it holds.
const HOLDS: [u16; 16] = {
    let mut table = [0; 16];
    let mut nzcv = 0;
    while nzcv < 16 {
        let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
        let holds = [z, c, n, v, c && !z, n == v, n == v && !z];
        let mut pair = 0;
        while pair < holds.len() {
            table[2 * pair + !holds[pair] as usize] |= 1 << nzcv;
            pair += 1;
        }
        nzcv += 1;
    }
    // Always, in both encodings.
    table[14] = u16::MAX;
    table[15] = u16::MAX;
    table
};

impl Core {
    pub(crate) fn new() -> Self {
        Core {
            r: [0; 16],
            pc: 0,
            n: 0,
            z: 1,
            c: false,
            v: false,
            q: false,
            ge: 0,
            it: 0,
            s: [0; 32],
            fpscr: Fpscr::default(),
            ipsr: 0,
            primask: false,
            faultmask: false,
            basepri: 0,
            control: 0,
            other_sp: 0,
            stack_limits: [0; 2],
            event: false,
            exclusive: None,
            effort: 0,
        }
    }

    /// A core register by number.
    #[inline(always)]
    pub(crate) fn reg(&self, number: u8) -> u32 {
        self.r[usize::from(number & 15)]
    }

    /// Sets a core register; the low two bits of SP do not exist.
    #[inline(always)]
    pub(crate) fn set(&mut self, number: u8, value: u32) {
        self.r[usize::from(number & 15)] = value;
    }

    /// As [`Core::set`], for the few instructions that may write SP.
    #[inline(always)]
    pub(crate) fn set_any(&mut self, number: u8, value: u32) {
        self.set(number, if number == 13 { value & !3 } else { value });
    }

    #[inline(always)]
    pub(crate) fn set_nz(&mut self, result: u32) {
        self.n = result;
        self.z = result;
    }

    /// A D register.
    #[inline(always)]
    pub(crate) fn double(&self, number: u8) -> u64 {
        let low = usize::from(number & 15) * 2;
        u64::from(self.s[low + 1]) << 32 | u64::from(self.s[low])
    }

    #[inline(always)]
    pub(crate) fn set_double(&mut self, number: u8, value: u64) {
        let low = usize::from(number & 15) * 2;
        self.s[low] = value as u32;
        self.s[low + 1] = (value >> 32) as u32;
    }

    /// APSR: N, Z, C, V, Q and GE in their places.
    #[must_use]
    pub fn apsr(&self) -> u32 {
        self.n & 1 << 31
            | u32::from(self.z == 0) << 30
            | u32::from(self.c) << 29
            | u32::from(self.v) << 28
            | u32::from(self.q) << 27
            | u32::from(self.ge) << 16
    }

    /// XPSR: the flags, the number of the active exception, the Thumb bit and ITSTATE.
    #[must_use]
    pub fn xpsr(&self) -> u32 {
        let it = u32::from(self.it);
        self.apsr() | self.ipsr | 1 << 24 | (it & 3) << 25 | (it >> 2) << 10
    }

    /// Sets N, Z, C, V and Q from a word laid out as APSR.
    pub fn set_apsr(&mut self, value: u32) {
        self.n = value;
        self.z = u32::from(value >> 30 & 1 == 0);
        self.c = value >> 29 & 1 == 1;
        self.v = value >> 28 & 1 == 1;
        self.q = value >> 27 & 1 == 1;
    }

    /// Sets the greater-or-equal flags from a word laid out as APSR.
    pub fn set_ge(&mut self, value: u32) {
        self.ge = (value >> 16 & 15) as u8;
    }

    /// Whether a condition of the encodings (0 EQ to 14 AL) holds.
    #[inline(always)]
    #[must_use]
    pub fn condition(&self, code: u8) -> bool {
        let nzcv = self.n >> 31 << 3
            | u32::from(self.z == 0) << 2
            | u32::from(self.c) << 1
            | u32::from(self.v);
        HOLDS[usize::from(code & 15)] >> nzcv & 1 == 1
    }

    /// Whether the process stack is in use.
    pub(crate) fn uses_psp(&self) -> bool {
        self.control & 2 != 0 && self.ipsr == 0
    }

    /// Main and process stack pointers.
    pub(crate) fn stack_pointers(&self) -> (u32, u32) {
        if self.uses_psp() {
            (self.other_sp, self.r[13])
        } else {
            (self.r[13], self.other_sp)
        }
    }

    /// Switches mode, stack selection or both, keeping each stack pointer.
    pub(crate) fn switch(&mut self, ipsr: u32, control: u32) {
        let (msp, psp) = self.stack_pointers();
        self.ipsr = ipsr;
        self.control = control;
        (self.r[13], self.other_sp) = if self.uses_psp() {
            (psp, msp)
        } else {
            (msp, psp)
        };
    }
}
