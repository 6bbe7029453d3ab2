//! Collecting: a tree of calls that follows BL, BLX, returns and exceptions. Counts by address are the timing model's.

use std::collections::HashMap;

use crate::observer::{Exception, Observer, Retired};
use crate::op::Kind;
use crate::symbols::{Span, Symbols};
use crate::timing::{Counts, Timing};

/// Calls deeper than this are attributed to the deepest frame.
const DEEPEST: usize = 512;
/// The node that every stack begins at.
pub(super) const ROOT: usize = 0;
/// No address to which anything returns.
const NOWHERE: u32 = u32::MAX;

/// A node of the call tree: a function entered at `entry` from its parent.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub entry: u32,
    pub parent: usize,
    /// The code that counts here.
    start: u32,
    length: u32,
    children: HashMap<u32, usize>,
    pub counts: Counts,
}

/// A call that has not returned, or a handler of an exception.
#[derive(Debug, Clone, Copy)]
struct Frame {
    node: usize,
    returns_to: u32,
    sp: u32,
    handler: bool,
}

/// What was collected.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    pub(super) nodes: Vec<Node>,
    frames: Vec<Frame>,
}

impl Profile {
    /// The node of the function of an address below another.
    fn child(&mut self, parent: usize, symbols: &Symbols, address: u32) -> usize {
        // Without symbols, functions are where calls lead.
        let (entry, start, length) = if symbols.is_empty() {
            (address, 0, u32::MAX)
        } else {
            let Span { start, length, .. } = symbols.span(address);
            (start, start, length)
        };
        let child = self.nodes.len();
        if let Some(node) = self.nodes.get_mut(parent) {
            if let Some(&child) = node.children.get(&entry) {
                return child;
            }
            node.children.insert(entry, child);
        }
        self.nodes.push(Node {
            entry,
            parent,
            start,
            length,
            children: HashMap::new(),
            counts: Counts::default(),
        });
        child
    }
}

/// The profile and the timing model, while code runs.
pub(crate) struct Profiler<'a> {
    profile: &'a mut Profile,
    timing: &'a mut Timing,
    symbols: Symbols,
    current: usize,
}

impl<'a> Profiler<'a> {
    pub fn new(
        profile: &'a mut Profile,
        timing: &'a mut Timing,
        symbols: Symbols,
        pc: u32,
    ) -> Self {
        if profile.nodes.is_empty() {
            profile.child(ROOT, &symbols, pc);
            let node = profile.child(ROOT, &symbols, pc);
            profile.frames.push(Frame {
                node,
                returns_to: NOWHERE,
                sp: 0,
                handler: false,
            });
        }
        let mut profiler = Profiler {
            profile,
            timing,
            symbols,
            current: ROOT,
        };
        profiler.follow();
        profiler
    }

    /// What retires from here on belongs to the last frame.
    fn follow(&mut self) {
        self.current = self.profile.frames.last().map_or(ROOT, |f| f.node);
    }

    fn push(&mut self, parent: usize, entry: u32, frame: Frame) {
        let node = self.profile.child(parent, &self.symbols, entry);
        self.profile.frames.push(Frame { node, ..frame });
        self.current = node;
    }

    /// Execution left the function of the last frame without a call or a return: by a jump to another, which
    /// returns in its place, by a switch to another task, or because it goes on behind it.
    #[cold]
    #[inline(never)]
    fn moved(&mut self, pc: u32) {
        let parent = self.profile.nodes[self.current].parent;
        let node = self.profile.child(parent, &self.symbols, pc);
        if let Some(frame) = self.profile.frames.last_mut() {
            frame.node = node;
        }
        self.current = node;
    }

    /// Follows calls and returns.
    #[inline(never)]
    fn branched(&mut self, r: &Retired) {
        let frames = &mut self.profile.frames;
        if matches!(r.op.kind, Kind::Bl | Kind::BlxReg) {
            if frames.len() < DEEPEST {
                let frame = Frame {
                    node: ROOT,
                    returns_to: r.lr & !1,
                    sp: r.sp,
                    handler: false,
                };
                self.push(self.current, r.next, frame);
            }
            return;
        }
        use Kind as K;
        if matches!(r.op.kind, K::B | K::Stay | K::BCond | K::Cbz | K::Cbnz) {
            return;
        }
        // A return is a branch to where the caller goes on, with the stack back at its place. It does not leave a handler.
        let mut own = frames.iter().rev().take_while(|f| !f.handler);
        if let Some(above) = own.position(|f| f.returns_to == r.next && r.sp >= f.sp) {
            frames.truncate(frames.len() - above - 1);
            self.follow();
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
        let node = &self.profile.nodes[self.current];
        if r.pc.wrapping_sub(node.start) >= node.length {
            self.moved(r.pc);
        }
        let node = &mut self.profile.nodes[self.current].counts;
        node.instructions += 1;
        node.cycles += cycles;
        if r.branched {
            self.branched(r);
        }
        cycles
    }

    fn exception(&mut self, exception: Exception) -> u64 {
        match exception {
            // A handler's stack is its own: nobody called it.
            Exception::Taken(handler) => {
                // Only programs that leave handlers by a reset get there.
                if self.profile.frames.len() >= 2 * DEEPEST {
                    self.profile.frames.truncate(1);
                }
                let frame = Frame {
                    node: ROOT,
                    returns_to: NOWHERE,
                    sp: 0,
                    handler: true,
                };
                self.push(ROOT, handler, frame);
            }
            Exception::Over => {
                let handler = self.profile.frames.iter().rposition(|f| f.handler);
                if let Some(handler) = handler {
                    self.profile.frames.truncate(handler);
                    self.follow();
                }
            }
        }
        self.timing.exception(exception)
    }

    fn flash_access(&mut self, values: &[Option<u32>]) {
        self.timing.set_flash_access(values);
    }
}
