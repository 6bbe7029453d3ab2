//! The one port of a flash array to which code, data and prefetch all come: what comes later has to wait.
//!
//! Times are thousandths of a cycle. An access that is asked for at some time and finds the array idle has its data after the wait states,
//! and the array is busy for one cycle more.

/// A cycle.
const CYCLE: u64 = 1000;

/// A line that is read ahead of the core.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    line: u32,
    /// When the controller wanted to read it.
    asked: u64,
    /// When it is there, once the array reads it.
    ready: Option<u64>,
}

/// The array's time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Port {
    /// When the array is idle again.
    busy: u64,
    ahead: Option<Ahead>,
}

impl Port {
    /// When the data of an access are there that is asked for at `from` and takes `wait`.
    pub fn read(&mut self, from: u64, wait: u64) -> u64 {
        self.begin_prefetch(from, wait);
        let begin = self.busy.max(from);
        self.busy = begin + wait + CYCLE;
        begin + wait
    }

    /// When a line is there that is, or will be, read ahead; `None` for another.
    pub fn ahead(&mut self, line: u32, wait: u64) -> Option<u64> {
        if self.ahead.is_none_or(|a| a.line != line) {
            return None;
        }
        self.begin_prefetch(u64::MAX, wait);
        self.ahead.take()?.ready
    }

    /// Reads a line ahead, from when the one before it is there.
    pub fn prefetch(&mut self, line: u32, arrived: u64) {
        if self.ahead.is_none_or(|a| a.line != line) {
            let asked = arrived + CYCLE;
            let ready = None;
            self.ahead = Some(Ahead { line, asked, ready });
        }
    }

    /// A prefetch for which the array was idle before that time is under way; what the core asks for goes before one that is not.
    fn begin_prefetch(&mut self, before: u64, wait: u64) {
        if let Some(ahead) = &mut self.ahead
            && ahead.ready.is_none()
        {
            let begin = self.busy.max(ahead.asked);
            if begin < before {
                ahead.ready = Some(begin + wait);
                self.busy = begin + wait + CYCLE;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: u64 = 2000;

    #[test]
    fn accesses_follow_one_another() {
        let mut port = Port::default();
        assert_eq!(port.read(0, WAIT), 2000);
        assert_eq!(port.read(1000, WAIT), 5000, "the array is busy until 3000");
        assert_eq!(port.read(9000, WAIT), 11_000);
    }

    #[test]
    fn what_the_core_asks_for_waits_for_a_prefetch_that_has_begun() {
        let mut port = Port::default();
        assert_eq!(port.read(0, WAIT), 2000);
        // It begins at 3000, and is there at 5000; the array is busy until 6000.
        port.prefetch(8, 2000);
        assert_eq!(port.read(4000, WAIT), 8000);
        assert_eq!(port.ahead(8, WAIT), Some(5000));
        assert_eq!(port.ahead(8, WAIT), None, "it was taken");
        // What is asked for at the same time goes first, and the prefetch after it.
        let mut port = Port::default();
        port.prefetch(8, 0);
        assert_eq!(port.read(1000, WAIT), 3000);
        assert_eq!(port.ahead(8, WAIT), Some(4000 + WAIT));
    }
}
