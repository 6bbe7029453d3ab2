//! What is particular about a chip besides its core and its memories.

/// What the chips of a family want before they run a firmware from the start of flash.
struct Obstacle {
    /// How probe-rs calls them begins so, in lower case.
    chips: &'static str,
    /// What is missing.
    wants: &'static str,
}

/// Chips whose boot ROM does not simply start at the vector table.
const OBSTACLES: [Obstacle; 3] = [
    // [S] RP2040 data sheet, 2.8.1.3.1 "Boot stage 2".
    Obstacle {
        chips: "rp2040",
        wants: "its boot ROM wants a second-stage boot loader in the first 256 bytes of flash",
    },
    // [S] RP2350 data sheet, 5.9 "Metadata block details".
    Obstacle {
        chips: "rp235",
        wants: "its boot ROM wants an image definition in the first 4 KiB of flash",
    },
    // [S] ESP-IDF, "App Image Format".
    Obstacle {
        chips: "esp32",
        wants: "its boot ROM wants an image with a header of its own",
    },
];

/// Why the firmware cannot run on `chip`, as probe-rs calls it; `None` where it can.
pub fn obstacle(chip: &str) -> Option<&'static str> {
    let chip = chip.to_lowercase();
    let found = OBSTACLES.iter().find(|o| chip.starts_with(o.chips));
    found.map(|o| o.wants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chips_are_known_by_the_start_of_their_names() {
        assert!(obstacle("RP2040").is_some());
        assert!(obstacle("RP235x").is_some());
        assert!(obstacle("esp32c3").is_some());
        assert_eq!(obstacle("nRF52840_xxAA"), None);
    }
}
