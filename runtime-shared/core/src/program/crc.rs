//! CRC-32 (IEEE 802.3, reflected, as in zlib), four bits at a time: 64 bytes of table.

const TABLE: [u32; 16] = {
    let mut table = [0u32; 16];
    let mut i = 0;
    while i < 16 {
        let mut c = i as u32;
        let mut k = 0;
        while k < 4 {
            c = if c & 1 == 1 {
                0xedb8_8320 ^ (c >> 1)
            } else {
                c >> 1
            };
            k += 1;
        }
        table[i] = c;
        i += 1;
    }
    table
};

/// The checksum of everything in `parts`, in order.
pub fn crc32(parts: &[&[u8]]) -> u32 {
    let mut c = u32::MAX;
    for &byte in parts.iter().copied().flatten() {
        c = TABLE[((c ^ u32::from(byte)) & 15) as usize] ^ (c >> 4);
        c = TABLE[((c ^ u32::from(byte >> 4)) & 15) as usize] ^ (c >> 4);
    }
    !c
}

#[cfg(test)]
mod tests {
    #[test]
    fn check_value_of_the_standard() {
        assert_eq!(super::crc32(&[b"12345", b"6789"]), 0xcbf4_3926);
    }
}
