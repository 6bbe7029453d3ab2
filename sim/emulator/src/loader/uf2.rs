//! UF2 (Microsoft, "USB Flashing Format"): blocks of 512 bytes, each with 32 bytes of header, up to 476 of
//! data and a magic word at its end.
//!
//! A file may serve several families of chips. A boot loader takes the blocks of its own and passes over the others.

use std::collections::BTreeSet;

use super::Segment;
use crate::fault::Error;

const BLOCK: usize = 512;
const MAGIC: [u32; 2] = [0x0a32_4655, 0x9e5d_5157];
const MAGIC_END: u32 = 0x0ab1_6f30;
const MOST_DATA: u32 = 476;
/// The block is not for main flash.
const NOT_MAIN_FLASH: u32 = 1;
/// The block says for which family of chips it is.
const FAMILY_PRESENT: u32 = 0x2000;

/// Whether a file begins with the format's magic words.
pub(super) fn is_uf2(bytes: &[u8]) -> bool {
    word(bytes, 0) == Some(MAGIC[0]) && word(bytes, 4) == Some(MAGIC[1])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let raw = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
}

/// The blocks for main flash in their order; of those that name a family, the ones of `families`.
pub(super) fn blocks(bytes: &[u8], families: &[u32]) -> Result<Vec<Segment>, Error> {
    let mut blocks = Vec::new();
    let mut found = BTreeSet::new();
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
        if field(8) & FAMILY_PRESENT != 0 {
            found.insert(field(28));
            if !families.is_empty() && !families.contains(&field(28)) {
                continue;
            }
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
    check(&found, families, blocks.is_empty())?;
    Ok(blocks)
}

/// Refuses a file of which no block is for these families, or of several where it is not known which.
fn check(found: &BTreeSet<u32>, families: &[u32], empty: bool) -> Result<(), Error> {
    let list = |ids: &mut dyn Iterator<Item = &u32>| {
        let names: Vec<_> = ids.map(|id| format!("{id:#010x}")).collect();
        match names.len() {
            1 => format!("family {}", names.concat()),
            _ => format!("families {}", names.join(", ")),
        }
    };
    let wanted = if families.is_empty() && found.len() > 1 {
        "and the board's profile does not say which of them its chip is: add it under [flash.uf2]"
            .to_owned()
    } else if empty && !families.is_empty() && !found.is_empty() {
        format!(
            "and the board takes {}: choose the board that it was built for",
            list(&mut families.iter())
        )
    } else {
        return Ok(());
    };
    Err(Error::Uf2Family {
        found: list(&mut found.iter()),
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: u32, size: u32, flags: u32) -> Vec<u8> {
        of_family(address, size, flags, 0)
    }

    fn of_family(address: u32, size: u32, flags: u32, family: u32) -> Vec<u8> {
        let mut block = vec![0xa5; BLOCK];
        let words = [MAGIC[0], MAGIC[1], flags, address, size, 0, 1, family];
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
        let read = blocks(&file, &[]).unwrap();
        assert_eq!(
            (read.len(), read[0].address, read[0].bytes.len()),
            (1, 0x1000_0000, 256)
        );
    }

    #[test]
    fn blocks_of_other_families_are_passed_over() {
        let (ours, theirs) = (0xe48b_ff56, 0xada5_2840);
        let block = |address, family| of_family(address, 256, FAMILY_PRESENT, family);
        let both = [block(0x1000_0000, ours), block(0x2_7000, theirs)].concat();
        let read = blocks(&both, &[1, ours]).unwrap();
        assert_eq!((read.len(), read[0].address), (1, 0x1000_0000));
        let wrong = blocks(&block(0, theirs), &[ours]).unwrap_err().to_string();
        for part in ["0xada52840", "0xe48bff56"] {
            assert!(wrong.contains(part), "{wrong}");
        }
        let unclear = blocks(&both, &[]).unwrap_err().to_string();
        assert!(unclear.contains("[flash.uf2]"), "{unclear}");
        // A file of one family, or of none, may be for a board whose family nobody knows, and what names none for any.
        assert_eq!(blocks(&block(0, theirs), &[]).unwrap().len(), 1);
        assert_eq!(
            blocks(&super::tests::block(0, 256, 0), &[ours])
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn damage_names_its_block() {
        let mut file = [block(0, 256, 0), block(256, 256, 0)].concat();
        file[BLOCK + 4] ^= 1;
        assert!(
            blocks(&file, &[])
                .unwrap_err()
                .to_string()
                .contains("block 1")
        );
        let cut = blocks(&file[..BLOCK + 9], &[]).unwrap_err().to_string();
        assert!(cut.contains("cut off"), "{cut}");
        assert!(blocks(&block(0, 4000, 0), &[]).is_err());
    }
}
