//! Enums whose variants have numbers in images, so that a number is written once.

/// Declares an enum with a number for each variant: `from_code`, `code` and `ALL` follow.
#[macro_export]
macro_rules! codes {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident { $($(#[$doc:meta])* $Variant:ident = $code:literal,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $Name { $($(#[$doc])* $Variant = $code,)* }

        impl $Name {
            /// Every one, by number.
            pub const ALL: &[Self] = &[$(Self::$Variant,)*];

            /// The one with this number, if there is one.
            pub fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$Variant),)*
                    _ => None,
                }
            }

            /// Its number.
            pub fn code(self) -> u32 {
                self as u32
            }
        }
    };
}
