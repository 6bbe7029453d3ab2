//! UF2 (Microsoft, "USB Flashing Format"): blocks of 512 bytes, each with 32 bytes of header, up to 476 of
//! data and a magic word at its end.

use super::Segment;
use crate::fault::Error;

const BLOCK: usize = 512;
const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
const MOST_DATA: u32 = 476;
/// The block is not for main flash.
const NOT_MAIN_FLASH: u32 = 1;

/// Whether a file begins with the format's magic words.
pub(super) fn is_uf2(bytes: &[u8]) -> bool {
    word(bytes, 0) == Some(MAGIC[0]) && word(bytes, 4) == Some(MAGIC[1])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let raw = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
}

/// The blocks for main flash in their order.
pub(super) fn blocks(bytes: &[u8]) -> Result<Vec<Segment>, Error> {
    let mut blocks = Vec::new();
    for (index, block) in bytes.chunks(BLOCK).enumerate() {
        let wrong = |problem: &str| Error::Uf2 {
            block: index,
            problem: problem.to_owned(),
        };
        if block.len() < BLOCK {
            return Err(wrong("it is cut off: a block has 512 bytes"));
        }
        let field = |at| word(block, at).unwrap_or_default();
        if [field(0), field(4)] != MAGIC || field(BLOCK - 4) != MAGIC_END {
            return Err(wrong("it lacks the magic words of the format"));
        }
        if field(8) & NOT_MAIN_FLASH != 0 {
            continue;
        }
        let size = field(16);
        if size > MOST_DATA {
            return Err(wrong("it claims more data than a block holds"));
        }
        blocks.push(Segment {
            address: field(12),
            bytes: block[32..32 + size as usize].to_vec(),
        });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: u32, size: u32, flags: u32) -> Vec<u8> {
        let mut block = vec![0xa5; BLOCK];
        let words = [MAGIC[0], MAGIC[1], flags, address, size, 0, 1, 0];
        for (i, w) in words.iter().enumerate() {
            block[4 * i..4 * i + 4].copy_from_slice(&w.to_le_bytes());
        }
        block[BLOCK - 4..].copy_from_slice(&MAGIC_END.to_le_bytes());
        block
    }

    #[test]
    fn blocks_carry_flash() {
        let file = [
            block(0x1000_0000, 256, 0),
            block(0x1000_0100, 256, NOT_MAIN_FLASH),
        ]
        .concat();
        let read = blocks(&file).unwrap();
        assert_eq!(
            (read.len(), read[0].address, read[0].bytes.len()),
            (1, 0x1000_0000, 256)
        );
    }

    #[test]
    fn damage_names_its_block() {
        let mut file = [block(0, 256, 0), block(256, 256, 0)].concat();
        file[BLOCK + 4] ^= 1;
        assert!(blocks(&file).unwrap_err().to_string().contains("block 1"));
        let cut = blocks(&file[..BLOCK + 9]).unwrap_err().to_string();
        assert!(cut.contains("cut off"), "{cut}");
        assert!(blocks(&block(0, 4000, 0)).is_err());
    }
}
