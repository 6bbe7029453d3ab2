//! A board behind a serial port.

use crate::error::Error;
use crate::transport::Transport;
use serialport::{ErrorKind, SerialPort};
use std::io::{Read, Write};
use std::time::Duration;

/// How long a byte may wait to be sent.
const SEND: Duration = Duration::from_secs(5);

/// An open serial port.
pub struct Serial {
    name: String,
    port: Box<dyn SerialPort>,
}

impl Serial {
    /// Opens the port called `name`, at `baud` bits a second.
    ///
    /// # Errors
    /// [`Error::Serial`] with the ports that there are.
    pub fn open(name: &str, baud: u32) -> Result<Self, Error> {
        let opened = serialport::new(name, baud).timeout(SEND).open();
        let port = opened.map_err(|error| Error::Serial {
            port: name.to_owned(),
            why: match error.kind() {
                ErrorKind::NoDevice => {
                    "there is no such port, or another program has it".to_owned()
                }
                _ => error.to_string(),
            },
            known: serialport::available_ports()
                .unwrap_or_default()
                .into_iter()
                .map(|port| port.port_name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }

    fn gone(&self, error: &std::io::Error) -> Error {
        Error::Gone {
            why: format!("the serial port {} failed: {error}", self.name),
        }
    }
}

impl Transport for Serial {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let sent = self
            .port
            .set_timeout(SEND)
            .map_err(std::io::Error::from)
            .and_then(|()| self.port.write_all(bytes))
            .and_then(|()| self.port.flush());
        sent.map_err(|e| self.gone(&e))
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error> {
        // A timeout of nothing would wait for ever on some systems.
        let patience = patience.max(Duration::from_millis(1));
        let mut buffer = [0; 1024];
        let read = self
            .port
            .set_timeout(patience)
            .map_err(std::io::Error::from)
            .and_then(|()| self.port.read(&mut buffer));
        match read {
            Ok(count) => {
                into.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Ok(()),
            Err(error) => Err(self.gone(&error)),
        }
    }
}
