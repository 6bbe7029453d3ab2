//! A serial port, as far as its data register goes: bytes of a file for the program, and bytes of the program for the console.

use super::console::{Output, pass_on};
use sim_emulator::{Access, Emulator};

/// Bytes of the register.
const WORD: u32 = 4;

/// Answers for a data register. Once the input is read, the register reads as zero.
pub fn attach(emulator: &mut Emulator, address: u32, input: Vec<u8>, output: Option<Output>) {
    let mut input = input.into_iter();
    let answer = move |access: Access| match access.write {
        Some(word) => {
            let byte = [word as u8];
            match &output {
                Some(output) => output.keep(&byte),
                None => pass_on(&mut std::io::stdout().lock(), &byte),
            };
            0
        }
        None => input.next().unwrap_or(0).into(),
    };
    emulator.attach_peripheral(address, WORD, Box::new(answer));
}
