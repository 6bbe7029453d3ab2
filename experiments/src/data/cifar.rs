//! CIFAR-10, binary version: records of one label and 3,072 bytes of pixels.
//!
//! The files hold the red plane, then the green, then the blue; images here are interleaved (HWC), as
//! everywhere else in the crate.
//!
//! Source: A. Krizhevsky, *Learning multiple layers of features from tiny images*, 2009, and the layout
//! stated at <https://www.cs.toronto.edu/~kriz/cifar.html>.

use super::{
    content::Content,
    error::Error,
    images::{Dataset, Images, Shape},
    table::DataSet,
};

const SHAPE: Shape = Shape {
    height: 32,
    width: 32,
    channels: 3,
};

/// Bytes of a record: the label, then the pixels.
pub const RECORD: usize = 1 + SHAPE.len();

/// What there is to test on.
#[derive(Debug)]
pub enum TestFile {
    /// The published `test_batch.bin`.
    Whole(Content),
    /// Its first 1,000 records only.
    First1000(Content),
}

/// Puts the data set together: five training batches and the published test batch, or, where only the
/// first 1,000 test records are there, four batches to train on, the fifth as the test set, and those
/// records beside it. `provenance` says which.
///
/// # Errors
/// [`Error::Truncated`] or [`Error::Label`] for bytes that are no records.
pub fn assemble(batches: &[Content; 5], test: &TestFile) -> Result<Dataset, Error> {
    let set = DataSet::Cifar10;
    let files = set.entry().files;
    let (train, test, beside, test_file, how) = match test {
        TestFile::Whole(content) => (
            images(batches)?,
            images([content])?,
            None,
            &files[5],
            "trained on data_batch_1 to 5, tested on the published test_batch",
        ),
        TestFile::First1000(content) => (
            images(&batches[..4])?,
            images(&batches[4..])?,
            Some(images([content])?),
            &files[6],
            "trained on data_batch_1 to 4, tested on data_batch_5, because of the published \
             test_batch only the first 1,000 records are at hand, which are reported beside it",
        ),
    };
    let (trained, tested) = (train.len(), test.len());
    Ok(Dataset {
        name: set,
        shape: SHAPE,
        classes: set.entry().classes,
        train,
        test,
        beside,
        digests: files[..5]
            .iter()
            .chain([test_file])
            .map(|file| (file.name.to_string(), file.sha256.to_string()))
            .collect(),
        provenance: format!("{set}: {how} ({trained} and {tested} images)"),
    })
}

/// The records of several files, one after the other.
fn images<'a>(contents: impl IntoIterator<Item = &'a Content>) -> Result<Images, Error> {
    let classes = DataSet::Cifar10.entry().classes;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for Content { path, bytes } in contents {
        let records = bytes.chunks_exact(RECORD);
        if !records.remainder().is_empty() {
            let (path, found) = (path.clone(), bytes.len() as u64);
            let expected = bytes.len().next_multiple_of(RECORD) as u64;
            return Err(Error::Truncated {
                path,
                expected,
                found,
            });
        }
        pixels.reserve(records.len() * SHAPE.len());
        for (index, record) in records.enumerate() {
            let (label, planes) = (record[0], &record[1..]);
            if usize::from(label) >= classes {
                return Err(Error::Label {
                    path: path.clone(),
                    index,
                    label,
                    classes,
                });
            }
            labels.push(label);
            let plane = SHAPE.height * SHAPE.width;
            let (red, rest) = planes.split_at(plane);
            let (green, blue) = rest.split_at(plane);
            for ((&r, &g), &b) in red.iter().zip(green).zip(blue) {
                pixels.extend_from_slice(&[r, g, b]);
            }
        }
    }
    Images::new(SHAPE, pixels, labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(bytes: Vec<u8>) -> Content {
        Content {
            path: "batch.bin".into(),
            bytes,
        }
    }

    #[test]
    fn planes_become_pixels() {
        let mut bytes = vec![3u8];
        for colour in [10u8, 20, 30] {
            bytes.extend((0..1024).map(|i| if i == 33 { colour + 1 } else { colour }));
        }
        let images = images([&content(bytes)]).expect("one record");
        assert_eq!(images.labels(), [3]);
        assert_eq!(images.image(0)[..3], [10, 20, 30]);
        assert_eq!(images.image(0)[33 * 3..34 * 3], [11, 21, 31]);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let cut = images([&content(vec![0; RECORD - 1])]);
        assert!(matches!(cut, Err(Error::Truncated { .. })));
        let mut two = vec![0; 2 * RECORD];
        two[RECORD] = 10;
        let label = images([&content(two)]);
        assert!(matches!(
            label,
            Err(Error::Label {
                index: 1,
                label: 10,
                ..
            })
        ));
    }
}
