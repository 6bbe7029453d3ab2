//! The binary, as a person or a script uses it.

mod bad_input;
mod emulator;
mod experiments;
mod inspect;
mod measure;
mod parts;
mod places;
mod support;
mod validate;
