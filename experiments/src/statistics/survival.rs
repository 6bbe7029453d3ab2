//! Times until something happens, where for some it did not while anybody looked: Kaplan–Meier.
//!
//! The mean recovery of the seeds that recovered says the less the fewer did. Here a seed that did not is counted for
//! as long as it was looked at (it is *censored*): the median is the time by which half would have recovered, and is
//! unknown where fewer than half did.

use super::bootstrap::Interval;
use super::distribution::normal_quantile;
use serde::{Deserialize, Serialize};

/// How long, and whether it happened then or nobody looked any longer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Samples.
    pub time: f64,
    /// Whether it happened.
    pub happened: bool,
}

/// The survival function: after each time at which it happened, the share for which it has not yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// All that were looked at.
    pub count: usize,
    /// Those for which it happened.
    pub happened: usize,
    /// (time, share not yet, Greenwood's sum of d / (n (n − d))), in order of time.
    pub steps: Vec<Step>,
}

/// A step of the survival function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub time: f64,
    /// The share for which it has not happened after that.
    pub share: f64,
    /// Greenwood's sum up to then: the variance of the share in squares of the share.
    pub greenwood: f64,
}

impl Survival {
    /// Kaplan and Meier's estimate (JASA 53, 1958). Times that are no numbers are left out.
    pub fn of(times: &[Time]) -> Self {
        let mut times: Vec<Time> = times.iter().copied().filter(|t| !t.time.is_nan()).collect();
        times.sort_by(|a, b| a.time.total_cmp(&b.time));
        let (mut share, mut greenwood, mut steps) = (1.0, 0.0, Vec::new());
        let mut at = 0;
        while at < times.len() {
            let left = (times.len() - at) as f64;
            let together = times[at..].iter().take_while(|t| t.time == times[at].time);
            let (count, events) =
                together.fold((0, 0), |(n, d), t| (n + 1, d + u32::from(t.happened)));
            if events > 0 {
                let events = f64::from(events);
                share *= 1.0 - events / left;
                greenwood += events / (left * (left - events));
                let time = times[at].time;
                steps.push(Step {
                    time,
                    share,
                    greenwood,
                });
            }
            at += count;
        }
        Self {
            count: times.len(),
            happened: times.iter().filter(|t| t.happened).count(),
            steps,
        }
    }

    /// The time by which it has happened for half; `None` where it never has.
    pub fn median(&self) -> Option<f64> {
        self.reaches(|step| step.share)
    }

    /// The 95 % interval of the median (R. Brookmeyer, J. Crowley, Biometrics 38, 1982): from where the lower limit of
    /// the share reaches a half to where the upper one does, which may be never. Limits are those of ln(−ln share).
    pub fn median_interval(&self) -> Option<Interval> {
        if self.count < super::bootstrap::LEAST {
            return None;
        }
        let low = self.reaches(|step| step.limits(0.95).low)?;
        let high = self.reaches(|step| step.limits(0.95).high);
        Some(Interval {
            low,
            high: high.unwrap_or(f64::INFINITY),
        })
    }

    fn reaches(&self, limit: impl Fn(&Step) -> f64) -> Option<f64> {
        // Shares are products of fractions: a half may come out a rounding above a half.
        let reached = self.steps.iter().find(|step| limit(step) <= 0.5 + 1e-12);
        reached.map(|step| step.time)
    }
}

impl Step {
    /// The limits of the share at `level`: Greenwood's error carried over to ln(−ln share), so that they stay between
    /// 0 and 1.
    pub fn limits(&self, level: f64) -> Interval {
        if self.share <= 0.0 {
            return Interval {
                low: 0.0,
                high: 0.0,
            };
        }
        let z = normal_quantile(0.5 + 0.5 * level);
        let reach = z * self.greenwood.sqrt() / libm::log(self.share);
        Interval {
            low: libm::pow(self.share, libm::exp(-reach)),
            high: libm::pow(self.share, libm::exp(reach)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(list: &[(u32, bool)]) -> Survival {
        let times = list.iter().map(|&(time, happened)| Time {
            time: f64::from(time),
            happened,
        });
        Survival::of(&times.collect::<Vec<_>>())
    }

    #[test]
    fn a_median_needs_half_of_them() {
        let few = times(&[
            (80, true),
            (90, true),
            (500, false),
            (500, false),
            (500, false),
        ]);
        assert_eq!((few.median(), few.happened, few.count), (None, 2, 5));
        let half = times(&[(80, true), (90, true), (500, false), (500, false)]);
        assert_eq!(half.median(), Some(90.0));
        assert_eq!(times(&[]).median(), None);
        assert_eq!(times(&[(5, true), (6, true)]).median_interval(), None);
    }
}
