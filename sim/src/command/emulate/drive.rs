//! How a program is run: from where to where, one function alone, instruction by instruction, until Ctrl-C.

use crate::cli::Emulate;
use crate::failure::Failure;
use crate::interrupt;
use sim_emulator::{Emulator, Stop};
use std::io::Write;

/// Instructions between two looks at whether somebody pressed Ctrl-C: a fraction of a second.
const SLICE: u64 = 1 << 24;

/// The places that the options name, as addresses.
pub struct Places {
    pub entry: Option<u32>,
    /// The functions to call, and their arguments.
    calls: Vec<(u32, Vec<u32>)>,
    from: Option<u32>,
    until: Option<u32>,
}

impl Places {
    /// Finds them in the image that is loaded.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is none like one of them.
    pub fn of(emulator: &Emulator, options: &Emulate) -> Result<Self, Failure> {
        let code = |place: &Option<crate::place::Place>| {
            place.as_ref().map(|p| p.code(emulator)).transpose()
        };
        let calls = options.call.iter().map(|call| {
            let arguments = call.arguments.iter().map(|a| a.argument(emulator));
            Ok((
                call.function.code(emulator)?,
                arguments.collect::<Result<_, _>>()?,
            ))
        });
        Ok(Self {
            entry: code(&options.entry)?,
            calls: calls.collect::<Result<_, Failure>>()?,
            from: code(&options.from)?,
            until: code(&options.until)?,
        })
    }
}

/// How a run ended.
pub struct Ended {
    /// Why execution stopped; nothing after Ctrl-C.
    pub stop: Option<Stop>,
    /// The place that it should have come to before.
    pub missed: Option<u32>,
}

/// Runs the program, or start-up code and then one function, or what is counted from somewhere on.
///
/// # Errors
/// [`Failure`] where the call cannot be made, or the trace not be written.
pub fn drive(
    emulator: &mut Emulator,
    options: &Emulate,
    places: &Places,
) -> Result<Ended, Failure> {
    let limit = options.max_instructions;
    let before = if places.calls.is_empty() {
        places.from
    } else {
        places.until
    };
    if let Some(place) = before {
        if emulator.core().pc != place {
            let stop = run(emulator, limit, Some(place));
            if !matches!(stop, Some(Stop::Address(_))) {
                let missed = stop.is_some().then_some(place);
                return Ok(Ended { stop, missed });
            }
        }
        emulator.clear_figures();
    }
    let mut until = places.until;
    for (i, (function, arguments)) in places.calls.iter().enumerate() {
        if i > 0 {
            let stop = run(emulator, limit, None);
            if stop != Some(Stop::Returned) {
                return Ok(Ended { stop, missed: None });
            }
            emulator.clear_figures();
        }
        // Set up, and not yet begun.
        emulator
            .call(*function, arguments, 0)
            .map_err(|e| Failure::Usage(format!("The call cannot be made: {e}.")))?;
        until = None;
    }
    if until.is_some_and(|place| before.is_none() && emulator.core().pc == place) {
        let stop = until.map(Stop::Address);
        return Ok(Ended { stop, missed: None });
    }
    let stop = if options.trace {
        trace(emulator, limit, until)?
    } else {
        run(emulator, limit, until)
    };
    let reached = matches!(stop, Some(Stop::Address(_)) | None);
    let missed = until.filter(|_| !reached);
    Ok(Ended { stop, missed })
}

/// Runs in slices; nothing after Ctrl-C.
fn run(emulator: &mut Emulator, limit: u64, until: Option<u32>) -> Option<Stop> {
    let mut left = limit;
    loop {
        let slice = left.min(SLICE);
        left -= slice;
        let stop = match until {
            Some(address) => emulator.run_until(address, slice),
            None => emulator.run(slice),
        };
        if stop != Stop::InstructionLimit || left == 0 {
            return Some(stop);
        }
        // A run does not stop where it begins.
        if until == Some(emulator.core().pc) {
            return until.map(Stop::Address);
        }
        if interrupt::requested() {
            return None;
        }
    }
}

/// Runs one instruction at a time and shows each on standard error, behind the cycles before it; nothing after Ctrl-C.
fn trace(emulator: &mut Emulator, limit: u64, until: Option<u32>) -> Result<Option<Stop>, Failure> {
    for step in 0..limit {
        let pc = emulator.core().pc;
        if step > 0 && until == Some(pc) {
            return Ok(Some(Stop::Address(pc)));
        }
        if let Some(instruction) = emulator.instruction_at(pc) {
            let function = emulator.function_at(pc).unwrap_or_default();
            let cycles = emulator.timing().map_or(0, |timing| timing.clock());
            let line = format!("{cycles:>10}  {pc:08x}  {instruction:40} {function}\n");
            std::io::stderr()
                .write_all(line.as_bytes())
                .map_err(Failure::Output)?;
        }
        match emulator.run(1) {
            Stop::InstructionLimit if interrupt::requested() => return Ok(None),
            Stop::InstructionLimit => {}
            stop => return Ok(Some(stop)),
        }
    }
    Ok(Some(Stop::InstructionLimit))
}
