//! Data sets as a user meets them: the real files, and every way in which they can be damaged.

use std::path::PathBuf;

use experiments::data::{DATA_DIR_VARIABLE, DataSet, Loaded, Places, Request, load};

/// The folder of real data, from the environment or beside the project. Tests that need it fail without.
fn real_data() -> PathBuf {
    let beside = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    std::env::var_os(DATA_DIR_VARIABLE).map_or(beside, PathBuf::from)
}

fn real(set: DataSet) -> Loaded {
    let places = Places::from_environment(Some(&real_data()));
    load(
        Request {
            set,
            download: false,
            fallback: None,
        },
        &places,
        &mut |_| {},
    )
    .unwrap_or_else(|error| {
        panic!("This test needs the real data set; set {DATA_DIR_VARIABLE}. {error}")
    })
}

#[test]
fn mnist_is_the_published_one() {
    for set in [DataSet::Mnist, DataSet::FashionMnist] {
        let loaded = real(set);
        assert!(!loaded.is_fallback());
        assert_eq!(
            (loaded.data.train.len(), loaded.data.test.len()),
            (60_000, 10_000)
        );
        assert_eq!(
            loaded.data.test.class_counts(10).iter().sum::<usize>(),
            10_000
        );
    }
}

#[test]
fn cifar_10_says_what_it_is_tested_on() {
    let data = real(DataSet::Cifar10).data;
    println!("{}", data.provenance);
    println!("{:?}", data.train.class_counts(10));
    println!("{:?}", data.test.class_counts(10));
}
