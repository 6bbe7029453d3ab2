//! A core's table: its features, the cycles of every class, the pipeline rules, and where each figure is from.

use serde::{Deserialize, Serialize};

use super::class::Class;
use super::fidelity::Fidelity;
use crate::fault::Error;
use crate::features::Features;

/// Names of the cores that have a table.
pub const CORE_NAMES: &[&str] = &[
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4f",
    "cortex-m7",
    "cortex-m33",
];

const BUILTIN: [&str; 5] = [
    include_str!("../../../../configs/cores/cortex-m0plus.toml"),
    include_str!("../../../../configs/cores/cortex-m3.toml"),
    include_str!("../../../../configs/cores/cortex-m4f.toml"),
    include_str!("../../../../configs/cores/cortex-m7.toml"),
    include_str!("../../../../configs/cores/cortex-m33.toml"),
];

/// How sure a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tag {
    /// Read in the source named beside it.
    S,
    /// Measured or derived by the project.
    M,
    /// General knowledge, not verified.
    K,
    /// Fitted.
    #[serde(rename = "fit")]
    Fit,
}

/// Everything the emulator knows of a core. Tables of other tools in the same file are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoreTable {
    /// The name that machines use.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// How far its cycles are from hardware.
    pub fidelity: Fidelity,
    /// What the core can execute.
    pub features: Features,
    /// Cycles by class.
    pub classes: Vec<ClassRow>,
    /// Pipeline rules.
    #[serde(default)]
    pub rules: Rules,
    /// How the core predicts branches, where the rule `mispredicted_branch` says what a wrong prediction costs.
    #[serde(default)]
    pub predictor: Option<PredictorRow>,
}

/// One row: the cycles of a class, under which condition, from which source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRow {
    /// The class.
    pub class: Class,
    /// Cycles with nothing in the way: the first column.
    pub cycles: u32,
    /// Cycles more for each register of a list.
    #[serde(default)]
    pub per_register: u32,
    /// Registers of a list that move at once.
    #[serde(default = "one")]
    pub registers_per_cycle: u32,
    /// Cycles more where the instruction branches: the pipeline refill.
    #[serde(default)]
    pub taken: u32,
    /// The most cycles, where they depend on the operands; `cycles` is the least.
    #[serde(default)]
    pub max_cycles: Option<u32>,
    /// Cycles that the pipeline rules count instead of `cycles`.
    #[serde(default)]
    pub issue: Option<u32>,
    /// Cycles from issue until another instruction can use the result; by default those of issue.
    #[serde(default)]
    pub latency: Option<u32>,
    /// The same where the result is the next one's accumulator.
    #[serde(default)]
    pub accumulate_latency: Option<u32>,
    /// The same where the result is an operand of plain data processing, which takes it late; not of loads of less than a word.
    #[serde(default)]
    pub late_latency: Option<u32>,
    /// The same where the result is stored, of floating-point instructions.
    #[serde(default)]
    pub store_latency: Option<u32>,
    /// Cycles after issue during which no floating-point instruction can start.
    #[serde(default)]
    pub blocks_fp: u32,
    /// Under which condition the figures hold.
    #[serde(default)]
    pub when: String,
    /// Where they come from.
    pub source: String,
    /// How sure they are.
    pub tag: Tag,
}

const fn one() -> u32 {
    1
}

/// What remembers branches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictorRow {
    /// Branches that it remembers at once.
    pub entries: u32,
    /// Where its organisation comes from.
    pub source: String,
    /// How sure it is.
    pub tag: Tag,
}

/// A pipeline rule: cycles it adds or saves, and its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Cycles that it adds or saves.
    pub cycles: u32,
    /// Where it comes from.
    pub source: String,
    /// How sure it is.
    pub tag: Tag,
}

/// The pipeline rules a core has; what is absent does not apply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// A load or store right after a load saves this, unless its address needs the loaded register.
    pub load_pipelining: Option<Rule>,
    /// What `load_pipelining` saves a load that changes its address register; only the first of several saves without it.
    pub indexed_load_pipelining: Option<Rule>,
    /// A store with an immediate offset takes this: the write buffer holds it.
    pub store_buffer: Option<Rule>,
    /// A load right after a store with an immediate offset adds this: the store's data are on the bus then.
    pub load_after_store: Option<Rule>,
    /// An address from the preceding data-processing instruction adds this.
    pub address_dependency: Option<Rule>,
    /// A branch to a 32-bit instruction across a word boundary adds this.
    pub branch_to_unaligned_wide: Option<Rule>,
    /// The third of three 32-bit instructions across word boundaries that follow an instruction of several cycles adds this, after
    /// each such instruction.
    pub unaligned_wide_group: Option<Rule>,
    /// An unaligned access adds this.
    pub unaligned_access: Option<Rule>,
    /// IT behind a 16-bit instruction saves this.
    pub folded_it: Option<Rule>,
    /// Taking an exception.
    pub exception_entry: Option<Rule>,
    /// Returning from one.
    pub exception_return: Option<Rule>,
    /// A not-taken branch, IT or NOP behind a 16-bit instruction costs nothing, and a taken branch behind
    /// one that sets no flags saves this.
    pub paired_branch: Option<Rule>,
    /// Two instructions may issue together (Cortex-M7).
    pub dual_issue: Option<Rule>,
    /// A product that sets the flags adds this.
    pub flags_of_product: Option<Rule>,
    /// After an accumulated floating-point product, additions, constants and what moves several words of floats cannot start for so
    /// many cycles, nor single loads, stores and moves of floats be the younger of two.
    pub after_float_accumulation: Option<Rule>,
    /// A conditional branch that does not go as predicted adds this.
    pub mispredicted_branch: Option<Rule>,
}

impl CoreTable {
    /// The table that comes with the emulator.
    ///
    /// # Errors
    /// [`Error::UnknownCore`] where there is none of that name.
    pub fn builtin(name: &str) -> Result<Self, Error> {
        let index = CORE_NAMES
            .iter()
            .position(|&n| n == name)
            .ok_or_else(|| Error::UnknownCore(name.to_owned()))?;
        Self::parse(name, BUILTIN[index])
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::CoreTable`] where it is malformed, or a class is missing or given twice.
    pub fn parse(name: &str, text: &str) -> Result<Self, Error> {
        let wrong = |problem: String| Error::CoreTable {
            core: name.to_owned(),
            problem,
        };
        let table: CoreTable = toml::from_str(text).map_err(|e| wrong(e.to_string()))?;
        for class in Class::ALL {
            let rows = table.classes.iter().filter(|r| r.class == *class).count();
            let needed = table.needs(*class);
            if rows > 1 || rows == 0 && needed {
                return Err(wrong(format!(
                    "class `{}` has {rows} rows; it needs exactly one",
                    class.name()
                )));
            }
        }
        if let Some(row) = table
            .classes
            .iter()
            .find(|r| r.registers_per_cycle == 0 || r.cycles > 1000)
        {
            return Err(wrong(format!(
                "class `{}` has figures out of range",
                row.class.name()
            )));
        }
        match table.fidelity.problem() {
            Some(problem) => Err(wrong(problem.to_owned())),
            None => Ok(table),
        }
    }

    /// How far the cycles that are counted with this table, on a board's memory, are from hardware.
    #[must_use]
    pub fn fidelity(&self) -> &Fidelity {
        &self.fidelity
    }

    /// Whether instructions of a class exist on this core.
    fn needs(&self, class: Class) -> bool {
        use crate::features::Fpu;
        let f = &self.features;
        match class {
            c if c >= Class::FpDoubleAdd => f.fpu == Fpu::Fpv5Dp,
            c if c >= Class::FpMove => f.has_fpu(),
            Class::Simd
            | Class::DspMultiply
            | Class::DspMultiplyAccumulate
            | Class::DspMultiplyAccumulateLong => f.dsp,
            Class::Divide
            | Class::MultiplyAccumulate
            | Class::MultiplyLong
            | Class::MultiplyAccumulateLong
            | Class::Saturate
            | Class::LoadPair
            | Class::StorePair
            | Class::LoadPc
            | Class::TableBranch
            | Class::CompareBranch
            | Class::It
            | Class::Skipped
            | Class::Exclusive => f.mainline,
            _ => true,
        }
    }

    /// The row of a class.
    #[must_use]
    pub fn row(&self, class: Class) -> Option<&ClassRow> {
        self.classes.iter().find(|r| r.class == class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_table_is_complete() {
        for name in CORE_NAMES {
            let table = CoreTable::builtin(name).unwrap();
            assert_eq!(table.name, *name);
            assert!(table.classes.iter().all(|r| !r.source.is_empty()));
        }
    }

    #[test]
    fn a_missing_class_is_named() {
        let text = BUILTIN[0].replacen("class = \"multiply\"", "class = \"divide\"", 1);
        let problem = CoreTable::parse("cortex-m0plus", &text)
            .unwrap_err()
            .to_string();
        assert!(problem.contains("`multiply` has 0 rows"), "{problem}");
    }
}
