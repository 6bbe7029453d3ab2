//! MNIST and Fashion-MNIST through the `mnist` crate, behind a guard.
//!
//! The crate panics on whatever it does not like, and with other lengths than the published ones it
//! serves training images as the test set. So it is only ever asked for 60,000 / 0 / 10,000, is given
//! files whose digests are right, and its answer is compared with them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use mnist::{Mnist, MnistBuilder};

use super::{
    content::Content,
    error::Error,
    images::{Dataset, Images},
    table::{DataSet, Format},
};

/// Parses the four verified files, in the order of the table: training images, training labels, test
/// images, test labels.
///
/// # Errors
/// [`Error::Path`] for a path that the crate cannot be given; [`Error::Parser`] if the crate fails, or if
/// what it returns is not what the files hold.
pub fn parse(set: DataSet, contents: &[Content; 4]) -> Result<Dataset, Error> {
    let entry = set.entry();
    let mut names = [""; 4];
    let mut counts = [0; 4];
    for (i, (content, file)) in contents.iter().zip(entry.files).enumerate() {
        names[i] = content.path.to_str().ok_or_else(|| Error::Path {
            path: content.path.clone(),
        })?;
        counts[i] = match file.format {
            Format::IdxImages { count, .. }
            | Format::IdxLabels { count }
            | Format::CifarRecords { count } => count,
        };
    }
    let parsed = catch_unwind(AssertUnwindSafe(|| {
        // Files are joined to the base path, which an empty one leaves as they are.
        MnistBuilder::new()
            .label_format_digit()
            .base_path("")
            .training_images_filename(names[0])
            .training_labels_filename(names[1])
            .test_images_filename(names[2])
            .test_labels_filename(names[3])
            .training_set_length(counts[0])
            .validation_set_length(0)
            .test_set_length(counts[2])
            .finalize()
    }));
    let folder = contents[0].path.parent().unwrap_or(Path::new(""));
    let parser = |reason: String| Error::Parser {
        path: folder.into(),
        reason,
    };
    let Mnist {
        trn_img,
        trn_lbl,
        tst_img,
        tst_lbl,
        ..
    } = parsed.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        parser(text.unwrap_or("it gave no reason").into())
    })?;
    for ((parsed, header), content) in
        [(&trn_img, 16), (&trn_lbl, 8), (&tst_img, 16), (&tst_lbl, 8)]
            .into_iter()
            .zip(contents)
    {
        if content.bytes.get(header..) != Some(parsed.as_slice()) {
            return Err(parser("it returned other bytes than the file holds".into()));
        }
    }
    Ok(Dataset {
        name: set,
        shape: entry.shape,
        classes: entry.classes,
        train: Images::new(entry.shape, trn_img, trn_lbl)?,
        test: Images::new(entry.shape, tst_img, tst_lbl)?,
        beside: None,
        digests: entry
            .files
            .iter()
            .map(|f| (f.name.to_string(), f.sha256.to_string()))
            .collect(),
        provenance: format!(
            "{set}: the published training set ({} images) and test set ({} images)",
            counts[0], counts[2]
        ),
    })
}
