//! Intel HEX (Intel, "Hexadecimal Object File Format Specification", revision A, 1988).
//!
//! A line is a colon and bytes in hexadecimal: how many data bytes, the low half of the address, the kind of
//! record, the data, and a checksum that makes the sum of all zero.

use super::Segment;
use crate::fault::Error;

const DATA: u8 = 0;
const END: u8 = 1;
const SEGMENT_ADDRESS: u8 = 2;
const SEGMENT_START: u8 = 3;
const LINEAR_ADDRESS: u8 = 4;
const LINEAR_START: u8 = 5;

// The universal hex of the micro:bit: parts for several boards, each begun by a record with the board's
// number (tech.microbit.org/software/spec-universal-hex).
const BLOCK_START: u8 = 0x0a;
const BLOCK_END: u8 = 0x0b;
const PADDING: u8 = 0x0c;
const OTHER_DATA: u8 = 0x0d;
/// The numbers of micro:bit boards with a Cortex-M0; those with a Cortex-M4 follow.
const BASELINE_BOARDS: [u16; 3] = [0x9900, 0x9901, 0x9902];

/// Whether a file begins like Intel HEX: a colon and nine hexadecimal digits.
pub(super) fn is_hex(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    bytes.len() >= 11 && bytes[0] == b':' && bytes[1..10].iter().all(u8::is_ascii_hexdigit)
}

/// The data records in their order; of a universal hex those for boards with the baseline instruction set,
/// or those for the others (`mainline`).
pub(super) fn blocks(bytes: &[u8], mainline: bool) -> Result<Vec<Segment>, Error> {
    let mut blocks = Vec::new();
    let mut upper = 0u32;
    let mut ours = true;
    for (index, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let wrong = |problem: &str| Error::Hex {
            line: index + 1,
            problem: problem.to_owned(),
        };
        let record = record(line).map_err(wrong)?;
        let [count, high, low, kind, rest @ ..] = record.as_slice() else {
            return Err(wrong("the record is shorter than its header"));
        };
        let [data @ .., _checksum] = rest else {
            return Err(wrong("the record has no checksum"));
        };
        if data.len() != usize::from(*count) {
            return Err(wrong("the record is not as long as it says"));
        }
        let word = || {
            <[u8; 2]>::try_from(data)
                .map(|d| u32::from(u16::from_be_bytes(d)))
                .map_err(|_| wrong("an address record has two bytes"))
        };
        match *kind {
            DATA | OTHER_DATA if !ours => {}
            DATA | OTHER_DATA => blocks.push(Segment {
                address: upper.wrapping_add(u32::from(u16::from_be_bytes([*high, *low]))),
                bytes: data.to_vec(),
            }),
            END => return Ok(blocks),
            SEGMENT_ADDRESS => upper = word()? << 4,
            LINEAR_ADDRESS => upper = word()? << 16,
            // Where to start says the vector table.
            SEGMENT_START | LINEAR_START => {}
            BLOCK_START => {
                let [high, low, ..] = data else {
                    return Err(wrong("a block begins with the number of its board"));
                };
                let board = u16::from_be_bytes([*high, *low]);
                ours = BASELINE_BOARDS.contains(&board) != mainline;
            }
            BLOCK_END | PADDING => {}
            _ => return Err(wrong("the kind of record is unknown")),
        }
    }
    Err(Error::Hex {
        line: bytes.split(|&b| b == b'\n').count(),
        problem: "the file ends without an end record: it is cut off".to_owned(),
    })
}

/// The bytes of one line, their sum checked.
fn record(line: &[u8]) -> Result<Vec<u8>, &'static str> {
    let digits = line
        .strip_prefix(b":")
        .ok_or("a record begins with a colon")?;
    if digits.len() % 2 != 0 {
        return Err("a hexadecimal digit is missing");
    }
    let digit = |d: u8| char::from(d).to_digit(16).map(|v| v as u8);
    let bytes: Option<Vec<u8>> = digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect();
    let bytes = bytes.ok_or("there is something else than hexadecimal digits")?;
    let sum = bytes.iter().fold(0u8, |sum, b| sum.wrapping_add(*b));
    if sum != 0 {
        return Err("the checksum is wrong");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        blocks(text.as_bytes(), true).unwrap_err().to_string()
    }

    #[test]
    fn addresses_are_put_together() {
        let text = ":020000040800F2\r\n:0400000000010203F6\r\n:02000400AABB95\n:00000001FF\n";
        let read = blocks(text.as_bytes(), true).unwrap();
        assert_eq!(
            (read[0].address, read[0].bytes.as_slice()),
            (0x0800_0000, &[0, 1, 2, 3][..])
        );
        assert_eq!(read[1].address, 0x0800_0004);
        let segmented = ":020000021000EC\n:0100100055 9A\n";
        assert!(problem(segmented).contains("line 2"));
    }

    #[test]
    fn damage_names_its_line() {
        assert!(problem(":0400000000010203F7\n").contains("checksum"));
        assert!(problem(":0400000000010203F6\n").contains("cut off"));
        assert!(problem(":050000000001020 3F5\n").contains("line 1"));
        assert!(problem(":0000000AF6\n").contains("its board"));
    }

    #[test]
    fn a_universal_hex_is_read_for_one_board() {
        let text = ":0400000A9900C0DEBB\n:0100000011EE\n:0400000B00000000F1\n\
                    :0400000A9903C0DEB8\n:0100000D22D0\n:00000001FF\n";
        let of = |mainline| blocks(text.as_bytes(), mainline).unwrap();
        assert_eq!((of(false).len(), of(false)[0].bytes[0]), (1, 0x11));
        assert_eq!((of(true).len(), of(true)[0].bytes[0]), (1, 0x22));
    }
}
