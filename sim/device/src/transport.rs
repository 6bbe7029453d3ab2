//! Bytes to a device and back, whatever lies between.

use crate::error::Error;
use std::time::Duration;

/// A stream of bytes to a device and back.
pub trait Transport {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Link`].
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error>;

    /// Appends what has arrived to `into`, after waiting at most `patience` for the first byte; leaves it
    /// as it is where nothing came.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Link`].
    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error>;

    /// What is known of a device that stays silent, as sentences for a person.
    fn state(&mut self) -> Option<String> {
        None
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        (**self).send(bytes)
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error> {
        (**self).receive(into, patience)
    }

    fn state(&mut self) -> Option<String> {
        (**self).state()
    }
}
