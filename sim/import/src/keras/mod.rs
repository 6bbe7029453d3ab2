//! Keras: `.h5` and `.keras`, of versions 2 and 3. Both are read without Keras, and nothing in them is run.

mod archive;
mod config;
mod layers;
mod weights;

use crate::limits;
use crate::model::{Extent, Model, Value, ValueId};
use archive::Archive;
use config::{Argument, Graph, Layer, Source};
use hdf5_reader::Hdf5File;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use weights::{Scope, Weights};

/// Whether these are the first bytes of an `.h5` file.
pub fn is_h5(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89HDF\r\n\x1a\n")
}

/// Whether these are the first bytes of a `.keras` file, or another archive.
pub fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The model of an `.h5` file.
///
/// # Errors
/// What is wrong with it.
pub fn read_h5(bytes: Vec<u8>) -> Result<Model, String> {
    let length = bytes.len();
    let file = Hdf5File::from_vec_with_options(bytes, archive::options());
    let archive = Archive::new(&file.map_err(|e| e.to_string())?, length)?;
    let Some(config) = archive.text("", "model_config") else {
        return Err(
            "it holds weights and no model. Save the whole model, or give these weights to a network in TOML"
                .to_owned(),
        );
    };
    let version = archive.text("", "keras_version");
    read(&config, version, "h5", archive)
}

/// The model of a `.keras` file.
///
/// # Errors
/// What is wrong with it.
pub fn read_keras(bytes: Vec<u8>) -> Result<Model, String> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
    let config = member(&mut zip, "config.json", limits::CONFIG)?;
    let config = String::from_utf8(config).map_err(|_| "its config.json is no text")?;
    let metadata = member(&mut zip, "metadata.json", limits::CONFIG).unwrap_or_default();
    let metadata: Json = serde_json::from_slice(&metadata).unwrap_or_default();
    let version = metadata["keras_version"].as_str().map(str::to_owned);
    let weights = member(&mut zip, "model.weights.h5", limits::FILE)?;
    drop(zip);
    let length = weights.len();
    let file = Hdf5File::from_vec_with_options(weights, archive::options());
    let archive = Archive::new(&file.map_err(|e| e.to_string())?, length)?;
    read(&config, version, ".keras", archive)
}

fn member(
    zip: &mut zip::ZipArchive<Cursor<Vec<u8>>>,
    name: &str,
    most: u64,
) -> Result<Vec<u8>, String> {
    let file = zip.by_name(name);
    let file = file.map_err(|e| format!("it has no readable {name} ({e})"))?;
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes);
    read.map_err(|e| format!("{name} cannot be unpacked ({e})"))?;
    match bytes.len() as u64 > most {
        true => Err(format!("{name} is larger than {most} bytes")),
        false => Ok(bytes),
    }
}

fn read(
    config: &str,
    version: Option<String>,
    container: &str,
    archive: Archive,
) -> Result<Model, String> {
    if config.len() as u64 > limits::CONFIG {
        return Err("its config is too large".to_owned());
    }
    // The parser itself limits how deep values are nested.
    let config: Json =
        serde_json::from_str(config).map_err(|e| format!("its config is no JSON ({e})"))?;
    let version = version.unwrap_or_else(|| "of an unknown version".to_owned());
    let mut reader = Reader {
        model: Model {
            format: format!("Keras {container}"),
            producer: Some(format!("Keras {version}")),
            ..Model::default()
        },
        weights: Weights::new(archive),
        steps: 0,
    };
    let top = Layer::new(&config)?;
    if !top.is_model() {
        return Err(format!(
            "its class `{}` is not one of Sequential and Functional; models with code of their own cannot be imported",
            top.class
        ));
    }
    let outputs = reader.model(top, None, &mut Scope::default(), "", 0)?;
    reader.model.outputs = outputs;
    reader.model.check()?;
    Ok(reader.model)
}

/// Layers of a model.
const LAYERS: usize = 1 << 13;

/// What is made of a file.
struct Reader {
    model: Model,
    weights: Weights,
    /// How many uses of layers there were: inner models can be used many times.
    steps: usize,
}

/// What a use of a layer makes.
type Made<'a> = BTreeMap<Source<'a>, ValueId>;

impl Reader {
    /// Appends the layers of a model, which is given `inputs` or, outermost, makes its own. Layers of inner
    /// models get its name before theirs.
    fn model(
        &mut self,
        model: Layer,
        inputs: Option<Vec<ValueId>>,
        scope: &mut Scope,
        prefix: &str,
        depth: usize,
    ) -> Result<Vec<ValueId>, String> {
        if depth > limits::NESTING {
            return Err("its models are nested too deep".to_owned());
        }
        let graph = Graph::new(model.class, model.config)?;
        match &graph.ends {
            None => self.sequential(model, &graph, inputs, scope, prefix, depth),
            Some((from, to)) => self.functional(&graph, from, to, inputs, scope, prefix, depth),
        }
    }

    fn sequential(
        &mut self,
        model: Layer,
        graph: &Graph,
        inputs: Option<Vec<ValueId>>,
        scope: &mut Scope,
        prefix: &str,
        depth: usize,
    ) -> Result<Vec<ValueId>, String> {
        let mut current = match inputs {
            Some(inputs) => inputs,
            None => {
                let first = graph.layers.first().ok_or("the model has no layers")?;
                let shape = first_shape(*first, 0).or_else(|| {
                    let build = Layer {
                        config: &model.entry["build_config"],
                        ..model
                    };
                    let shape = config::shape(&build.config["input_shape"]);
                    shape.or_else(|| config::shape(&model.config["build_input_shape"]))
                });
                vec![self.input(first.name(), shape)]
            }
        };
        for layer in &graph.layers {
            if layer.class == "InputLayer" {
                continue;
            }
            let reserved = self.reserve(*layer, scope)?;
            let made = self.layer(*layer, &[current], reserved, prefix, depth)?;
            current = made.into_iter().next().unwrap_or_default();
        }
        Ok(current)
    }

    #[allow(clippy::too_many_arguments)]
    fn functional(
        &mut self,
        graph: &Graph,
        from: &[Source],
        to: &[Source],
        inputs: Option<Vec<ValueId>>,
        scope: &mut Scope,
        prefix: &str,
        depth: usize,
    ) -> Result<Vec<ValueId>, String> {
        let mut made: Made = BTreeMap::new();
        for (i, source) in from.iter().enumerate() {
            let layer = graph.layers.iter().find(|l| l.name() == source.layer);
            let layer = layer.ok_or_else(|| format!("its input `{}` is no layer", source.layer))?;
            let value = match &inputs {
                Some(given) => *given
                    .get(i)
                    .ok_or_else(|| format!("an inner model lacks its input `{}`", source.layer))?,
                None => self.input(layer.name(), layer.input_shape()),
            };
            made.insert(*source, value);
        }
        // Weights are numbered in the order of the list, which need not be that of computing.
        if graph.layers.len() > LAYERS {
            return Err("it has too many layers".to_owned());
        }
        let mut waiting = Vec::new();
        for layer in &graph.layers {
            if layer.class == "InputLayer" {
                continue;
            }
            let calls = config::calls(layer.entry);
            waiting.push((*layer, calls, self.reserve(*layer, scope)?));
        }
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|(_, calls, _)| {
                let arguments = calls.iter().flatten();
                arguments.into_iter().all(|a| match a {
                    Argument::Tensor(source) => find(&made, *source).is_some(),
                    Argument::Number(_) => true,
                })
            });
            let Some(ready) = ready else {
                let names: Vec<&str> = waiting.iter().map(|(l, ..)| l.name()).collect();
                return Err(format!(
                    "the layers {} wait for each other, or for layers that do not exist",
                    names.join(", ")
                ));
            };
            let (layer, calls, reserved) = waiting.remove(ready);
            let mut given = Vec::new();
            for call in &calls {
                let values = call.iter().map(|a| match a {
                    Argument::Tensor(source) => find(&made, *source),
                    Argument::Number(number) => Some(self.number(*number)),
                });
                given.push(values.flatten().collect());
            }
            let results = self.layer(layer, &given, reserved, prefix, depth)?;
            for (call, result) in results.into_iter().enumerate() {
                let source = Source {
                    layer: layer.name(),
                    call,
                };
                if let Some(&first) = result.first() {
                    made.insert(source, first);
                }
            }
        }
        let ends = to.iter().map(|source| {
            find(&made, *source).ok_or_else(|| format!("its output `{}` is no layer", source.layer))
        });
        ends.collect()
    }

    fn input(&mut self, name: &str, shape: Option<Vec<Extent>>) -> ValueId {
        let id = self.model.value(Value {
            name: name.to_owned(),
            shape,
            ..Value::default()
        });
        self.model.inputs.push(id);
        id
    }

    fn number(&mut self, number: f64) -> ValueId {
        let tensor = ndarray::ArrayD::from_elem(ndarray::IxDyn(&[]), number as f32);
        self.model.constant("", crate::model::Tensor::F32(tensor))
    }
}

/// The shape that the first layer is given, be it in a model of its own.
fn first_shape(layer: Layer, depth: usize) -> Option<Vec<Extent>> {
    if let Some(shape) = layer.input_shape() {
        return Some(shape);
    }
    if !layer.is_model() || depth > limits::NESTING {
        return None;
    }
    let graph = Graph::new(layer.class, layer.config).ok()?;
    let first = match &graph.ends {
        None => graph.layers.first(),
        Some((from, _)) => graph
            .layers
            .iter()
            .find(|l| Some(l.name()) == from.first().map(|s| s.layer)),
    };
    first_shape(*first?, depth + 1)
}

/// What a reference means: files count the making of an inner model as its first use, or do not.
fn find(made: &Made, source: Source) -> Option<ValueId> {
    let at = |call| made.get(&Source { call, ..source }).copied();
    at(source.call).or_else(|| at(source.call.checked_sub(1)?))
}
