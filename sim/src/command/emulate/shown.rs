//! What `sim emulate` shows: figures as text or as JSON.

use crate::cli::Emulate;
use crate::failure::Failure;
use crate::outcome::columns;
use sim_emulator::profile::{Row, by_address, by_function, by_line};
use sim_emulator::timing::Columns;
use sim_emulator::{Emulator, Stop};
use sim_mcu::Board;

/// Rows of a table that are shown.
const ROWS: usize = 20;
/// Bytes in a row of memory.
const ROW_BYTES: usize = 16;

/// A run that is over.
pub struct Shown<'a> {
    /// The machine as it stopped.
    pub emulator: &'a Emulator,
    /// Its board.
    pub board: &'a Board,
    /// Why it stopped.
    pub reason: String,
    /// The same for a program; nothing after Ctrl-C.
    pub stop: Option<&'a Stop>,
    /// Whether that is a failure, which a person is told of on standard error.
    pub failed: bool,
    /// What was asked for.
    pub options: &'a Emulate,
}

impl Shown<'_> {
    /// The figures for a person.
    ///
    /// # Errors
    /// [`Failure::Usage`] where memory that is to be shown is not there.
    pub fn text(&self) -> Result<String, Failure> {
        let emulator = self.emulator;
        let Columns {
            table,
            rules,
            memory,
        } = emulator.cycles();
        let ended = if self.failed {
            "up to where it stopped"
        } else {
            &self.reason
        };
        let mut text = format!("{}: {ended}\n", self.options.image.display());
        text.push_str(&format!("instructions {:>14}\n", emulator.instructions()));
        for (what, cycles) in [
            ("table", table),
            ("table + rules", rules),
            ("table + rules + memory: the estimate", memory),
        ] {
            text.push_str(&format!(
                "cycles {cycles:>20}  {:>12.3} ms  {what}\n",
                self.board.milliseconds(cycles as f64)
            ));
        }
        if let Some(timing) = emulator.timing() {
            let fidelity = timing.table().fidelity();
            text.push_str(&format!("the estimate against hardware: {fidelity}\n"));
            text.push_str(&format!("flash: {}\n", timing.flash_access()));
        }
        text.push_str(&format!(
            "stack high-water mark {} bytes\n",
            emulator.stack_high_water()
        ));
        text.push_str(&format!("r0 {:#010x}\n", emulator.core().r[0]));
        text.push_str(&self.regions());
        text.push_str(&self.registers());
        text.push_str(&self.classes());
        if self.options.profile {
            text.push_str(&rows("function", &by_function(emulator)));
            let lines = by_line(emulator);
            // Without line tables, addresses are as near as it gets.
            text.push_str(&if lines.is_empty() {
                rows("address", &by_address(emulator))
            } else {
                rows("line", &lines)
            });
        }
        for range in &self.options.dump {
            let (address, bytes) = range.read(emulator)?;
            text.push_str(&dump(address, &bytes));
        }
        Ok(text)
    }

    fn regions(&self) -> String {
        let used = self.emulator.regions().iter();
        let used = used.filter(|r| r.loads + r.stores > 0).map(|r| {
            vec![
                r.name.clone(),
                format!("{:#010x}", r.base),
                r.loads.to_string(),
                r.stores.to_string(),
            ]
        });
        table(["memory", "from", "loads", "stores"], used.collect())
    }

    fn registers(&self) -> String {
        let touched = self.emulator.touched_peripherals();
        let touched = touched.iter().map(|t| {
            vec![
                format!("{:#010x}", t.address),
                format!("{:#010x}", t.value),
                t.reads.to_string(),
                t.writes.to_string(),
            ]
        });
        table(
            ["register", "last value", "reads", "writes"],
            touched.collect(),
        )
    }

    fn classes(&self) -> String {
        let classes = self.emulator.timing().map(|t| t.by_class());
        let mut classes = classes.unwrap_or_default();
        classes.sort_by_key(|(class, _, cycles)| (std::cmp::Reverse(cycles.memory), *class));
        let lines = classes.iter().map(|(class, instructions, cycles)| {
            vec![
                class.name(),
                String::new(),
                instructions.to_string(),
                cycles.table.to_string(),
                cycles.rules.to_string(),
                cycles.memory.to_string(),
            ]
        });
        let header = ["class", "", "instructions", "table", "+ rules", "+ memory"];
        table(header, lines.collect())
    }

    /// The figures for a program; `output` is what the emulated one wrote.
    ///
    /// # Errors
    /// [`Failure::Usage`] where memory that is to be shown is not there.
    pub fn json(&self, output: &str) -> Result<String, Failure> {
        let emulator = self.emulator;
        let profile = |rows: fn(&Emulator) -> Vec<Row>| -> Vec<serde_json::Value> {
            let rows = if self.options.profile {
                rows(emulator)
            } else {
                Vec::new()
            };
            let one = |row: &Row| {
                serde_json::json!({
                    "name": row.name, "cycles": row.counts.cycles,
                    "instructions": row.counts.instructions,
                })
            };
            rows.iter().map(one).collect()
        };
        let classes = emulator.timing().map(|t| t.by_class()).unwrap_or_default();
        let classes = classes.iter().map(|(class, instructions, cycles)| {
            serde_json::json!({
                "class": class.name(), "instructions": instructions, "cycles": cycles,
            })
        });
        let regions = emulator.regions().iter().map(|r| {
            serde_json::json!({
                "name": r.name, "base": r.base, "bytes": r.data.len(),
                "loads": r.loads, "stores": r.stores,
            })
        });
        let registers = emulator.touched_peripherals();
        let registers = registers.iter().map(|t| {
            serde_json::json!({
                "address": t.address, "value": t.value, "reads": t.reads, "writes": t.writes,
            })
        });
        let dumps = self.options.dump.iter().map(|range| {
            let (address, bytes) = range.read(emulator)?;
            Ok(serde_json::json!({ "address": address, "bytes": bytes }))
        });
        let value = serde_json::json!({
            "image": self.options.image.display().to_string(),
            "board": self.board.name,
            "stop": self.reason,
            "ended": self.stop,
            "failed": self.failed,
            "output": output,
            "instructions": emulator.instructions(),
            "cycles": emulator.cycles(),
            "flash": emulator.timing().map(|t| t.flash_access()),
            "fidelity": emulator.timing().map(|t| t.table().fidelity()),
            "stack_high_water_bytes": emulator.stack_high_water(),
            "registers": registers_with_pc(emulator),
            "xpsr": emulator.core().xpsr(),
            "floats": emulator.core().s,
            "fpscr": emulator.core().fpscr.bits(),
            "classes": classes.collect::<Vec<_>>(),
            "memories": regions.collect::<Vec<_>>(),
            "peripherals": registers.collect::<Vec<_>>(),
            "functions": profile(by_function),
            "lines": profile(by_line),
            "addresses": profile(by_address),
            "dumps": dumps.collect::<Result<Vec<_>, Failure>>()?,
        });
        Ok(format!(
            "{}\n",
            serde_json::to_string_pretty(&value).unwrap_or_default()
        ))
    }
}

/// R0 to R14 and PC.
fn registers_with_pc(emulator: &Emulator) -> Vec<u32> {
    let core = emulator.core();
    core.r[..15].iter().copied().chain([core.pc]).collect()
}

fn rows(what: &str, rows: &[Row]) -> String {
    let shown = rows.iter().take(ROWS).map(|row| {
        vec![
            row.counts.cycles.to_string(),
            row.counts.instructions.to_string(),
            row.name.clone(),
        ]
    });
    let mut text = table(["cycles", "instructions", what], shown.collect());
    if let Some(more) = rows.len().checked_sub(ROWS + 1) {
        text.push_str(&format!("and {} more; --json lists all\n", more + 1));
    }
    text
}

/// Memory as people read it: address, bytes, and those that are letters.
fn dump(address: u32, bytes: &[u8]) -> String {
    let mut text = "\n".to_owned();
    for (row, bytes) in bytes.chunks(ROW_BYTES).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let letters = bytes.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        });
        text.push_str(&format!(
            "{:08x}  {:width$}  {}\n",
            address.wrapping_add((row * ROW_BYTES) as u32),
            hex.join(" "),
            letters.collect::<String>(),
            width = 3 * ROW_BYTES - 1
        ));
    }
    text
}

/// A table with an empty line before it; nothing where it has no rows.
fn table<const N: usize>(header: [&str; N], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let header = header.map(str::to_owned).to_vec();
    let all: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    format!("\n{}", columns(&all))
}
