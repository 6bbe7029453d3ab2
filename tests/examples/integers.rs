//! Trains networks in f32, int16 and int8 from the same weights on the same samples in the same order, and prints the accuracy on
//! the whole test set and the paired differences to f32.
//!
//!     SIM_DATA_DIR=FOLDER cargo run --release -p tests --example integers -- NETWORK DATA SEEDS EPOCHS [ALL]
//!
//! NETWORK is ffnn, cnn or wide (784-100-10), DATA mnist or fashion-mnist: a folder of gzipped IDX files. With ALL every layer of
//! int8 has 8-bit weights, not the largest alone.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use runtime_shared::kernels::Shape;
use runtime_shared::learner::Learner;
use runtime_shared::rng::Rng;
use runtime_shared::schedule::Schedule;
use sim_compiler::{
    LossSpec, NetworkSpec, Online, Options, ScheduleSpec, Scheme, Training, compile,
};
use tests::integer::{LayerSpec, Learning, Network, Weights};
use tests::memory::Arena;

const RATE: f32 = 0.01;
const PIXELS: usize = 784;

/// Weights and bias of a layer.
type Initial = (Vec<f32>, Vec<f32>);

struct Samples {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Samples {
    fn read(folder: &Path, part: &str) -> Self {
        let read = |name: String, header: usize| {
            let file =
                std::fs::File::open(folder.join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let mut bytes = vec![];
            GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
            bytes.split_off(header)
        };
        Self {
            pixels: read(format!("{part}-images-idx3-ubyte.gz"), 16),
            labels: read(format!("{part}-labels-idx1-ubyte.gz"), 8),
        }
    }

    fn image(&self, i: usize) -> &[u8] {
        &self.pixels[i * PIXELS..(i + 1) * PIXELS]
    }
}

/// The integer network of the layers that all three networks here are made of.
fn learning(name: &str, eight: &[bool]) -> Learning {
    let layer = |op: &str, number: usize, more: &str| {
        let class = if eight[number] { "i8" } else { "i16" };
        let text = format!(r#"{{"op": "{op}", "name": "{number}", "class": "{class}", {more}}}"#);
        serde_json::from_str::<LayerSpec>(&text).expect("a layer")
    };
    let conv = |number, filters| {
        let more =
            format!(r#""filters": {filters}, "kernel": [3, 3], "pool": [2, 2], "relu": true"#);
        layer("conv", number, &more)
    };
    let layers = match name {
        "cnn" => vec![conv(0, 4), conv(1, 8), layer("dense", 2, r#""units": 10"#)],
        _ => {
            let hidden = if name == "wide" { 100 } else { 32 };
            let hidden = layer("dense", 0, &format!(r#""units": {hidden}, "relu": true"#));
            vec![hidden, layer("dense", 1, r#""units": 10"#)]
        }
    };
    Learning {
        input: [28, 28, 1],
        fx: 7,
        loss: "cross_entropy".into(),
        rate: RATE,
        batch: 1,
        decay: 0.0,
        confident: None,
        layers,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |i: usize| {
        arguments
            .get(i)
            .expect("NETWORK DATA SEEDS EPOCHS")
            .as_str()
    };
    let (name, data) = (argument(0), argument(1));
    let seeds: u64 = argument(2).parse().expect("a number of seeds");
    let epochs: usize = argument(3).parse().expect("a number of epochs");
    let all = arguments.len() > 4;
    let root = std::env::var("SIM_DATA_DIR").expect("SIM_DATA_DIR says where data sets are");
    let folder = Path::new(&root).join(data);
    let (train, test) = (
        Samples::read(&folder, "train"),
        Samples::read(&folder, "t10k"),
    );
    let mut differences = vec![vec![]; 2];
    for seed in 1..=seeds {
        let mut order = vec![];
        let mut rng = Rng::for_purpose(seed, 1);
        for _ in 0..epochs {
            let mut epoch: Vec<usize> = (0..train.labels.len()).collect();
            rng.shuffle(&mut epoch);
            order.extend(epoch);
        }
        let base = floats(name, seed, &order, &train, &test);
        let mut line = format!("{name} {data} seed {seed}: f32 {:.2}", base.1);
        for (i, class) in ["int16", "int8"].into_iter().enumerate() {
            let layers = if name == "cnn" { 3 } else { 2 };
            let largest = if name == "cnn" { 2 } else { 0 };
            let eight: Vec<bool> = (0..layers)
                .map(|l| i == 1 && (all || l == largest))
                .collect();
            let found = integers(learning(name, &eight), &base.0, &order, &train, &test);
            line += &format!(", {class} {found:.2}");
            differences[i].push(found - base.1);
        }
        println!("{line}");
    }
    for (class, d) in ["int16", "int8"].into_iter().zip(&differences) {
        let n = d.len() as f64;
        let mean = d.iter().sum::<f64>() / n;
        let variance = d.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
        println!(
            "{class} - f32: {mean:+.3} points, standard error {:.3}",
            (variance / n).sqrt()
        );
    }
}

/// Initial weights and biases, layer by layer, and the accuracy in percent.
fn floats(
    name: &str,
    seed: u64,
    order: &[usize],
    train: &Samples,
    test: &Samples,
) -> (Vec<Initial>, f64) {
    let text = match name {
        "cnn" => include_str!("../../configs/networks/thesis_cnn.toml").to_owned(),
        "wide" => include_str!("../../configs/networks/ffnn.toml").replace("32", "100"),
        _ => include_str!("../../configs/networks/ffnn.toml").to_owned(),
    };
    let spec: NetworkSpec = toml::from_str(&text).expect("the network parses");
    let shape = Shape { h: 28, w: 28, c: 1 };
    let graph = spec.build(shape, seed).expect("the network builds");
    let initial = graph
        .weighted()
        .filter_map(|id| graph.nodes()[id].op.parameters())
        .map(|p| {
            let bias = p.bias.as_ref().expect("a bias");
            (p.weights.values().into_owned(), bias.values().into_owned())
        })
        .collect();
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training {
            schedule: ScheduleSpec::Cosine {
                period: order.len() as u32,
                last: 0.0,
            },
            ..Training::sgd(RATE)
        },
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed,
    };
    let compiled = compile(&graph, &options).expect("the network compiles");
    let mut arena = Arena::new(compiled.arena_bytes());
    let mut learner =
        Learner::new(compiled.program(), arena.bytes_mut()).expect("the arena is as asked for");
    for &i in order {
        let label = train.labels[i].into();
        learner
            .train(train.image(i), label, &mut ())
            .expect("finite");
    }
    let right = (0..test.labels.len())
        .filter(|&i| learner.infer(test.image(i), &mut ()) == Ok(test.labels[i].into()))
        .count();
    (initial, 100.0 * right as f64 / test.labels.len() as f64)
}

/// The accuracy in percent.
fn integers(
    learning: Learning,
    initial: &[Initial],
    order: &[usize],
    train: &Samples,
    test: &Samples,
) -> f64 {
    let mut network = Network::new(learning);
    let weighted = network.layers.iter_mut().filter(|l| !l.b.is_empty());
    for (layer, (w, b)) in weighted.zip(initial) {
        let limit = f64::from((1 << layer.width) - 1);
        let fixed = |v: f32, fraction: i32| (f64::from(v) * 2f64.powi(fraction) + 0.5).floor();
        let weight = |v: &f32| fixed(*v, layer.fraction).clamp(-limit, limit);
        match &mut layer.w {
            Weights::I8(to) => *to = w.iter().map(|v| weight(v) as i8).collect(),
            Weights::I16(to) => *to = w.iter().map(|v| weight(v) as i16).collect(),
        }
        layer.b = b
            .iter()
            .map(|v| fixed(*v, layer.fraction + 10) as i32)
            .collect();
    }
    let schedule = Schedule::Cosine {
        period: order.len() as u32,
        last: 0.0,
    };
    let halved = |image: &[u8]| image.iter().map(|b| (b >> 1) as i8).collect::<Vec<i8>>();
    for (step, &i) in order.iter().enumerate() {
        network.set_rate(RATE * schedule.factor(step as u32, 1.0));
        network.learn(&halved(train.image(i)), train.labels[i].into());
    }
    let right = (0..test.labels.len())
        .filter(|&i| network.predict(&halved(test.image(i))) == usize::from(test.labels[i]))
        .count();
    100.0 * right as f64 / test.labels.len() as f64
}
