//! Any bytes behind those of an archive are a Keras model or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(start) = file.get_mut(..4) {
        start.copy_from_slice(b"PK\x03\x04");
    }
    fuzz::import(file);
});
