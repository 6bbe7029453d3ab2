//! The way to a board: through which probe or port, and which board it is where only its chip is named.

use crate::cli::Validate;
use crate::config::Config;
use crate::failure::Failure;
use sim_mcu::Board;

/// The probe that is no hardware.
const EMULATED_PROBE: &str = "emulated";

/// How a board is reached.
pub enum Way {
    /// Through no hardware at all.
    Rehearsal,
    /// Through a debug probe.
    #[cfg(feature = "embedded")]
    Probe(sim_device::probe::Selection),
    /// Through a serial port; the probe, if any, flashes.
    #[cfg(feature = "embedded")]
    Serial {
        port: String,
        uart: sim_device::Uart,
        probe: sim_device::probe::Selection,
    },
}

/// How `options` want the board to be reached.
///
/// # Errors
/// [`Failure::Usage`] where this program cannot.
pub fn way(options: &Validate, board: &Board, chip: &str) -> Result<Way, Failure> {
    if options.probe.as_deref() == Some(EMULATED_PROBE) {
        return match options.serial {
            None => Ok(Way::Rehearsal),
            Some(_) => Err(Failure::Usage(
                "The emulated probe has no serial port: give --probe emulated or --serial."
                    .to_owned(),
            )),
        };
    }
    by_hardware(options, board, chip)
}

#[cfg(feature = "embedded")]
fn by_hardware(options: &Validate, board: &Board, chip: &str) -> Result<Way, Failure> {
    let selection = sim_device::probe::Selection {
        chip: chip.to_owned(),
        probe: options.probe.clone(),
        unlock: options.unlock,
    };
    let Some(port) = &options.serial else {
        return Ok(Way::Probe(selection));
    };
    let uart = sim_device::uart::of_board(&board.name).map_err(|known| {
        Failure::Usage(format!(
            "The serial port of {} is not known; leave --serial out to talk through the probe. Known are those of {known}.",
            board.name
        ))
    })?;
    Ok(Way::Serial {
        port: port.clone(),
        uart,
        probe: selection,
    })
}

#[cfg(not(feature = "embedded"))]
fn by_hardware(options: &Validate, _: &Board, _: &str) -> Result<Way, Failure> {
    Err(Failure::Usage(format!(
        "This program was built without debug probes and serial ports. Build it with them: \
         cargo run --release --features embedded -- validate {} --device board. \
         To rehearse without a board, add --probe {EMULATED_PROBE}.",
        options.config.display()
    )))
}

/// The board with this chip: the config's, or else a built-in one.
///
/// # Errors
/// [`Failure::Usage`] where there is none.
pub fn board_of(chip: &str, config: &Config) -> Result<Board, Failure> {
    let same = |board: &Board| {
        board.probe_chip.as_ref().is_some_and(|known| {
            let (a, b) = (known.value.to_lowercase(), chip.to_lowercase());
            // Makers append the package and the temperature range.
            a.starts_with(&b) || b.starts_with(&a)
        })
    };
    let built_in = sim_mcu::boards()?;
    let found = config.boards.iter().chain(&built_in).find(|b| same(b));
    found.cloned().ok_or_else(|| {
        let known: Vec<_> = built_in
            .iter()
            .filter_map(|board| Some(board.probe_chip.as_ref()?.value.as_str()))
            .collect();
        Failure::Usage(format!(
            "No board profile has the chip {chip}; name a board or a profile of your own with --board. Known chips: {}.",
            known.join(", ")
        ))
    })
}
