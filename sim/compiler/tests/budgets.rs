//! The arena of the reference networks against the floors that arithmetic sets.

use runtime_shared::kernels::Shape;
use sim_compiler::{LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile};

fn options() -> Options {
    Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.01),
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    }
}

fn arena(toml: &str) -> usize {
    let spec: NetworkSpec = toml::from_str(toml).expect("the network parses");
    let graph = spec
        .build(Shape { h: 28, w: 28, c: 1 }, 1)
        .expect("the network builds");
    let compiled = compile(&graph, &options()).expect("the network compiles");
    for block in &compiled.arena {
        println!("{:>8} {:?} {}", block.bytes, block.kind, block.what);
    }
    assert_eq!(
        compiled.arena_bytes(),
        compiled
            .program()
            .size(runtime_shared::program::Field::ArenaBytes)
    );
    println!("{:>8}\n", compiled.arena_bytes());
    compiled.arena_bytes()
}

#[test]
fn reference_networks_stay_near_the_floor() {
    let ffnn =
        r#"layers = [{ dense = { units = 32, activation = "relu" } }, { dense = { units = 10 } }]"#;
    assert!(arena(ffnn) <= 107_000);
    let cnn = r#"layers = [
        { conv2d = { filters = 4, kernel = 3, activation = "relu" } }, { max_pool = { size = 2 } },
        { conv2d = { filters = 8, kernel = 3, activation = "relu" } }, { max_pool = { size = 2 } },
        { flatten = {} }, { dense = { units = 10 } }]"#;
    assert!(arena(cnn) <= 22_000);
    let lenet = r#"layers = [
        { conv2d = { filters = 6, kernel = 5, padding = { explicit = 2 }, activation = "relu" } }, { max_pool = { size = 2 } },
        { conv2d = { filters = 16, kernel = 5, activation = "relu" } }, { max_pool = { size = 2 } },
        { flatten = {} }, { dense = { units = 120, activation = "relu" } },
        { dense = { units = 84, activation = "relu" } }, { dense = { units = 10 } }]"#;
    assert!(arena(lenet) <= 275_000);
}
