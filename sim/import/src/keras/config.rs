//! A model's config: which layers there are and what each is given, in Keras 2's and Keras 3's words.

use crate::model::Extent;
use serde_json::Value as Json;

/// A layer of a config.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// Its class.
    pub class: &'a str,
    /// Its own settings.
    pub config: &'a Json,
    /// Its entry in the list of layers.
    pub entry: &'a Json,
}

impl<'a> Layer<'a> {
    /// The layer of an entry.
    pub fn new(entry: &'a Json) -> Result<Self, String> {
        let class = entry["class_name"].as_str();
        let class = class.ok_or("a layer of the config has no class_name")?;
        Ok(Self {
            class,
            config: &entry["config"],
            entry,
        })
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        let own = self.config["name"].as_str();
        own.or_else(|| self.entry["name"].as_str())
            .unwrap_or(self.class)
    }

    /// Whether it is a model of its own.
    pub fn is_model(self) -> bool {
        matches!(self.class, "Sequential" | "Functional" | "Model")
    }

    /// The shape of its input, where it says so: batch first.
    pub fn input_shape(self) -> Option<Vec<Extent>> {
        let keys = ["batch_shape", "batch_input_shape", "batchInputShape"];
        keys.iter().find_map(|k| shape(&self.config[*k]))
    }

    /// A number of its settings.
    pub fn number(self, key: &str) -> Option<f64> {
        self.config[key].as_f64()
    }

    /// A text of its settings.
    pub fn text(self, key: &str) -> Option<&'a str> {
        self.config[key].as_str()
    }

    /// A switch of its settings.
    pub fn flag(self, key: &str, default: bool) -> bool {
        self.config[key].as_bool().unwrap_or(default)
    }

    /// A size an axis: one number for all of them, or a list.
    pub fn sizes(self, key: &str, axes: usize) -> Option<Vec<usize>> {
        match &self.config[key] {
            Json::Array(list) => {
                let sizes = list.iter().map(|v| v.as_u64().map(|v| v as usize));
                sizes
                    .collect::<Option<Vec<_>>>()
                    .filter(|s| s.len() == axes)
            }
            single => Some(vec![usize::try_from(single.as_u64()?).ok()?; axes]),
        }
    }
}

/// A list of axes, free ones as null.
pub fn shape(json: &Json) -> Option<Vec<Extent>> {
    let axes = json.as_array()?.iter();
    axes.map(|axis| match axis {
        Json::Null => Some(Extent::of(None)),
        axis => Some(Extent::Fixed(usize::try_from(axis.as_u64()?).ok()?)),
    })
    .collect()
}

/// The layers of a model, and of which tensors it is made.
pub struct Graph<'a> {
    /// In the order of the file.
    pub layers: Vec<Layer<'a>>,
    /// Where data come in and go out; nothing where layers simply follow each other.
    pub ends: Option<(Vec<Source<'a>>, Vec<Source<'a>>)>,
}

/// An output of a layer: which layer, and which of the times that it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source<'a> {
    /// The layer's name.
    pub layer: &'a str,
    /// Which use of it.
    pub call: usize,
}

impl<'a> Graph<'a> {
    /// The graph of a model's config.
    ///
    /// # Errors
    /// What is missing.
    pub fn new(class: &str, config: &'a Json) -> Result<Self, String> {
        // Keras 2 once wrote the layers of a Sequential as its config.
        let list = match config {
            Json::Array(list) => list,
            _ => config["layers"]
                .as_array()
                .ok_or("its config has no list of layers")?,
        };
        let layers: Vec<Layer> = list.iter().map(Layer::new).collect::<Result<_, _>>()?;
        if class == "Sequential" {
            return Ok(Self { layers, ends: None });
        }
        let ends = |key: &str| {
            let mut found = Vec::new();
            sources(&config[key], &mut found, 0);
            match found.is_empty() {
                true => Err(format!("its config has no {key}")),
                false => Ok(found),
            }
        };
        let ends = Some((ends("input_layers")?, ends("output_layers")?));
        Ok(Self { layers, ends })
    }
}

/// What a layer is given, once for each time that it is used.
pub fn calls<'a>(entry: &'a Json) -> Vec<Vec<Argument<'a>>> {
    let Some(nodes) = entry["inbound_nodes"].as_array() else {
        return Vec::new();
    };
    let is_reference = |v: &Json| v[0].is_string() && v[1].is_u64();
    nodes
        .iter()
        .map(|node| {
            let mut arguments = Vec::new();
            match node {
                // Keras 3.
                Json::Object(_) => {
                    collect(&node["args"], &mut arguments, 0);
                    let named = node["kwargs"].as_object().into_iter().flatten();
                    let named =
                        named.filter(|(key, _)| !matches!(key.as_str(), "training" | "mask"));
                    named.for_each(|(_, v)| collect(v, &mut arguments, 0));
                }
                // One reference: an operation of TensorFlow in Keras 2.
                list if is_reference(list) => collect_old(list, &mut arguments),
                Json::Array(list) => list.iter().for_each(|v| collect_old(v, &mut arguments)),
                _ => {}
            }
            arguments
        })
        .collect()
}

/// What a layer is given.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// What another one makes.
    Tensor(Source<'a>),
    /// A number.
    Number(f64),
}

/// Keras 2: `[layer, call, tensor, {more}]`.
fn collect_old<'a>(value: &'a Json, into: &mut Vec<Argument<'a>>) {
    if let Some(source) = reference(value) {
        into.push(Argument::Tensor(source));
    }
    let named = value[3].as_object().into_iter().flatten();
    for (_, value) in named.filter(|(key, _)| *key != "name") {
        if let Some(source) = reference(value) {
            into.push(Argument::Tensor(source));
        } else if let Some(number) = value.as_f64() {
            into.push(Argument::Number(number));
        }
    }
}

/// Keras 3: tensors and numbers in lists.
fn collect<'a>(value: &'a Json, into: &mut Vec<Argument<'a>>, depth: usize) {
    match value {
        Json::Array(list) if depth < 8 => list.iter().for_each(|v| collect(v, into, depth + 1)),
        Json::Object(_) if value["class_name"] == "__keras_tensor__" => {
            if let Some(source) = reference(&value["config"]["keras_history"]) {
                into.push(Argument::Tensor(source));
            }
        }
        Json::Number(number) => into.extend(number.as_f64().map(Argument::Number)),
        _ => {}
    }
}

fn reference(value: &Json) -> Option<Source<'_>> {
    let call = usize::try_from(value[1].as_u64()?).ok()?;
    let layer = value[0].as_str()?;
    Some(Source { layer, call })
}

/// References in lists and maps of lists.
fn sources<'a>(value: &'a Json, into: &mut Vec<Source<'a>>, depth: usize) {
    if let Some(source) = reference(value) {
        into.push(source);
    } else if depth < 8 {
        match value {
            Json::Array(list) => list.iter().for_each(|v| sources(v, into, depth + 1)),
            Json::Object(map) => map.values().for_each(|v| sources(v, into, depth + 1)),
            _ => {}
        }
    }
}
