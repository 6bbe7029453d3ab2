//! The log: what happens inside, for whoever asks for it. It goes to standard error.

use crate::failure::Failure;
use tracing_subscriber::EnvFilter;

/// Says what is logged, and overrules the flags.
const VARIABLE: &str = "SIM_LOG";
/// What may be asked for.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts the log: warnings, with `-v` what is found, reused and written, with `-vv` everything.
///
/// # Errors
/// [`Failure::Usage`] where the variable cannot be understood.
pub fn start(verbose: u8) -> Result<(), Failure> {
    let level = match verbose {
        0 => "warn",
        1 => "debug",
        _ => "trace",
    };
    let filter = match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        None => level.to_owned(),
        Some(value) => checked(&value.to_string_lossy())?,
    };
    let filter = EnvFilter::try_new(&filter).map_err(|_| refusal(&filter))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .without_time()
        .init();
    Ok(())
}

/// The filter, if every part of it is a level or `TARGET=LEVEL`. The library takes any other word for the name of a target
/// that nobody has, and is silent.
fn checked(filter: &str) -> Result<String, Failure> {
    let known = |level: &str| LEVELS.contains(&level.trim().to_ascii_lowercase().as_str());
    let sound = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => !target.trim().is_empty() && known(level),
        None => known(part),
    };
    if filter.split(',').all(sound) {
        Ok(filter.to_owned())
    } else {
        Err(refusal(filter))
    }
}

fn refusal(filter: &str) -> Failure {
    Failure::Usage(format!(
        "{VARIABLE} is \"{filter}\", which says nothing about a log. Give a level ({}), or TARGET=LEVEL, or several of these with commas: sim=debug,experiments=trace.",
        LEVELS.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_are_taken_and_words_refused() {
        for good in [
            "debug",
            "WARN",
            "sim=debug",
            "sim=debug,experiments=trace",
            "warn,sim::parts=trace",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in ["loud", "sim", "sim=loud", "=debug", "debug,", "5"] {
            let said = checked(bad).expect_err(bad).to_string();
            assert!(said.contains("SIM_LOG") && said.contains("trace"), "{said}");
        }
    }
}
