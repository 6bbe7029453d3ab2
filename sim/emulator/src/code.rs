//! Decoded code: one slot per halfword of every memory that has executed.
//!
//! A slot is filled when it is first reached; a write to code that was decoded empties the slots it touches.

use std::collections::BTreeSet;

use crate::decode::{decode, is_wide};
use crate::features::Features;
use crate::machine::Machine;
use crate::memory::Bus;
use crate::op::{Kind, Op};

/// Slots are added in steps of this many.
const STEP: usize = 2048;

/// The code of one memory, or of one alias of it.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub base: u32,
    pub size: u32,
    region: usize,
    offset: usize,
    pub ops: Vec<Op>,
}

/// All code that has executed.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub windows: Vec<Window>,
    /// Addresses at which the run loop must stop to look: their slots hold [`Kind::Hook`].
    marked: BTreeSet<u32>,
    features: Features,
}

impl Code {
    pub fn new(machine: &Machine, bus: &Bus, features: &Features) -> Self {
        let mut windows: Vec<Window> = bus
            .regions
            .iter()
            .enumerate()
            .map(|(region, r)| Window {
                base: r.base,
                size: r.data.len() as u32,
                region,
                offset: 0,
                ops: Vec::new(),
            })
            .collect();
        for alias in &machine.aliases {
            if let Some((region, offset)) = bus.locate(alias.target) {
                let size =
                    (bus.regions[region].data.len() - offset).min(alias.size as usize) as u32;
                windows.push(Window {
                    base: alias.base,
                    size,
                    region,
                    offset,
                    ops: Vec::new(),
                });
            }
        }
        Code {
            windows,
            marked: BTreeSet::new(),
            features: features.clone(),
        }
    }

    /// The window that holds an address.
    pub fn window_of(&self, address: u32) -> Option<usize> {
        self.windows
            .iter()
            .position(|w| address.wrapping_sub(w.base) < w.size)
    }

    /// Whether the slot of an address holds an instruction to execute.
    pub fn is_ready(&self, address: u32) -> bool {
        self.window_of(address).is_some_and(|index| {
            let window = &self.windows[index];
            let slot = (address.wrapping_sub(window.base) >> 1) as usize;
            window.ops.get(slot).is_some_and(|op| op.kind > Kind::Hook)
        })
    }

    /// The instruction at an address, decoded afresh, whatever its slot holds; with its encoding.
    pub fn decode_at(&self, bus: &Bus, address: u32) -> Option<(Op, u32)> {
        let window = &self.windows[self.window_of(address)?];
        let at = window.offset + address.wrapping_sub(window.base) as usize;
        let data = &bus.regions[window.region].data;
        let half = |at: usize| {
            data.get(at..at + 2)
                .map(|b| u16::from_le_bytes([b[0], b[1]]))
        };
        let first = half(at)?;
        let second = half(at + 2).unwrap_or(0);
        let encoding = if is_wide(first) {
            u32::from(first) << 16 | u32::from(second)
        } else {
            first.into()
        };
        Some((decode(first, second, address, &self.features), encoding))
    }

    /// Fills the slot of an address and returns what it holds; `None` where there is no code memory.
    pub fn fill(&mut self, bus: &mut Bus, address: u32) -> Option<Op> {
        let index = self.window_of(address)?;
        let (mut op, _) = self.decode_at(bus, address)?;
        if op.kind == Kind::B && op.imm == address {
            op.kind = Kind::Stay;
        }
        if self.marked.contains(&address) {
            op.kind = Kind::Hook;
        }
        let window = &mut self.windows[index];
        let slot = (address.wrapping_sub(window.base) / 2) as usize;
        if slot >= window.ops.len() {
            let wanted = (slot + 1)
                .next_multiple_of(STEP)
                .min((window.size as usize).div_ceil(2));
            window.ops.resize(wanted.max(slot + 1), Op::UNDECODED);
        }
        window.ops[slot] = op;
        let region = &mut bus.regions[window.region];
        let at = window.offset + 2 * slot;
        let end = at + usize::from(op.size);
        region.code = if region.code.is_empty() {
            at..end
        } else {
            region.code.start.min(at)..region.code.end.max(end)
        };
        Some(op)
    }

    /// Empties the slots that overwritten bytes belong to; whether any of them was filled.
    pub fn invalidate(&mut self, stale: &[(usize, usize, usize)]) -> bool {
        let mut emptied = false;
        for &(region, start, end) in stale {
            for window in self.windows.iter_mut().filter(|w| w.region == region) {
                // A 32-bit instruction may begin one halfword before.
                let first = start.saturating_sub(window.offset + 2) / 2;
                let last = end.saturating_sub(window.offset).div_ceil(2);
                for slot in window.ops.iter_mut().take(last).skip(first) {
                    emptied |= slot.kind != Kind::Undecoded;
                    *slot = Op::UNDECODED;
                }
            }
        }
        emptied
    }

    /// Empties every slot.
    pub fn clear(&mut self) {
        for window in &mut self.windows {
            window.ops.clear();
        }
    }

    /// Asks the run loop to look at an address before executing it.
    pub fn mark(&mut self, address: u32) {
        self.marked.insert(address);
        self.empty(address);
    }

    /// Takes back [`Code::mark`].
    pub fn unmark(&mut self, address: u32) {
        self.marked.remove(&address);
        self.empty(address);
    }

    fn empty(&mut self, address: u32) {
        for window in &mut self.windows {
            let slot = (address.wrapping_sub(window.base) / 2) as usize;
            if let Some(op) = window.ops.get_mut(slot) {
                *op = Op::UNDECODED;
            }
        }
    }
}
