//! What an ELF file says it was built for: the build attributes of the Arm ABI (addenda to the ABI, IHI0045, section 3).
//!
//! They are advice. What is missing, unknown or damaged says nothing, and keeps no program from running.

use crate::fault::Error;
use crate::features::{Features, Fpu};
use crate::timing::{CORE_NAMES, CoreTable};

/// Scope of attributes that hold for the whole file.
const FILE: u64 = 1;
/// Tags.
const CPU_RAW_NAME: u64 = 4;
const CPU_NAME: u64 = 5;
const CPU_ARCH: u64 = 6;
const CPU_ARCH_PROFILE: u64 = 7;
const ARM_ISA_USE: u64 = 8;
const FP_ARCH: u64 = 10;
const COMPATIBILITY: u64 = 32;

/// An architecture that code for a microcontroller may be built for by mistake or on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Architecture {
    V6M,
    V7M,
    V7EM,
    V8MBaseline,
    V8MMainline,
    V81MMainline,
    /// The A and R profiles and what came before them, which no microcontroller's core executes.
    Application(&'static str),
}

use Architecture as A;

impl Architecture {
    fn of(cpu_arch: u64, profile: u64, arm_state: bool) -> Option<Self> {
        Some(match (cpu_arch, u8::try_from(profile).unwrap_or(0)) {
            // From before the profiles; their Thumb code alone may run on any core.
            (1..=9, _) if arm_state => A::Application("the Arm state of ARMv4 to ARMv6"),
            (10, b'M') => A::V7M,
            (10, b'A') => A::Application("ARMv7-A"),
            (10, b'R') => A::Application("ARMv7-R"),
            (11 | 12, _) => A::V6M,
            (13, _) => A::V7EM,
            (14, _) => A::Application("ARMv8-A"),
            (15, _) => A::Application("ARMv8-R"),
            (16, _) => A::V8MBaseline,
            (17, _) => A::V8MMainline,
            (21, _) => A::V81MMainline,
            _ => return None,
        })
    }

    /// What a core executes at most.
    const fn at_most(features: &Features) -> Self {
        match (features.v8m, features.mainline, features.dsp) {
            (false, false, _) => A::V6M,
            (false, true, false) => A::V7M,
            (false, true, true) => A::V7EM,
            (true, false, _) => A::V8MBaseline,
            (true, true, _) => A::V8MMainline,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            A::V6M => "ARMv6-M",
            A::V7M => "ARMv7-M",
            A::V7EM => "ARMv7E-M",
            A::V8MBaseline => "ARMv8-M baseline",
            A::V8MMainline => "ARMv8-M mainline",
            A::V81MMainline => "ARMv8.1-M mainline",
            A::Application(name) => name,
        }
    }

    const fn runs_on(self, features: &Features) -> bool {
        match self {
            A::V6M => true,
            A::V7M => features.mainline,
            A::V7EM => features.mainline && features.dsp,
            A::V8MBaseline => features.v8m,
            A::V8MMainline => features.v8m && features.mainline,
            A::V81MMainline | A::Application(_) => false,
        }
    }
}

/// What a file was built for, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BuiltFor {
    architecture: Option<Architecture>,
    fpu: Fpu,
}

impl BuiltFor {
    /// Reads the section `.ARM.attributes`.
    pub fn read(section: &[u8]) -> Self {
        let (mut arch, mut profile, mut arm_state, mut fp) = (u64::MAX, 0, false, 0);
        for (tag, value) in file_attributes(section) {
            match tag {
                CPU_ARCH => arch = value,
                CPU_ARCH_PROFILE => profile = value,
                ARM_ISA_USE => arm_state = value != 0,
                FP_ARCH => fp = value,
                _ => {}
            }
        }
        BuiltFor {
            architecture: Architecture::of(arch, profile, arm_state),
            fpu: match fp {
                5 | 6 => Fpu::Fpv4Sp,
                7 | 8 => Fpu::Fpv5Sp,
                _ => Fpu::None,
            },
        }
    }

    fn runs_on(self, features: &Features) -> bool {
        self.architecture.is_none_or(|a| a.runs_on(features)) && self.fpu <= features.fpu
    }

    /// Whether a core executes it.
    ///
    /// # Errors
    /// [`Error::WrongCore`] with both architectures, and the cores that do.
    pub fn check(self, core: &str, features: &Features) -> Result<(), Error> {
        if self.runs_on(features) {
            return Ok(());
        }
        let described = |architecture: Option<Architecture>, fpu: Fpu| {
            let unit = match fpu {
                Fpu::None => "",
                Fpu::Fpv4Sp => " with an FPv4 unit",
                Fpu::Fpv5Sp | Fpu::Fpv5Dp => " with an FPv5 unit",
            };
            format!("{}{unit}", architecture.map_or("Arm", A::name))
        };
        let suitable = CORE_NAMES.iter().filter(|name| {
            CoreTable::builtin(name).is_ok_and(|table| self.runs_on(&table.features))
        });
        let suitable: Vec<_> = suitable.copied().collect();
        Err(Error::WrongCore {
            built_for: described(self.architecture, self.fpu),
            core: core.to_owned(),
            executes: described(Some(A::at_most(features)), features.fpu),
            advice: if suitable.is_empty() {
                "no core here does: build it for another target".to_owned()
            } else {
                format!(
                    "choose a board with one of the cores {}",
                    suitable.join(", ")
                )
            },
        })
    }
}

/// The numbers among the attributes of the whole file; what comes after damage is left out.
fn file_attributes(section: &[u8]) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let Some((b'A', vendors)) = section.split_first() else {
        return found;
    };
    let mut vendors = Reader(vendors);
    while let Some(mut vendor) = vendors.block(0) {
        if vendor.text() != Some(b"aeabi") {
            continue;
        }
        loop {
            let before = vendor.0.len();
            let Some(scope) = vendor.number() else {
                break;
            };
            let Some(mut attributes) = vendor.block(before - vendor.0.len()) else {
                break;
            };
            while let Some((tag, value)) = attributes.attribute().filter(|_| scope == FILE) {
                found.extend(value.map(|value| (tag, value)));
            }
        }
    }
    found
}

/// Bytes that are still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A block behind its length, which counts itself and `before` bytes that are read already.
    fn block(&mut self, before: usize) -> Option<Reader<'a>> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?) as usize;
        self.take(length.checked_sub(4 + before)?).map(Reader)
    }

    /// A number of seven bits a byte, the least first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A text up to its zero.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.0.iter().position(|b| *b == 0)?;
        let text = self.take(length)?;
        self.take(1).map(|_| text)
    }

    /// An attribute's tag, and its value where that is a number. Above 32, odd tags have texts.
    fn attribute(&mut self) -> Option<(u64, Option<u64>)> {
        let tag = self.number()?;
        let value = match tag {
            CPU_RAW_NAME | CPU_NAME => self.text().map(|_| None)?,
            COMPATIBILITY => {
                let flag = self.number()?;
                self.text().map(|_| Some(flag))?
            }
            tag if tag > COMPATIBILITY && tag % 2 == 1 => self.text().map(|_| None)?,
            _ => Some(self.number()?),
        };
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with these attributes of the whole file, behind a CPU's name.
    fn section(attributes: &[u8]) -> Vec<u8> {
        let mut file = b"\x05CORTEX\0".to_vec();
        file.extend(attributes);
        let mut vendor = b"aeabi\0\x01".to_vec();
        vendor.extend((file.len() as u32 + 5).to_le_bytes());
        vendor.extend(file);
        let mut section = b"A".to_vec();
        section.extend((vendor.len() as u32 + 4).to_le_bytes());
        section.extend(vendor);
        section
    }

    fn refusal(attributes: &[u8], core: &str) -> Option<String> {
        let features = CoreTable::builtin(core).unwrap().features;
        let built_for = BuiltFor::read(&section(attributes));
        built_for
            .check(core, &features)
            .err()
            .map(|e| e.to_string())
    }

    #[test]
    fn each_core_runs_what_is_no_newer_than_itself() {
        // Tag_CPU_arch 11, 10 with the profile M, 13, 17 and 21.
        let built: [&[u8]; 5] = [
            &[6, 11, 7, b'M'],
            &[6, 10, 7, b'M'],
            &[6, 13, 7, b'M'],
            &[6, 17, 7, b'M'],
            &[6, 21, 7, b'M'],
        ];
        for (core, runs) in [
            ("cortex-m0plus", 1),
            ("cortex-m3", 2),
            ("cortex-m4f", 3),
            ("cortex-m7", 3),
            ("cortex-m33", 4),
        ] {
            for (i, attributes) in built.iter().enumerate() {
                assert_eq!(refusal(attributes, core).is_none(), i < runs, "{core}: {i}");
            }
        }
    }

    #[test]
    fn a_refusal_names_both_architectures_and_the_cores_that_do() {
        let said = refusal(&[6, 13, 7, b'M', 10, 8], "cortex-m0plus").unwrap();
        for part in [
            "ARMv7E-M with an FPv5 unit",
            "cortex-m0plus",
            "ARMv6-M",
            "cortex-m7, cortex-m33",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains("cortex-m4f"), "{said}");
        let said = refusal(&[6, 10, 7, b'A'], "cortex-m33").unwrap();
        assert!(
            said.contains("ARMv7-A") && said.contains("no core"),
            "{said}"
        );
        // Tag_CPU_arch 2 is ARMv4T: with its Arm state, and with Thumb alone.
        let said = refusal(&[6, 2, 8, 1], "cortex-m4f").unwrap();
        assert!(said.contains("the Arm state"), "{said}");
        assert_eq!(refusal(&[6, 2, 9, 1], "cortex-m0plus"), None);
    }

    #[test]
    fn what_is_missing_or_unknown_says_nothing() {
        let texts_and_others: &[u8] = b"\x43v2.09\0\x20\x01gnu\0\x80\x01\x07";
        for attributes in [&[][..], &[6, 99], &[6, 10], &[10, 77], texts_and_others] {
            assert_eq!(refusal(attributes, "cortex-m0plus"), None, "{attributes:?}");
        }
        // What stands behind texts and long numbers is still found.
        let mut behind = texts_and_others.to_vec();
        behind.extend([6, 13]);
        assert!(refusal(&behind, "cortex-m0plus").is_some());
    }

    #[test]
    fn no_damage_makes_a_panic() {
        let whole = section(&[6, 13, 7, b'M', 10, 6, 32, 1, b'x', 0, 0x80, 0x80, 1, 5]);
        let all = |bytes: &[u8]| {
            let _ = BuiltFor::read(bytes);
        };
        for length in 0..whole.len() {
            all(&whole[..length]);
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 3, 4, 0x20, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                all(&damaged);
                damaged.iter_mut().skip(at).take(4).for_each(|b| *b = byte);
                all(&damaged);
                damaged.iter_mut().skip(at).for_each(|b| *b = byte);
                all(&damaged);
            }
        }
    }
}
