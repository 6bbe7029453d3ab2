//! Encodings to draw from, as the Arm manuals print them.
//!
//! A pattern is sixteen or thirty-two characters: 0 and 1 are fixed, letters are fields, whose bits may be
//! scattered. `d` `h` destinations (distinct where both occur), `s` `t` `u` sources, `b` a base that may be
//! unaligned, `B` one that stays aligned, `o` the offset register, `i` free bits, `l` and `w` position and
//! width (or last bit) of a bit field, `r` a register list, `D` `N` `M` floating-point registers, `q` an even
//! number of them, `c` a condition, `z` a field that must not be zero.

/// Which cores have an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Baseline,
    Mainline,
    Dsp,
    Fpu,
    Fpv5,
    Double,
    V8m,
}

/// Rules that fields must obey beyond their letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    None,
    /// `l + w <= 31`.
    Extract,
    /// `l <= w`.
    Insert,
    /// The same register twice: `u` equals `s`.
    Twice,
}

pub struct Pattern {
    pub bits: &'static str,
    pub needs: Needs,
    pub rule: Rule,
}

macro_rules! patterns {
    ($($needs:ident { $($bits:literal $($rule:ident)?),* $(,)? })*) => {
        pub const PATTERNS: &[Pattern] = &[$($(Pattern {
            bits: $bits,
            needs: Needs::$needs,
            rule: patterns!(@rule $($rule)?),
        }),*),*];
    };
    (@rule) => { Rule::None };
    (@rule $rule:ident) => { Rule::$rule };
}

patterns! {
    Baseline {
        // Shift, add, subtract, move, compare.
        "00000iiiiisssddd", "00001iiiiisssddd", "00010iiiiisssddd", "0001100tttsssddd", "0001101tttsssddd",
        "0001110iiisssddd", "0001111iiisssddd", "00100dddiiiiiiii", "00101sssiiiiiiii", "00110dddiiiiiiii", "00111dddiiiiiiii",
        // Data processing.
        "0100000000sssddd", "0100000001sssddd", "0100000010sssddd", "0100000011sssddd", "0100000100sssddd", "0100000101sssddd",
        "0100000110sssddd", "0100000111sssddd", "0100001000sssttt", "0100001001sssddd", "0100001010sssttt",
        "0100001011sssttt", "0100001100sssddd", "0100001101sssddd", "0100001110sssddd", "0100001111sssddd",
        // High registers.
        "01000100dssssddd", "01000110dssssddd", "010001011sssst00",
        // Loads and stores.
        "0101000ooobbbsss", "0101001ooobbbsss", "0101010ooobbbsss", "0101011ooobbbddd", "0101100ooobbbddd", "0101101ooobbbddd",
        "0101110ooobbbddd", "0101111ooobbbddd", "01100iiiiiBBBsss", "01101iiiiiBBBddd", "01110iiiiibbbsss", "01111iiiiibbbddd",
        "10000iiiiiBBBsss", "10001iiiiiBBBddd", "10010sss00iiiiii", "10011ddd00iiiiii", "01001ddd0000iiii", "10100dddiiiiiiii",
        "10101dddiiiiiiii",
        // Extension, reversal, stack, multiple.
        "1011001000sssddd", "1011001001sssddd", "1011001010sssddd", "1011001011sssddd", "1011101000sssddd", "1011101001sssddd",
        "1011101011sssddd", "10110100000rrrrr", "10111100000rrrrr", "11000BBB000rrrrr", "11001BBB000rrrrr", "1011111100000000",
        // MRS and MSR of the flags.
        "11110011111011111000dddd00000000", "111100111000ssss1000100000000000",
    }
    Mainline {
        // Modified immediates.
        "11110i00000issss0iiiddddiiiiiiii", "11110i00001issss0iiiddddiiiiiiii", "11110i00010issss0iiiddddiiiiiiii",
        "11110i000101ssss0iiiddddiiiiiiii", "11110i00010i11110iiiddddiiiiiiii", "11110i00011issss0iiiddddiiiiiiii",
        "11110i00011i11110iiiddddiiiiiiii", "11110i00100issss0iiiddddiiiiiiii", "11110i01000issss0iiiddddiiiiiiii",
        "11110i01010issss0iiiddddiiiiiiii", "11110i01011issss0iiiddddiiiiiiii", "11110i01101issss0iiiddddiiiiiiii",
        "11110i01110issss0iiiddddiiiiiiii", "11110i000001ssss0iii1111iiiiiiii", "11110i001001ssss0iii1111iiiiiiii",
        "11110i010001ssss0iii1111iiiiiiii", "11110i011011ssss0iii1111iiiiiiii",
        // Shifted registers.
        "11101010000issss0iiiddddiiiitttt", "11101010001issss0iiiddddiiiitttt", "11101010010issss0iiiddddiiiitttt",
        "11101010010i11110iiiddddiiiitttt", "11101010011issss0iiiddddiiiitttt", "11101010011i11110iiiddddiiiitttt",
        "11101010100issss0iiiddddiiiitttt", "11101011000issss0iiiddddiiiitttt", "11101011010issss0iiiddddiiiitttt",
        "11101011011issss0iiiddddiiiitttt", "11101011101issss0iiiddddiiiitttt", "11101011110issss0iiiddddiiiitttt",
        "111010100001ssss0iii1111iiiitttt", "111010101001ssss0iii1111iiiitttt", "111010110001ssss0iii1111iiiitttt",
        "111010111011ssss0iii1111iiiitttt",
        // Plain immediates, bit fields, saturation.
        "11110i100000ssss0iiiddddiiiiiiii", "11110i101010ssss0iiiddddiiiiiiii", "11110i100100iiii0iiiddddiiiiiiii",
        "11110i101100iiii0iiiddddiiiiiiii", "11110i10000011110iiiddddiiiiiiii", "11110i10101011110iiiddddiiiiiiii",
        "111100110100ssss0lllddddll0wwwww" Extract, "111100111100ssss0lllddddll0wwwww" Extract,
        "111100110110ssss0lllddddll0wwwww" Insert, "11110011011011110lllddddll0wwwww" Insert,
        "111100110000ssss0iiiddddii0iiiii", "111100110010ssss0zzzddddzz0iiiii", "111100111000ssss0iiiddddii0iiiii",
        "111100111010ssss0zzzddddzz0iiiii",
        // Shifts by register, extension, bits.
        "11111010000issss1111dddd0000tttt", "11111010001issss1111dddd0000tttt", "11111010010issss1111dddd0000tttt",
        "11111010011issss1111dddd0000tttt", "11111010000011111111dddd10iissss", "11111010000111111111dddd10iissss",
        "11111010010011111111dddd10iissss", "11111010010111111111dddd10iissss", "111110101001ssss1111dddd1000uuuu" Twice,
        "111110101001ssss1111dddd1001uuuu" Twice, "111110101001ssss1111dddd1010uuuu" Twice,
        "111110101001ssss1111dddd1011uuuu" Twice, "111110101011ssss1111dddd1000uuuu" Twice,
        // Multiplication and division.
        "111110110000ssss1111dddd0000tttt", "111110110000ssssuuuudddd0000tttt", "111110110000ssssuuuudddd0001tttt",
        "111110111000sssshhhhdddd0000tttt", "111110111010sssshhhhdddd0000tttt", "111110111100sssshhhhdddd0000tttt",
        "111110111110sssshhhhdddd0000tttt", "111110111001ssss1111dddd1111tttt", "111110111011ssss1111dddd1111tttt",
        // Loads and stores.
        "111110001100bbbbssssiiiiiiiiiiii", "111110001000bbbbssssiiiiiiiiiiii", "111110001010bbbbssssiiiiiiiiiiii",
        "111110001101bbbbddddiiiiiiiiiiii", "111110001001bbbbddddiiiiiiiiiiii", "111110001011bbbbddddiiiiiiiiiiii",
        "111110011001bbbbddddiiiiiiiiiiii", "111110011011bbbbddddiiiiiiiiiiii", "111110000100bbbbssss1100iiiiiiii",
        "111110000101bbbbdddd1100iiiiiiii", "111110010001bbbbdddd1100iiiiiiii", "111110010011bbbbdddd1100iiiiiiii",
        "111110000100bbbbssss1i11iiiiiiii", "111110000100bbbbssss1001iiiiiiii", "111110000101bbbbdddd1i11iiiiiiii",
        "111110000101bbbbdddd1001iiiiiiii", "111110000000bbbbssss1i11iiiiiiii", "111110000010bbbbssss1i11iiiiiiii",
        "111110000001bbbbdddd1i11iiiiiiii", "111110000011bbbbdddd1i11iiiiiiii", "111110010001bbbbdddd1i11iiiiiiii",
        "111110010011bbbbdddd1001iiiiiiii", "111110000101bbbbdddd1110iiiiiiii", "111110000100bbbbssss1110iiiiiiii",
        "111110000100bbbbssss000000iioooo", "111110000000bbbbssss000000iioooo", "111110000010bbbbssss000000iioooo",
        "111110000101bbbbdddd000000iioooo", "111110000001bbbbdddd000000iioooo", "111110000011bbbbdddd000000iioooo",
        "111110010001bbbbdddd000000iioooo", "111110010011bbbbdddd000000iioooo", "11111000110111110ddd00000iiiiiii",
        "11101001i1i0BBBBsssstttt00iiiiii", "11101001i1i1BBBBhhhhdddd00iiiiii", "11101000i110BBBBsssstttt00iiiiii",
        "11101000i111BBBBhhhhdddd00iiiiii", "1110100010i0BBBB000rr00r000rrrrr", "1110100100i0BBBB000rr00r000rrrrr",
        "1110100010i1BBBB000rr00r000rrrrr", "1110100100i1BBBB000rr00r000rrrrr",
        "111010000101BBBBdddd111100iiiiii", "111010001101BBBBdddd111101001111", "111010001101BBBBdddd111101011111",
        "11110011101111111000111100101111",
    }
    Dsp {
        "111010101100ssss0iiiddddii00tttt", "111010101100ssss0iiiddddii10tttt", "111110100010ssss1111dddd10iitttt",
        "111110100011ssss1111dddd10iitttt", "111110100000ssss1111dddd10iitttt", "111110100001ssss1111dddd10iitttt",
        "111110100100ssss1111dddd10iitttt", "111110100101ssss1111dddd10iitttt", "11111010001011111111dddd10iitttt",
        "11111010001111111111dddd10iitttt", "111110101000ssss1111dddd0i00tttt", "111110101001ssss1111dddd0i00tttt",
        "111110101010ssss1111dddd0i00tttt", "111110101100ssss1111dddd0i00tttt", "111110101101ssss1111dddd0i00tttt",
        "111110101110ssss1111dddd0i00tttt", "111110101000ssss1111dddd0i01tttt", "111110101001ssss1111dddd0i01tttt",
        "111110101010ssss1111dddd0i01tttt", "111110101100ssss1111dddd0i01tttt", "111110101101ssss1111dddd0i01tttt",
        "111110101110ssss1111dddd0i01tttt", "111110101000ssss1111dddd0i10tttt", "111110101001ssss1111dddd0i10tttt",
        "111110101010ssss1111dddd0i10tttt", "111110101100ssss1111dddd0i10tttt", "111110101101ssss1111dddd0i10tttt",
        "111110101110ssss1111dddd0i10tttt", "111110101000ssss1111dddd10iitttt", "111110101010ssss1111dddd1000tttt",
        "111110110001ssssuuuudddd00iitttt", "111110110001ssss1111dddd00iitttt", "111110110010ssssuuuudddd000itttt",
        "111110110010ssss1111dddd000itttt", "111110110011ssssuuuudddd000itttt", "111110110011ssss1111dddd000itttt",
        "111110110100ssssuuuudddd000itttt", "111110110100ssss1111dddd000itttt", "111110110101ssssuuuudddd000itttt",
        "111110110101ssss1111dddd000itttt", "111110110110ssssuuuudddd000itttt", "111110110111ssssuuuudddd0000tttt",
        "111110110111ssss1111dddd0000tttt", "111110111100sssshhhhdddd10iitttt", "111110111100sssshhhhdddd110itttt",
        "111110111101sssshhhhdddd110itttt", "111110111110sssshhhhdddd0110tttt", "111100110010ssss0000dddd0000iiii",
        "111100111010ssss0000dddd0000iiii", "111100111000ssss1000ii0000000000",
    }
    Fpu {
        "111011100D00NNNNDDDD1010N0M0MMMM", "111011100D00NNNNDDDD1010N1M0MMMM", "111011100D01NNNNDDDD1010N0M0MMMM",
        "111011100D01NNNNDDDD1010N1M0MMMM", "111011100D10NNNNDDDD1010N0M0MMMM", "111011100D10NNNNDDDD1010N1M0MMMM",
        "111011100D11NNNNDDDD1010N0M0MMMM", "111011100D11NNNNDDDD1010N1M0MMMM", "111011101D00NNNNDDDD1010N0M0MMMM",
        "111011101D01NNNNDDDD1010N0M0MMMM", "111011101D01NNNNDDDD1010N1M0MMMM", "111011101D10NNNNDDDD1010N0M0MMMM",
        "111011101D10NNNNDDDD1010N1M0MMMM", "111011101D11iiiiDDDD10100000iiii", "111011101D110000DDDD101001M0MMMM",
        "111011101D110000DDDD101011M0MMMM", "111011101D110001DDDD101001M0MMMM", "111011101D110001DDDD101011M0MMMM",
        "111011101D11001iDDDD1010i1M0MMMM", "111011101D110100DDDD1010i1M0MMMM", "111011101D110101DDDD1010i1000000",
        "111011101D111000DDDD1010i1M0MMMM", "111011101D11110iDDDD1010i1M0MMMM", "111011101D111i1iDDDD101011i0iiii",
        "111011101D111i1iDDDD101001i00iii", "111011100000NNNNssss1010N0010000", "111011100001NNNNdddd1010N0010000",
        "111011000100sssstttt101000M10MMM", "111011000101hhhhdddd101000M10MMM", "111011000100sssstttt101100010MMM",
        "111011000101hhhhdddd101100010MMM", "11101110111100011111101000010000", "1110111011110001dddd101000010000",
        "11101101iD00BBBBDDDD101000iiiiii", "11101101iD01BBBBDDDD101000iiiiii", "11101101i000BBBBDDDD101100iiiiii", "11101101i001BBBBDDDD101100iiiiii",
        "1110110010i0BBBB0DDD101000000qqq", "1110110010i1BBBB0DDD101000000qqq", "111011010010BBBB0DDD101000000qqq",
        "111011010011BBBB0DDD101000000qqq", "1110110010i0BBBB0DDD101100000qq0", "1110110010i1BBBB0DDD101100000qq0",
    }
    Fpv5 {
        "111111100DiiNNNNDDDD1010N0M0MMMM", "111111101D00NNNNDDDD1010NiM0MMMM", "111111101D1110iiDDDD101001M0MMMM",
        "111111101D1111iiDDDD1010i1M0MMMM", "111011101D110110DDDD1010i1M0MMMM", "111011101D110111DDDD101001M0MMMM",
    }
    Double {
        "111011100000NNNNDDDD10110i00MMMM", "111011100001NNNNDDDD10110i00MMMM",
        "111011100010NNNNDDDD10110i00MMMM", "111011100011NNNNDDDD10110i00MMMM", "111011101000NNNNDDDD10110000MMMM",
        "111011101001NNNNDDDD10110i00MMMM", "111011101010NNNNDDDD10110i00MMMM", "111011101011iiiiDDDD10110000iiii",
        "1110111010110000DDDD1011i100MMMM", "1110111010110001DDDD1011i100MMMM", "1110111010110100DDDD1011i100MMMM",
        "1110111010110101DDDD1011i1000000", "1110111010110111DDDD10101100MMMM", "111011101D110111DDDD10111100MMMM",
        "1110111010111000DDDD1011i1M0MMMM", "111011101D11110iDDDD1011i100MMMM", "1110111010111i1iDDDD101111i0iiii",
        "1110111010111i1iDDDD101101i00iii", "1110111010110010DDDD1011i1M0MMMM", "111011101D110011DDDD1011i100MMMM",
        "1111111000iiNNNNDDDD10110000MMMM", "111111101000NNNNDDDD10110i00MMMM", "11111110101110iiDDDD10110100MMMM",
        "111111101D1111iiDDDD1011i100MMMM", "1110111010110110DDDD1011i100MMMM",
    }
    V8m {
        "111010001101BBBBdddd111110101111", "111010001100BBBBssss111110101111", "111010001101BBBBdddd111110001111",
        "111010001101BBBBdddd111110011111", "111010001100BBBBssss111110001111", "111010001101BBBBdddd111111101111",
    }
}
