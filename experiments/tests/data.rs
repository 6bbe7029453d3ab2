//! Data sets as a user meets them: the real files, and every way in which they can be damaged.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use experiments::data::{
    DATA_DIR_VARIABLE, DataSet, Error, Event, Fallback, Loaded, Normalisation, Normaliser, Places,
    Request, State, list, load,
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

/// The folder of real data, from the environment or beside the project. Tests that need it fail without.
fn real_data() -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    std::env::var_os(DATA_DIR_VARIABLE).map_or(beside, PathBuf::from)
}

fn want(set: DataSet) -> Request {
    Request {
        set,
        download: false,
        fallback: None,
    }
}

fn real(set: DataSet) -> Loaded {
    let places = Places::from_environment(Some(&real_data()));
    load(want(set), &places, &mut |_| {}).unwrap_or_else(|error| {
        panic!("This test needs the real data set; set {DATA_DIR_VARIABLE}. {error}")
    })
}

/// The unpacked bytes of a real MNIST file.
fn mnist_file(name: &str) -> Vec<u8> {
    let path = real_data().join("mnist").join(format!("{name}.gz"));
    let file = fs::File::open(&path)
        .unwrap_or_else(|error| panic!("This test needs {}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(file)
        .read_to_end(&mut bytes)
        .expect("a sound file");
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("in memory")
}

/// Loads `set` from a folder that holds just this one file under its own folder.
fn load_only(set: DataSet, name: &str, bytes: &[u8]) -> Error {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("data").join(set.entry().folders[0]);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
    let places = Places::new(vec![root.path().join("data")], root.path().join("cache"));
    load(want(set), &places, &mut |_| {}).expect_err("a damaged file")
}

fn idx(words: &[u32], body: usize) -> Vec<u8> {
    let header = words.iter().flat_map(|word| word.to_be_bytes());
    header.chain(std::iter::repeat_n(0, body)).collect()
}

#[test]
fn mnist_is_the_published_one() {
    let data = real(DataSet::Mnist).data;
    assert_eq!((data.train.len(), data.test.len()), (60_000, 10_000));
    // Counts by class and first labels, as published with the data set.
    assert_eq!(data.train.labels()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(data.test.labels()[..5], [7, 2, 1, 0, 4]);
    let counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
    assert_eq!(data.test.class_counts(10), counts);
    // The mean and deviation that everyone quotes: 0.1307 and 0.3081 of 255.
    let normaliser = Normaliser::of(Normalisation::Standard, &data.train);
    let (mean, deviation) = normaliser.statistics()[0];
    assert!((mean / 255.0 - 0.1307).abs() < 5e-5 && (deviation / 255.0 - 0.3081).abs() < 5e-5);
    println!("{normaliser}");
}

#[test]
fn fashion_mnist_shares_the_layout_and_nothing_else() {
    let data = real(DataSet::FashionMnist).data;
    assert_eq!(data.train.class_counts(10), [6_000; 10]);
    assert_eq!(data.test.class_counts(10), [1_000; 10]);
    assert_eq!(data.train.labels()[..5], [9, 0, 0, 3, 0]);
}

#[test]
fn cifar_10_says_what_it_is_tested_on() {
    let data = real(DataSet::Cifar10).data;
    let all = [data.train.class_counts(10), data.test.class_counts(10)];
    match &data.beside {
        // Batches 1 to 5 hold 5,000 images of each class.
        Some(beside) => {
            assert_eq!(beside.len(), 1_000);
            assert!((0..10).all(|class| all[0][class] + all[1][class] == 5_000));
            assert!(
                data.provenance.contains("tested on data_batch_5"),
                "{}",
                data.provenance
            );
        }
        None => {
            assert_eq!(all, [vec![5_000; 10], vec![1_000; 10]]);
            assert!(
                data.provenance.contains("published test_batch"),
                "{}",
                data.provenance
            );
        }
    }
    // The first image of data_batch_1 is a frog, whose first pixel is (59, 62, 63).
    assert_eq!(
        (data.train.label(0), &data.train.image(0)[..3]),
        (6, &[59, 62, 63][..])
    );
    println!(
        "{}\n{}",
        data.provenance,
        Normaliser::of(Normalisation::PerChannel, &data.train)
    );
}

#[test]
fn a_data_set_is_shared_among_threads() {
    fn shareable<T: Send + Sync>(_: &T) {}
    let loaded = load(
        want(DataSet::Strokes),
        &Places::new(vec![], "".into()),
        &mut |_| {},
    );
    let data = loaded.expect("needs no file").data;
    shareable(&data);
    assert_eq!(Arc::strong_count(&data), 1);
}

#[test]
fn absence_names_every_place_and_what_to_do() {
    let root = tempfile::tempdir().expect("a folder");
    let places = Places::new(vec![root.path().join("mine")], root.path().join("cache"));
    let error = load(want(DataSet::Mnist), &places, &mut |_| {}).expect_err("empty");
    let text = error.to_string();
    assert!(error.is_absence());
    for part in [
        "mine",
        "cache",
        IMAGES,
        DATA_DIR_VARIABLE,
        "sim data fetch mnist",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_fallback_is_taken_only_where_allowed_and_says_so() {
    let root = tempfile::tempdir().expect("a folder");
    let places = Places::new(vec![root.path().join("mine")], root.path().join("cache"));
    let request = Request {
        fallback: Some(Fallback::Strokes),
        ..want(DataSet::Mnist)
    };
    let mut generated = false;
    let loaded = load(request, &places, &mut |event| {
        generated |= matches!(
            event,
            Event::Generating {
                set: DataSet::Strokes
            }
        );
    })
    .expect("drawn digits");
    assert!(loaded.is_fallback() && generated);
    assert_eq!(
        (loaded.asked, loaded.data.name),
        (DataSet::Mnist, DataSet::Strokes)
    );
    let line = loaded.to_string();
    assert!(
        line.starts_with("NOT mnist but strokes") && line.contains(IMAGES),
        "{line}"
    );

    // What is there but damaged is not passed over.
    let folder = root.path().join("mine/mnist");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(IMAGES), b"").expect("a file");
    let damaged = load(request, &places, &mut |_| {});
    assert!(
        matches!(damaged, Err(Error::Truncated { found: 0, .. })),
        "{damaged:?}"
    );
}

#[test]
fn damaged_idx_files_are_told_apart() {
    let set = DataSet::Mnist;
    let (images, n) = (0x803, 60_000);
    let body = n as usize * 784;
    let of = |name: &str, bytes: &[u8]| {
        let plain = load_only(set, name, bytes);
        let packed = load_only(set, &format!("{name}.gz"), &gzip(bytes));
        assert_eq!(
            std::mem::discriminant(&plain),
            std::mem::discriminant(&packed),
            "{plain} {packed}"
        );
        plain
    };
    macro_rules! is {
        ($error:expr, $pattern:pat) => {
            let error = $error;
            assert!(matches!(error, $pattern), "{error}");
        };
    }
    is!(of(IMAGES, &[]), Error::Truncated { found: 0, .. });
    is!(
        of(IMAGES, &idx(&[images, n], 0)),
        Error::Truncated { found: 8, .. }
    );
    is!(
        of(IMAGES, &idx(&[images, n, 28, 28], body - 1)),
        Error::Truncated { .. }
    );
    is!(
        of(IMAGES, &idx(&[images, n, 28, 28], body + 1)),
        Error::Oversize { .. }
    );
    is!(
        of(IMAGES, &idx(&[images, n, 28, 28], body)),
        Error::Digest { .. }
    );
    is!(
        of(IMAGES, &idx(&[0x0d03, n, 28, 28], body)),
        Error::Magic { found: 0x0d03, .. }
    );
    is!(
        of(IMAGES, &idx(&[images, u32::MAX, u32::MAX, u32::MAX], 0)),
        Error::Header { .. }
    );
    is!(
        of(IMAGES, &idx(&[images, 10_000, 28, 28], 100)),
        Error::Header { .. }
    );
    is!(of(IMAGES, &idx(&[0x801, n], 60_000)), Error::MixedUp { .. });
    is!(
        of(IMAGES, &mnist_file("t10k-images-idx3-ubyte")),
        Error::MixedUp { .. }
    );
    let mixed = of(IMAGES, &mnist_file(LABELS)).to_string();
    assert!(
        mixed.contains(LABELS) && mixed.contains("mixed up"),
        "{mixed}"
    );

    let mut flipped = mnist_file(IMAGES);
    flipped[1_000_000] ^= 1;
    let error = of(IMAGES, &flipped).to_string();
    assert!(error.contains(set.entry().files[0].sha256), "{error}");
}

#[test]
fn damaged_archives_are_refused() {
    let gz = gzip(&mnist_file(IMAGES));
    let name = format!("{IMAGES}.gz");
    let cut = load_only(DataSet::Mnist, &name, &gz[..gz.len() / 2]);
    assert!(matches!(cut, Error::Truncated { .. }), "{cut}");
    let none = load_only(DataSet::Mnist, &name, b"this was never compressed");
    assert!(matches!(none, Error::Unpack { .. }), "{none}");
    // A file that unpacks to a gigabyte is given up one byte past the size of the published one.
    let bomb = load_only(DataSet::Mnist, &name, &gzip(&vec![0; 1 << 28]));
    assert!(matches!(bomb, Error::Magic { found: 0, .. }), "{bomb}");
    let no_xz = load_only(DataSet::Mnist, &format!("{IMAGES}.xz"), &[0xfd; 400]);
    assert!(matches!(no_xz, Error::Unpack { .. }), "{no_xz}");

    let record = |n: usize| vec![0; n * 3073];
    let name = "data_batch_1.bin";
    let cut = load_only(DataSet::Cifar10, name, &record(9_999));
    assert!(matches!(cut, Error::Truncated { .. }), "{cut}");
    let other = load_only(DataSet::Cifar10, name, &record(10_000));
    assert!(matches!(other, Error::Digest { .. }), "{other}");
    let mut labels = record(10_000);
    labels[3073 * 7] = 10;
    let label = load_only(DataSet::Cifar10, name, &labels);
    assert!(
        matches!(
            label,
            Error::Label {
                index: 7,
                label: 10,
                ..
            }
        ),
        "{label}"
    );
}

#[test]
fn a_damaged_copy_in_the_cache_is_unpacked_anew() {
    let cache = tempfile::tempdir().expect("a folder");
    let places = Places::new(vec![real_data()], cache.path().into());
    let unpackings = || {
        let mut count = 0;
        load(want(DataSet::Mnist), &places, &mut |event| {
            count += usize::from(matches!(event, Event::Unpacking { .. }));
        })
        .expect("the real data set");
        count
    };
    assert_eq!((unpackings(), unpackings()), (4, 0));
    let copies: Vec<_> = fs::read_dir(cache.path().join("unpacked"))
        .expect("the copies")
        .map(|folder| folder.expect("a folder").path().join(LABELS))
        .filter(|path| path.is_file())
        .collect();
    assert_eq!(copies.len(), 1);
    fs::write(&copies[0], b"damaged").expect("a file");
    assert_eq!((unpackings(), unpackings()), (1, 0));
}

#[test]
fn the_inventory_tells_sound_from_damaged() {
    let root = tempfile::tempdir().expect("a folder");
    let at = |name: &str| root.path().join("mnist").join(name);
    fs::create_dir_all(root.path().join("mnist")).expect("a folder");
    fs::write(at(IMAGES), b"damaged").expect("a file");
    fs::write(at(LABELS), mnist_file(LABELS)).expect("a file");
    let places = Places::new(vec![root.path().into()], root.path().join("cache"));
    let state = |verify: bool, name: &str| {
        let found = list(&places, verify, &mut |_| {});
        let status = found
            .into_iter()
            .find(|s| s.set == DataSet::Mnist && s.file.name == name);
        status.expect("in the table").state
    };
    let is_at = |path: &Path, name| path == at(name);
    assert!(matches!(state(false, IMAGES), State::Present(path) if is_at(&path, IMAGES)));
    assert!(matches!(state(true, IMAGES), State::Damaged(path, _) if is_at(&path, IMAGES)));
    assert!(matches!(state(true, LABELS), State::Verified(path) if is_at(&path, LABELS)));
    assert!(matches!(
        state(true, "t10k-labels-idx1-ubyte"),
        State::Absent
    ));
}
