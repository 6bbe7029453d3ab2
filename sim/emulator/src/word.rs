//! Bytes, halfwords and words, so that one function loads or stores each of them.

/// A value that loads and stores move.
pub(crate) trait Word: Copy {
    const BYTES: usize;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, bytes: &mut [u8]);
    fn to_u32(self) -> u32;
    fn from_u32(value: u32) -> Self;
}

macro_rules! word {
    ($($t:ty, $n:literal);*) => {$(
        impl Word for $t {
            const BYTES: usize = $n;
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut raw = [0; $n];
                raw.copy_from_slice(bytes);
                <$t>::from_le_bytes(raw)
            }
            #[inline(always)]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn to_u32(self) -> u32 {
                u32::from(self)
            }
            #[inline(always)]
            fn from_u32(value: u32) -> Self {
                value as $t
            }
        }
    )*};
}
word!(u8, 1; u16, 2; u32, 4);
