//! Any bytes behind HDF5's first ones are a Keras model or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    let magic = b"\x89HDF\r\n\x1a\n";
    if let Some(start) = file.get_mut(..magic.len()) {
        start.copy_from_slice(magic);
    }
    fuzz::import(file);
});
