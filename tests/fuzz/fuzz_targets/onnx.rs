//! Any bytes are an ONNX model or refused, also behind the field that such a file begins with.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(first) = file.first_mut() {
        *first = 8;
    }
    fuzz::import(file);
});
