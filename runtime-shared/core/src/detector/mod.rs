//! Drift detection on the device: has the stream of outcomes changed?
//!
//! A detector takes one number a sample and answers with a [`Verdict`]. The number is 1 where the prediction was
//! wrong and 0 where it was right, or, where labels are missing, something else that rises with trouble, such as one
//! minus the confidence. Detectors that are defined on errors only say so: they take anything but 0 as an error.
//!
//! A detector here is its parameters. What it remembers is a slice of [`Detector::words`] words that the caller keeps
//! in the arena, so that RAM is counted where all other RAM is. Memory is bounded, nothing is allocated, and
//! arithmetic is f32 and integers: cores without double precision run the same code. Each file says what it rounds
//! otherwise than its reference, river 0.26.1 or MOA; the fixtures in `tests/` compare alarm for alarm.
//!
//! A new detector is a file here that implements [`Detect`], a line in the table below, and a feature in `Cargo.toml`, so
//! that who does not use it need not link it. Configs, images and reports read its name and its [`Parameter`]s from
//! there.

mod adwin;
mod cusum;
mod ddm;
mod eddm;
mod hddm_a;
mod hddm_w;
mod kswin;
mod page_hinkley;

pub use adwin::Adwin;
pub use cusum::Cusum;
pub use ddm::Ddm;
pub use eddm::Eddm;
pub use hddm_a::HddmA;
pub use hddm_w::HddmW;
pub use kswin::{Kswin, distance, probability};
pub use page_hinkley::{PageHinkley, PageHinkleyTest};

/// What a detector says after a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing has changed.
    #[default]
    None,
    /// Something may have changed: the samples from the first warning on may be of a new concept.
    Warning,
    /// Something has changed. The detector has started from nothing again.
    Drift,
}

/// A parameter of a detector, as configs name it and images hold it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its key.
    pub name: &'static str,
    /// What it is, in a phrase.
    pub summary: &'static str,
    /// What is published, or what this project found.
    pub default: f32,
    /// The lowest value allowed.
    pub lowest: f32,
    /// The highest value allowed.
    pub highest: f32,
    /// Whether it counts something.
    pub whole: bool,
}

impl Parameter {
    /// Whether `value` may stand for it.
    pub fn allows(&self, value: f32) -> bool {
        let fractional = value as u32 as f32 != value;
        value >= self.lowest && value <= self.highest && !(self.whole && fractional)
    }
}

/// A parameter that counts something.
const fn count(
    name: &'static str,
    summary: &'static str,
    default: u32,
    range: [u32; 2],
) -> Parameter {
    Parameter {
        name,
        summary,
        default: default as f32,
        lowest: range[0] as f32,
        highest: range[1] as f32,
        whole: true,
    }
}

/// A parameter that is a real number.
const fn real(
    name: &'static str,
    summary: &'static str,
    default: f32,
    range: [f32; 2],
) -> Parameter {
    Parameter {
        name,
        summary,
        default,
        lowest: range[0],
        highest: range[1],
        whole: false,
    }
}

/// The highest count that an f32 holds exactly, and so the highest that an image can ask for.
const MOST: u32 = 1 << 24;

/// Samples (or errors) before a detector may fire.
const MINIMUM: Parameter = count("minimum", "samples before it may fire", 30, [0, MOST]);

/// What every detector does.
pub trait Detect: Sized {
    /// Its parameters, in the order of [`Detect::read`].
    const PARAMETERS: &'static [Parameter];

    /// The detector of these parameters; `None` where their number is wrong or they contradict each other.
    fn read(parameters: &[f32]) -> Option<Self>;

    /// Words of state.
    fn words(&self) -> usize;

    /// Starts from nothing.
    fn reset(&self, state: &mut [u32]);

    /// Takes the next value, which is finite. State of the wrong length is left alone.
    fn update(&self, state: &mut [u32], x: f32) -> Verdict;
}

/// A line of the table of detectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Its number in images; 0 is no detector.
    pub number: u32,
    /// Its name in configs and reports.
    pub name: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

macro_rules! detectors {
    ($($number:literal $Variant:ident($Type:ty) $name:literal $feature:literal $summary:literal;)*) => {
        /// A detector and its parameters.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Detector {
            $(#[cfg(feature = $feature)] #[doc = $summary] $Variant($Type),)*
        }

        /// Every detector there is.
        pub const TABLE: &[Entry] = &[$(#[cfg(feature = $feature)] Entry {
            number: $number,
            name: $name,
            parameters: <$Type as Detect>::PARAMETERS,
        },)*];

        #[allow(unused_variables, reason = "where no detector is linked nothing is left")]
        impl Detector {
            /// The detector `number` of the table, with `parameters` in the order of its entry; `None` where there is no
            /// such detector, or a parameter is missing, left over, out of range or at odds with another.
            pub fn read(number: u32, parameters: &[f32]) -> Option<Self> {
                match number {
                    $(#[cfg(feature = $feature)] $number if allowed(<$Type as Detect>::PARAMETERS, parameters) => {
                        <$Type as Detect>::read(parameters).map(Self::$Variant)
                    })*
                    _ => None,
                }
            }

            /// Words of state that the caller keeps for it.
            pub fn words(&self) -> usize {
                match *self { $(#[cfg(feature = $feature)] Self::$Variant(ref d) => d.words(),)* }
            }

            /// Makes the state that of a detector that has seen nothing.
            pub fn reset(&self, state: &mut [u32]) {
                match *self { $(#[cfg(feature = $feature)] Self::$Variant(ref d) => d.reset(state),)* }
            }

            /// Takes the next value. One that is not finite says nothing, and is left out.
            pub fn update(&self, state: &mut [u32], x: f32) -> Verdict {
                if !x.is_finite() {
                    return Verdict::None;
                }
                match *self { $(#[cfg(feature = $feature)] Self::$Variant(ref d) => d.update(state, x),)* }
            }
        }
    };
}

detectors! {
    1 PageHinkley(PageHinkleyTest) "page_hinkley" "page-hinkley" "Page–Hinkley, river's statistic, one-sided.";
    2 Ddm(Ddm) "ddm" "ddm" "DDM: the error rate above its lowest.";
    3 Eddm(Eddm) "eddm" "eddm" "EDDM: errors closer together than they were at most.";
    4 Cusum(Cusum) "cusum" "cusum" "CUSUM: what is above the mean, summed up.";
    5 Adwin(Adwin) "adwin" "adwin" "ADWIN: a window of two parts whose means differ.";
    6 Kswin(Kswin) "kswin" "kswin" "KSWIN: Kolmogorov–Smirnov between newest and older samples.";
    7 HddmA(HddmA) "hddm_a" "hddm-a" "HDDM_A: means compared by Hoeffding's bound.";
    8 HddmW(HddmW) "hddm_w" "hddm-w" "HDDM_W: weighted means compared by McDiarmid's bound.";
}

#[allow(dead_code, reason = "where no detector is linked")]
fn allowed(parameters: &[Parameter], values: &[f32]) -> bool {
    parameters.len() == values.len() && parameters.iter().zip(values).all(|(p, v)| p.allows(*v))
}

impl Detector {
    /// The detector of an entry of the table with its default parameters.
    pub fn by_default(entry: &Entry) -> Option<Self> {
        let mut values = [0.0; 8];
        let values = values.get_mut(..entry.parameters.len())?;
        for (value, parameter) in values.iter_mut().zip(entry.parameters) {
            *value = parameter.default;
        }
        Self::read(entry.number, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn all() -> impl Iterator<Item = (&'static Entry, Detector)> {
        TABLE.iter().map(|entry| {
            let detector = Detector::by_default(entry).expect("its defaults are allowed");
            (entry, detector)
        })
    }

    #[test]
    fn numbers_and_names_are_distinct_and_parameters_are_checked() {
        for (i, (entry, detector)) in all().enumerate() {
            assert!(
                TABLE[..i]
                    .iter()
                    .all(|e| e.number != entry.number && e.name != entry.name)
            );
            let defaults: Vec<f32> = entry.parameters.iter().map(|p| p.default).collect();
            assert_eq!(Detector::read(entry.number, &defaults), Some(detector));
            assert_eq!(Detector::read(entry.number, &defaults[1..]), None);
            for bad in [f32::NAN, f32::INFINITY, -1.0] {
                for at in 0..defaults.len() {
                    let mut values = defaults.clone();
                    values[at] = bad;
                    assert_eq!(
                        Detector::read(entry.number, &values),
                        None,
                        "{}",
                        entry.name
                    );
                }
            }
        }
        assert_eq!(Detector::read(0, &[]), None);
    }

    #[test]
    fn state_is_bounded_and_a_drift_starts_from_nothing() {
        for (entry, detector) in all() {
            let fresh = {
                let mut state = vec![u32::MAX; detector.words()];
                detector.reset(&mut state);
                state
            };
            let (mut state, mut rng, mut drifts) = (fresh.clone(), Rng::new(3), 0);
            for i in 0..6000 {
                let rate = if i / 1000 % 2 == 0 { 0.02 } else { 0.6 };
                let error = rng.unit() < rate;
                if detector.update(&mut state, f32::from(u8::from(error))) == Verdict::Drift {
                    drifts += 1;
                    assert_eq!(state, fresh, "{}", entry.name);
                }
            }
            assert!((1..100).contains(&drifts), "{}: {drifts}", entry.name);
        }
    }

    #[test]
    fn hostile_values_and_states_do_not_panic() {
        for (_, detector) in all() {
            let values = [
                0.0,
                1.0,
                -1.0,
                1e30,
                -1e30,
                f32::NAN,
                f32::INFINITY,
                1e-40,
                0.5,
            ];
            for filler in [0, 1, 7, 0x7fc0_0000, 0x7f7f_ffff, u32::MAX] {
                for words in [
                    0,
                    1,
                    detector.words() - 1,
                    detector.words(),
                    detector.words() + 1,
                ] {
                    let mut state = vec![filler; words];
                    for i in 0..500 {
                        detector.update(&mut state, values[i % values.len()]);
                    }
                    detector.reset(&mut state);
                }
            }
        }
    }
}
