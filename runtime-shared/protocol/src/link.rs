//! The device's end of the link: one request in, one response out, whatever happens in between.

use super::frame::{self, Arrival, Collector};
use super::message::{Refused, Request, Response};

/// A stream of bytes to the host and back.
pub trait Port {
    /// Waits for bytes, takes as many as there are; `None` where the host is gone for good.
    fn read(&mut self, into: &mut [u8]) -> Option<usize>;
    /// Sends all of `bytes`.
    fn write(&mut self, bytes: &[u8]);
}

/// The sequence number of a refusal of a frame whose own is not known.
pub const UNKNOWN_SEQUENCE: u8 = 0;

/// The link.
pub(super) struct Link<'l, P> {
    port: P,
    rx: Collector<&'l mut [u8]>,
    tx: &'l mut [u8],
    /// Bytes of the last response in `tx`, and the request that it answers.
    sent: usize,
    answered: Option<u8>,
    /// Where the message of the request under way lies in `rx`.
    message: (usize, usize),
    inbox: [u8; 64],
    /// What of the inbox was not looked at yet.
    unread: (usize, usize),
}

impl<'l, P: Port> Link<'l, P> {
    pub fn new(port: P, rx: &'l mut [u8], tx: &'l mut [u8]) -> Self {
        Self {
            port,
            rx: Collector::new(rx),
            tx,
            sent: 0,
            answered: None,
            message: (0, 0),
            inbox: [0; 64],
            unread: (0, 0),
        }
    }

    /// Waits for the next request that was not answered yet; gives its sequence number, or `None` where
    /// the host is gone.
    pub fn receive(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            let opened = match self.rx.push(byte) {
                Arrival::Pending => continue,
                Arrival::Overrun => None,
                Arrival::Frame(len) => self.rx.buffer().get_mut(..len).and_then(frame::open),
            };
            let Some((sequence, message)) = opened else {
                self.refuse_damaged();
                continue;
            };
            // The message follows the sequence number, which starts the frame.
            self.message = (1, 1 + message.len());
            if self.answered == Some(sequence) && self.request() != Some(Request::Hello) {
                self.port.write(&self.tx[..self.sent]);
                continue;
            }
            return Some(sequence);
        }
    }

    /// The request under way; `None` where it is of no known kind.
    pub fn request(&mut self) -> Option<Request<'_>> {
        let (start, end) = self.message;
        frame::parse(self.rx.buffer().get(start..end)?)
    }

    /// Answers the request `sequence`, which is over with that.
    pub fn respond(&mut self, sequence: u8, response: &Response<'_>) {
        let sealed = frame::seal(sequence, response, self.rx.buffer(), self.tx);
        self.sent = sealed.unwrap_or(0);
        self.answered = Some(sequence);
        self.port.write(&self.tx[..self.sent]);
    }

    /// Leaves the last response in place, which may be what the host is after.
    fn refuse_damaged(&mut self) {
        let (mut scratch, mut out) = ([0; 16], [0; 20]);
        let refusal = Response::Refused(Refused::Damaged);
        if let Some(len) = frame::seal(UNKNOWN_SEQUENCE, &refusal, &mut scratch, &mut out) {
            self.port.write(&out[..len]);
        }
    }

    fn byte(&mut self) -> Option<u8> {
        while self.unread.0 >= self.unread.1 {
            let count = self.port.read(&mut self.inbox)?;
            self.unread = (0, count.min(self.inbox.len()));
        }
        self.unread.0 += 1;
        self.inbox.get(self.unread.0 - 1).copied()
    }
}
