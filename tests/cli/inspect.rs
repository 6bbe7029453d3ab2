//! `sim inspect`: models of other frameworks, before anything is decided.

use crate::support::{Place, root};

fn model(name: &str) -> String {
    let path = root().join("tests/fixtures/models").join(name);
    path.display().to_string()
}

#[test]
fn a_model_is_shown_with_what_training_takes() {
    let place = Place::new();
    let shown = place.succeed(&["inspect", &model("r1_keras3.keras"), "--board", "nano33ble"]);
    for part in [
        "Keras .keras, by Keras 3",
        "float32",
        "depthwise_conv2d",
        "frozen",
        "last:3",
        "nano33ble",
        "has become the normalisation of the input",
        "Held against the file on 8 drawn samples",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

#[test]
fn json_adds_up() {
    let place = Place::new();
    let text = place.succeed(&["inspect", &model("cnn_legacy.onnx"), "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let layers = shown["layers"].as_array().expect("layers");
    let sum = |key: &str| layers.iter().filter_map(|l| l[key].as_u64()).sum::<u64>();
    assert_eq!(sum("macs"), shown["macs"].as_u64().expect("a number"));
    // 3·3 weights of 8 filters at 20 × 12 places; 8 × 10 × 6 inputs of 5 outputs.
    assert_eq!(sum("macs"), 9 * 8 * 240 + 480 * 5);
    let training = shown["training"].as_array().expect("a list");
    let ram = |i: usize| training[i]["arena_bytes"].as_u64().expect("bytes");
    assert!(ram(1) > ram(0), "training more takes more");
    assert!(ram(0) > shown["inference"]["arena_bytes"].as_u64().expect("bytes"));
}

#[test]
fn a_part_is_cut_out() {
    let place = Place::new();
    let file = model("summed_layer.keras");
    let shown = place.succeed(&[
        "inspect",
        &file,
        "--from-layer",
        "bee",
        "--until-layer",
        "fox",
    ]);
    assert!(shown.contains("bee") && shown.contains("fox"), "{shown}");
    assert!(!shown.contains("yak") && !shown.contains("eel"), "{shown}");
    let refused = place.fail(&["inspect", &file, "--until-layer", "cow"], 2);
    assert!(
        refused.contains("no layer `cow`") && refused.contains("owl"),
        "{refused}"
    );
}

#[test]
fn a_refusal_lists_everything() {
    let place = Place::new();
    let refused = place.fail(
        &["inspect", &model("refused_recurrent_any_batch.tflite")],
        2,
    );
    for part in [
        "WHILE",
        "FlexTensorListReserve",
        "FlexTensorListStack",
        "FILL",
    ] {
        assert!(refused.contains(part), "{part}:\n{refused}");
    }
    let refused = place.fail(&["inspect", &model("refused_free_dimension.onnx")], 2);
    assert!(refused.contains("--dim seq=15"), "{refused}");
    place.succeed(&[
        "inspect",
        &model("refused_free_dimension.onnx"),
        "--dim",
        "seq=15",
    ]);
    for (name, bytes) in [
        ("empty.onnx", &b""[..]),
        ("noise.tflite", &b"\x1c\0\0\0TFL3\xff\xff"[..]),
    ] {
        let path = place.file(name, "");
        std::fs::write(&path, bytes).expect("a file");
        place.fail(&["inspect", &path.display().to_string()], 2);
    }
    place.fail(&["inspect", "nowhere.keras"], 2);
}

/// A model of another framework in place of a network: its weights are where training starts.
#[test]
fn a_run_names_a_model_in_place_of_a_network() {
    let place = Place::new();
    let models = root().join("tests/fixtures/models");
    std::fs::copy(models.join("digits.keras"), place.path("digits.keras")).expect("it is there");
    let config = r#"
name = "mine"
seeds = 1
boards = ["nano33ble"]
network = "digits.keras"

[data]
set = "strokes"
validation = 500

[experiment.concept_drift]
length = 60
drift_at = 20
test_images = 200

[[strategies]]
name = "last"
train = "last:1"
training = { learning_rate = 0.05 }
online = { policy = "fifo", slots = 20 }
"#;
    place.file("mine.toml", config);
    place.succeed(&["run", "mine.toml", "-q"]);
    let before = |name: &str| {
        let summary = place.summary(name);
        let accuracy = &summary["strategies"][0]["accuracy"]["before_drift"]["mean"];
        accuracy.as_f64().expect("it ran")
    };
    let as_it_came = before("mine");
    // The same file, trained further on the host.
    let further = config
        .replace("name = \"mine\"", "name = \"further\"")
        .replace(
            "[experiment",
            "[pretrain]\nepochs = 2\ntraining = { learning_rate = 0.02 }\n\n[experiment",
        );
    place.file("further.toml", &further);
    place.succeed(&["run", "further.toml", "-q"]);
    assert!(before("further") > as_it_came + 0.2, "{as_it_came}");
    // Images of another size, and a file that is none.
    let other = config.replace("digits.keras", "other.keras");
    std::fs::copy(models.join("series.keras"), place.path("other.keras")).expect("it is there");
    place.file("other.toml", &other);
    let said = place.fail(&["plan", "other.toml"], 2);
    assert!(
        said.contains("1x20x3") && said.contains("28x28x1"),
        "{said}"
    );
    place.file("other.keras", "no model");
    let said = place.fail(&["plan", "other.toml"], 2);
    assert!(said.contains("other.keras"), "{said}");
}
