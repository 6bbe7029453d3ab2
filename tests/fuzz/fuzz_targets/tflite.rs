//! Any bytes behind TFLite's first ones are a model or refused: FlatBuffers, whose offsets lead anywhere.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(magic) = file.get_mut(4..8) {
        magic.copy_from_slice(b"TFL3");
    }
    fuzz::import(file);
});
