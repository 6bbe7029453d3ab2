//! Inks: one table of colours for plots and pages, on a light and on a dark ground.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The page.
    Ground,
    /// Text.
    Text,
    /// Text that steps back.
    Quiet,
    /// Axes.
    Axis,
    /// Grid lines.
    Grid,
    /// What exceeds a limit.
    Alarm,
    /// The rest of a whole.
    Rest,
    /// The n-th thing that a plot tells apart; it comes round after the palette's end.
    Series(usize),
}

/// Name, colour on light ground, colour on dark ground.
///
/// The series are those of Okabe & Ito, "Color Universal Design" (2008), which stay apart for colour-blind
/// readers; on the dark ground they are lightened.
const INKS: [(&str, u32, u32); 15] = [
    ("ground", 0xFF_FF_FF, 0x15_17_1C),
    ("text", 0x1B_1E_24, 0xE8_EA_EE),
    ("quiet", 0x5C_63_70, 0xA2_AA_B8),
    ("axis", 0x9A_A1_AD, 0x6A_72_80),
    ("grid", 0xE4_E7_EC, 0x2B_2F_38),
    ("alarm", 0xB3_26_1E, 0xFF_8A_80),
    ("rest", 0xB4_BA_C4, 0x59_60_6C),
    ("s0", 0x00_72_B2, 0x4A_A8_E8),
    ("s1", 0xD5_5E_00, 0xF5_82_3C),
    ("s2", 0x00_9E_73, 0x2F_C4_98),
    ("s3", 0xCC_79_A7, 0xE3_9B_C4),
    ("s4", 0xE6_9F_00, 0xF2_B7_35),
    ("s5", 0x56_B4_E9, 0x9A_D6_F8),
    ("s6", 0x7A_5C_C0, 0xB0_98_F0),
    ("s7", 0x8A_8D_1F, 0xF0_E4_42),
];
/// Where the series begin in [`INKS`].
const SERIES: usize = 7;

impl Ink {
    fn index(self) -> usize {
        match self {
            Self::Ground => 0,
            Self::Text => 1,
            Self::Quiet => 2,
            Self::Axis => 3,
            Self::Grid => 4,
            Self::Alarm => 5,
            Self::Rest => 6,
            Self::Series(index) => SERIES + index % (INKS.len() - SERIES),
        }
    }

    /// The colour on light ground.
    pub(crate) fn rgb(self) -> RGBColor {
        let [_, red, green, blue] = INKS[self.index()].1.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// Number of series before their colours come round.
pub(crate) const fn series() -> usize {
    INKS.len() - SERIES
}

/// The inks as CSS variables, and classes that fill and stroke with them.
pub(crate) fn css() -> String {
    let variables = |dark: bool| {
        INKS.iter()
            .fold(String::new(), |mut css, (name, on_light, on_dark)| {
                let _ = write!(
                    css,
                    "--{name}:#{:06X};",
                    if dark { on_dark } else { on_light }
                );
                css
            })
    };
    let mut css = format!(":root{{color-scheme:light dark;{}}}\n", variables(false));
    let _ = writeln!(
        css,
        "@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}",
        variables(true)
    );
    for (name, _, _) in INKS {
        let _ = write!(
            css,
            ".f-{name}{{fill:var(--{name})}}.s-{name}{{stroke:var(--{name})}}"
        );
    }
    css.push('\n');
    css
}

/// Replaces the colours of an SVG by the classes of [`css`], so that it follows the page it stands in.
pub(crate) fn classes(svg: &str) -> String {
    INKS.iter().fold(svg.to_owned(), |svg, (name, light, _)| {
        svg.replace(
            &format!("fill=\"#{light:06X}\""),
            &format!("class=\"f-{name}\""),
        )
        .replace(
            &format!("stroke=\"#{light:06X}\""),
            &format!("class=\"s-{name}\""),
        )
    })
}
