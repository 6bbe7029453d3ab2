//! A program outside the workspace that depends on the core alone: it trains on the host, builds for microcontrollers, and
//! links no kernel that it does not call.

use object::{Object, ObjectSection, ObjectSymbol};
use runtime_shared::kernels::Shape;
use sim_compiler::{LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile};
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("standalone")
}

/// 784-32-10 as a Program, in a file.
fn image() -> (PathBuf, usize) {
    let spec: NetworkSpec = toml::from_str(include_str!("../../configs/networks/ffnn.toml"))
        .expect("the network parses");
    let graph = spec.build(Shape { h: 28, w: 28, c: 1 }, 1);
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.02),
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    };
    let compiled = compile(&graph.expect("it builds"), &options).expect("it compiles");
    let bytes = compiled.image.bytes();
    std::fs::create_dir_all(folder()).expect("a folder");
    let path = folder().join("image.bin");
    std::fs::write(&path, bytes).expect("the image is written");
    (path, bytes.len())
}

/// Builds the program; gives it.
fn build(image: &Path, target: Option<&str>) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("standalone");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(&root)
        .args(["build", "--release", "--quiet", "--target-dir"])
        .arg(folder())
        .env("IMAGE", image)
        .env_remove("RUSTFLAGS");
    let mut built = folder();
    if let Some(target) = target {
        cargo.args(["--target", target]);
        built.push(target);
    }
    let output = cargo.output().expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    built.join("release/standalone")
}

#[test]
fn a_program_of_somebody_else_trains_and_links_what_it_calls() {
    let (image, image_bytes) = image();
    let host = Command::new(build(&image, None)).output();
    let host = host.expect("it runs");
    assert!(host.status.success(), "it trains");
    let text = String::from_utf8_lossy(&host.stdout);
    let percent: u32 = text.trim().parse().expect("a number");
    assert!(percent >= 90, "{percent} % right");

    for target in ["thumbv6m-none-eabi", "thumbv7em-none-eabihf"] {
        let elf = std::fs::read(build(&image, Some(target))).expect("it was built");
        let elf = object::File::parse(&*elf).expect("an ELF");
        let size: u64 = elf
            .sections()
            .filter(|s| matches!(s.name(), Ok(".text" | ".rodata")))
            .map(|s| s.size())
            .sum();
        let code = size - image_bytes as u64;
        println!("{target}: {code} bytes of code and constants besides the Program");
        assert!(code < 24 << 10, "{target}: {code} bytes");
        let linked = |what: &str| {
            let names = elf
                .symbols()
                .filter_map(|s| s.name().ok().map(str::to_owned));
            names.filter(|name| name.contains(what)).collect::<Vec<_>>()
        };
        assert!(!linked("dense").is_empty(), "{target} keeps its symbols");
        for kernel in [
            "conv2d",
            "depthwise",
            "max_pool",
            "average_pool",
            "dropout",
            "detector",
        ] {
            let found = linked(kernel);
            assert!(found.is_empty(), "{target} links {found:?}");
        }
    }
}
