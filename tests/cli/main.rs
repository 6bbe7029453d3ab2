//! The binary, as a person or a script uses it.

mod bad_input;
mod emulator;
mod experiments;
mod measure;
mod parts;
mod places;
mod support;
mod validate;
