//! Collecting: a tree of calls that follows BL, BLX and returns. Counts by address are the timing model's.

use std::collections::HashMap;

use crate::observer::{Observer, Retired};
use crate::op::Kind;
use crate::timing::{Counts, Timing};

/// Calls deeper than this are attributed to the deepest frame.
const DEEPEST: usize = 512;

/// A node of the call tree: a function entered at `entry` from its parent.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub entry: u32,
    pub parent: usize,
    children: HashMap<u32, usize>,
    pub counts: Counts,
}

/// A call that has not returned.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: usize,
    returns_to: u32,
    sp: u32,
}

/// What was collected.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    pub(super) nodes: Vec<Node>,
    frames: Vec<Frame>,
}

impl Profile {
    fn child(&mut self, parent: usize, entry: u32) -> usize {
        if let Some(&child) = self.nodes[parent].children.get(&entry) {
            return child;
        }
        let child = self.nodes.len();
        self.nodes.push(Node {
            entry,
            parent,
            children: HashMap::new(),
            counts: Counts::default(),
        });
        self.nodes[parent].children.insert(entry, child);
        child
    }

    fn current(&self) -> usize {
        self.frames.last().map_or(0, |f| f.node)
    }
}

/// The profile and the timing model, while code runs.
pub(crate) struct Profiler<'a> {
    profile: &'a mut Profile,
    timing: &'a mut Timing,
    current: usize,
}

impl<'a> Profiler<'a> {
    pub fn new(profile: &'a mut Profile, timing: &'a mut Timing, pc: u32) -> Self {
        if profile.nodes.is_empty() {
            profile.nodes.push(Node {
                entry: pc,
                parent: 0,
                children: HashMap::new(),
                counts: Counts::default(),
            });
        }
        let current = profile.current();
        Profiler {
            profile,
            timing,
            current,
        }
    }

    /// Follows calls and returns.
    #[inline(never)]
    fn branched(&mut self, r: &Retired) {
        if matches!(r.op.kind, Kind::Bl | Kind::BlxReg) {
            if self.profile.frames.len() < DEEPEST {
                let node = self.profile.child(self.current, r.next);
                self.profile.frames.push(Frame {
                    node,
                    returns_to: r.lr & !1,
                    sp: r.sp,
                });
                self.current = node;
            }
            return;
        }
        // A return is a branch to where the caller goes on, with the stack back at its place.
        let depth = self
            .profile
            .frames
            .iter()
            .rposition(|f| f.returns_to == r.next && r.sp >= f.sp);
        if let Some(depth) =
            depth.filter(|_| !matches!(r.op.kind, Kind::B | Kind::BCond | Kind::Cbz | Kind::Cbnz))
        {
            self.profile.frames.truncate(depth);
            self.current = self.profile.current();
        }
    }
}

impl Observer for Profiler<'_> {
    fn enter(&mut self, window: usize, generation: u64) {
        self.timing.enter(window, generation);
    }

    fn leave(&mut self) {
        self.timing.leave();
    }

    #[inline(always)]
    fn retire(&mut self, r: &Retired) -> u64 {
        let cycles = self.timing.retire(r);
        let node = &mut self.profile.nodes[self.current].counts;
        node.instructions += 1;
        node.cycles += cycles;
        if r.branched {
            self.branched(r);
        }
        cycles
    }

    fn exception(&mut self, entry: bool) -> u64 {
        self.timing.exception(entry)
    }

    fn flash_access(&mut self, value: Option<u32>) {
        self.timing.flash_access(value);
    }
}
