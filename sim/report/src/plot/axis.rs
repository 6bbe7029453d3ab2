//! Scales from values to pixels, with round ticks.

/// How values spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Equal differences are equally far apart.
    Linear,
    /// Equal ratios are equally far apart.
    Logarithmic,
}

/// A scale from `low..high` in values to `from..to` in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) spread: Spread,
}

impl Axis {
    /// The pixel of `value`.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let map = |value: f64| match self.spread {
            Spread::Linear => value,
            Spread::Logarithmic => value.log10(),
        };
        let part = (map(value) - map(self.low)) / (map(self.high) - map(self.low));
        self.from + part * (self.to - self.from)
    }

    /// About `count` round values within the axis.
    pub(crate) fn ticks(&self, count: usize) -> Vec<f64> {
        match self.spread {
            Spread::Linear => {
                let step = step((self.high - self.low) / count.max(1) as f64);
                let first = (self.low / step - 1e-9).ceil() as i64;
                let last = (self.high / step + 1e-9).floor() as i64;
                (first..=last).map(|index| index as f64 * step).collect()
            }
            Spread::Logarithmic => {
                let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
                let wide = (self.high / self.low).log10() > count as f64 / 2.0;
                let within =
                    |value: &f64| *value >= self.low * 0.999 && *value <= self.high * 1.001;
                let marks: &[f64] = if wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
                decades
                    .flat_map(|decade| marks.iter().map(move |mark| mark * 10f64.powi(decade)))
                    .filter(within)
                    .collect()
            }
        }
    }
}

/// The round step (1, 2, 2.5 or 5 times a power of ten) that is nearest above `rough`.
pub(crate) fn step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0];
    power
        * round
            .into_iter()
            .find(|round| *round * power >= rough * 0.999_999)
            .unwrap_or(10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64, spread: Spread) -> Axis {
        Axis {
            low,
            high,
            from: 0.0,
            to: 100.0,
            spread,
        }
    }

    #[test]
    fn ticks_are_round_and_within() {
        let ticks = axis(0.0, 600.0, Spread::Linear).ticks(6);
        assert_eq!(ticks, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0]);
        let ticks = axis(0.7, 1.0, Spread::Linear).ticks(6);
        assert_eq!(ticks.len(), 7);
        assert!((ticks[0] - 0.7).abs() < 1e-9 && (ticks[6] - 1.0).abs() < 1e-9);
        let ticks = axis(3.0, 300.0, Spread::Logarithmic).ticks(5);
        assert_eq!(ticks.len(), 6, "{ticks:?}");
        assert_eq!(axis(1.0, 1e6, Spread::Logarithmic).ticks(5).len(), 7);
    }

    #[test]
    fn ends_map_to_ends() {
        for spread in [Spread::Linear, Spread::Logarithmic] {
            let axis = axis(2.0, 50.0, spread);
            assert!((axis.at(2.0)).abs() < 1e-9 && (axis.at(50.0) - 100.0).abs() < 1e-9);
        }
    }
}
