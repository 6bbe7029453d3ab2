//! The protocol of training from scratch, on the device as in pre-training: epochs over a data set, one
//! sample at a time.

use crate::data::Images;
use crate::device::{Device, Stop};
use crate::metrics::Window;
use crate::record::{Record, Row};
use runtime_shared::learner::Update;
use runtime_shared::rng::Rng;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

const PURPOSE: u64 = 0x4550_4f43;

/// How long, and how often it is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromScratch {
    /// Passes over the training images.
    #[serde(default = "epochs")]
    pub epochs: u32,
    /// Samples between two measurements; 0 for the end of every epoch only.
    #[serde(default)]
    pub evaluate_every: u64,
    /// Training images to use; 0 for all.
    #[serde(default)]
    pub limit: usize,
    /// Samples in the window of the prequential accuracy.
    #[serde(default = "window")]
    pub window: usize,
}

fn epochs() -> u32 {
    5
}

fn window() -> usize {
    1000
}

impl FromScratch {
    /// Refuses what makes no sense: the key, and what is wrong with it.
    ///
    /// # Errors
    /// Key and sentence.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=1000).contains(&self.epochs) {
            return Err(("epochs", "must be between 1 and 1000".to_owned()));
        }
        if self.window == 0 {
            return Err(("window", "must be at least 1".to_owned()));
        }
        Ok(())
    }

    /// Samples in an epoch over `available` images.
    pub fn epoch_len(&self, available: usize) -> usize {
        if self.limit == 0 {
            available
        } else {
            self.limit.min(available)
        }
    }
}

impl FromScratch {
    /// The images of `pool` in the order in which the first epoch shows them.
    pub fn order(&self, pool: &[usize], seed: u64) -> Vec<usize> {
        let mut order = pool.to_vec();
        order.truncate(self.epoch_len(pool.len()));
        Rng::for_purpose(seed, PURPOSE).shuffle(&mut order);
        order
    }
}

/// Trains `device` on images `pool` of `images`, in an order that `seed` shuffles anew each epoch, and
/// measures it on all of `test`. `tick` is told of every sample and may end the run, upon which nothing is
/// given. Rows are kept where accuracy was measured.
pub fn run<D: Device>(
    device: &mut D,
    protocol: &FromScratch,
    (images, pool): (&Images, &[usize]),
    test: Option<&Images>,
    seed: u64,
    mut tick: impl FnMut() -> ControlFlow<()>,
) -> Option<Record> {
    let mut record = Record::default();
    let mut order = pool.to_vec();
    order.truncate(protocol.epoch_len(pool.len()));
    let mut rng = Rng::for_purpose(seed, PURPOSE);
    let mut window = Window::new(protocol.window);
    let mut samples = 0;
    for _ in 0..protocol.epochs {
        rng.shuffle(&mut order);
        for (n, &i) in order.iter().enumerate() {
            if tick().is_break() {
                return None;
            }
            samples += 1;
            let label = usize::from(images.label(i));
            let last = n + 1 == order.len();
            let measures = test.is_some()
                && (last
                    || (protocol.evaluate_every > 0 && samples % protocol.evaluate_every == 0));
            match one(device, images.image(i), label, test.filter(|_| measures)) {
                Ok((update, test_accuracy)) => {
                    let prequential = window.push(update.prediction == label);
                    if measures {
                        record.rows.push(Row {
                            sample: samples - 1,
                            label: label as u16,
                            prediction: update.prediction as u16,
                            loss: Some(update.loss),
                            prequential,
                            test_accuracy,
                            ..Row::default()
                        });
                    }
                }
                Err(stop) => {
                    record.stop = Some((samples, stop));
                    return Some(record);
                }
            }
        }
    }
    Some(record)
}

fn one<D: Device>(
    device: &mut D,
    sample: &[u8],
    label: usize,
    test: Option<&Images>,
) -> Result<(Update, Option<f32>), Stop> {
    let update = device.train(sample, label)?;
    let accuracy = match test {
        Some(test) => Some(accuracy(device, test)?),
        None => None,
    };
    Ok((update, accuracy))
}

/// Accuracy of `device` on all of `test`.
///
/// # Errors
/// [`Stop`] of the device.
pub fn accuracy<D: Device>(device: &mut D, test: &Images) -> Result<f32, Stop> {
    let mut correct = 0u32;
    for (image, label) in test.iter() {
        correct += u32::from(device.infer(image)? == usize::from(label));
    }
    Ok(correct as f32 / test.len().max(1) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Shape;
    use runtime_shared::learner::Step;

    /// Knows every class from its third sample on, and breaks down at the sample it is told.
    struct Fake {
        trained: u64,
        breaks_at: u64,
    }

    impl Device for Fake {
        fn learn(&mut self, _: &[u8], _: usize) -> Result<Step, Stop> {
            unreachable!("this protocol trains")
        }

        fn train(&mut self, _: &[u8], label: usize) -> Result<Update, Stop> {
            self.trained += 1;
            if self.trained == self.breaks_at {
                let (layer, reason) = ("dense".to_owned(), "it broke".to_owned());
                return Err(Stop { layer, reason });
            }
            let prediction = if self.trained > 2 { label } else { label + 1 };
            Ok(Update {
                prediction,
                loss: 0.5,
            })
        }

        fn infer(&mut self, sample: &[u8]) -> Result<usize, Stop> {
            Ok(usize::from(sample[0]))
        }

        fn extract(&mut self, _: &[u8]) -> Result<Vec<u8>, Stop> {
            Ok(Vec::new())
        }

        fn classify(&mut self, _: &[u8]) -> Result<usize, Stop> {
            unreachable!("there is no extractor")
        }

        fn learns(&self) -> bool {
            true
        }
    }

    fn check(breaks_at: u64) -> Record {
        let shape = Shape {
            height: 1,
            width: 1,
            channels: 1,
        };
        let images = Images::new(shape, vec![0, 1, 2, 3], vec![0, 1, 2, 0]).expect("four images");
        let protocol = FromScratch {
            epochs: 2,
            evaluate_every: 3,
            limit: 0,
            window: 4,
        };
        let mut device = Fake {
            trained: 0,
            breaks_at,
        };
        let pool = [0, 1, 2, 3];
        let go_on = || ControlFlow::Continue(());
        run(
            &mut device,
            &protocol,
            (&images, &pool),
            Some(&images),
            1,
            go_on,
        )
        .expect("nobody broke in")
    }

    #[test]
    fn it_measures_at_the_end_of_every_epoch_and_in_between() {
        let record = check(0);
        let samples: Vec<u64> = record.rows.iter().map(|r| r.sample).collect();
        assert_eq!(samples, [2, 3, 5, 7]);
        assert!(record.rows.iter().all(|r| r.test_accuracy == Some(0.75)));
        let last = record.rows.last().expect("four rows");
        assert_eq!((last.prequential, last.loss), (1.0, Some(0.5)));
    }

    #[test]
    fn what_was_measured_before_a_stop_is_kept() {
        let record = check(5);
        assert_eq!(record.rows.len(), 2);
        assert_eq!(
            record
                .stop
                .as_ref()
                .map(|(sample, s)| (*sample, s.layer.as_str())),
            Some((5, "dense"))
        );
    }
}
