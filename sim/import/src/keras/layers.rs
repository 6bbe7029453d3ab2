//! Keras' layers as operators of a [`Model`](crate::model::Model).

use super::Reader;
use super::config::Layer;
use super::weights::{Found, Scope};
use crate::limits;
use crate::model::{
    Arithmetic, Border, Node, Operator, Reduction, Sliding, Tensor, Value, ValueId,
};
use ndarray::{ArrayD, Axis, IxDyn};
use runtime_shared::kernels::activation::Activation;
use serde_json::Value as Json;

/// What a layer needs of the file.
#[derive(Clone)]
pub enum Reserved {
    /// Its weights.
    Weights(Found),
    /// Where those of its layers are.
    Inner(Scope),
}

/// A layer while its operators are appended.
struct Part<'a> {
    layer: Layer<'a>,
    name: String,
    weights: Found,
    /// How many weights were taken.
    taken: usize,
}

impl Part<'_> {
    /// The next weight, by its name or its number.
    fn weight(&mut self, names: &[&str]) -> Option<Tensor> {
        let place = self.taken;
        self.taken += 1;
        self.weights.take(names, place)
    }
}

impl Reader {
    /// What `layer` needs of the file. Layers must be asked for in the order of the config.
    pub(super) fn reserve(&mut self, layer: Layer, scope: &mut Scope) -> Result<Reserved, String> {
        let (class, name) = (layer.class, layer.name());
        Ok(match layer.is_model() {
            true => Reserved::Inner(self.weights.enter(scope, class, name)),
            false => Reserved::Weights(self.weights.of(scope, class, name)?),
        })
    }

    /// Appends the operators of a layer, once for each of its uses.
    pub(super) fn layer(
        &mut self,
        layer: Layer,
        calls: &[Vec<ValueId>],
        reserved: Reserved,
        prefix: &str,
        depth: usize,
    ) -> Result<Vec<Vec<ValueId>>, String> {
        let name = format!("{prefix}{}", layer.name());
        let mut results = Vec::new();
        for inputs in calls {
            self.steps += 1;
            if self.steps > limits::NODES || self.model.values.len() > limits::VALUES {
                return Err("it has too many layers".to_owned());
            }
            results.push(match &reserved {
                Reserved::Inner(scope) => {
                    let inputs = Some(inputs.clone());
                    let prefix = format!("{name}_");
                    self.model(layer, inputs, &mut scope.clone(), &prefix, depth + 1)?
                }
                Reserved::Weights(weights) => {
                    let part = Part {
                        layer,
                        name: name.clone(),
                        weights: weights.clone(),
                        taken: 0,
                    };
                    vec![self.append(part, inputs)]
                }
            });
        }
        if calls.len() > 1 {
            self.model.notes.push(format!(
                "{} `{name}` is used {} times; each use has weights of its own here.",
                layer.class,
                calls.len()
            ));
        }
        Ok(results)
    }

    fn emit(
        &mut self,
        part: &Part,
        op: Operator,
        inputs: &[ValueId],
        constants: Vec<Option<Tensor>>,
    ) -> ValueId {
        let mut all: Vec<Option<ValueId>> = inputs.iter().map(|&i| Some(i)).collect();
        for constant in constants {
            all.push(constant.map(|tensor| self.model.constant(&part.name, tensor)));
        }
        let is_activation = matches!(op, Operator::Activation(_) | Operator::Softmax { .. });
        let again = self.model.nodes.last().is_some_and(|n| n.name == part.name);
        let made = self.model.value(Value {
            name: part.name.clone(),
            ..Value::default()
        });
        self.model.nodes.push(Node {
            name: match is_activation && again {
                true => format!("{}.activation", part.name),
                false => part.name.clone(),
            },
            kind: part.layer.class.to_owned(),
            op,
            inputs: all,
            outputs: vec![made],
        });
        made
    }

    /// The operators of one use; what is not supported becomes one that says why.
    fn append(&mut self, mut part: Part, inputs: &[ValueId]) -> ValueId {
        match self.operators(&mut part, inputs) {
            Ok(made) => made,
            Err(why) => self.emit(&part, Operator::Unsupported(why), inputs, Vec::new()),
        }
    }

    fn operators(&mut self, part: &mut Part, inputs: &[ValueId]) -> Result<ValueId, String> {
        let layer = part.layer;
        let class = layer.class;
        let function = match class {
            "TFOpLambda" => layer.text("function").unwrap_or_default(),
            _ => class,
        };
        let arithmetic = match function.rsplit('.').next().unwrap_or_default() {
            "Add" | "add" | "__add__" | "AddV2" => Some(Arithmetic::Add),
            "Subtract" | "subtract" | "sub" => Some(Arithmetic::Subtract),
            "Multiply" | "multiply" | "mul" => Some(Arithmetic::Multiply),
            "TrueDivide" | "Divide" | "truediv" | "divide" => Some(Arithmetic::Divide),
            _ => None,
        };
        if let Some(kind) = arithmetic {
            let (&first, rest) = inputs.split_first().ok_or("it is given nothing")?;
            if rest.is_empty() {
                return Err("it has one input where two are expected".to_owned());
            }
            let join = |sum, &next: &ValueId| {
                self.emit(part, Operator::Binary(kind), &[sum, next], Vec::new())
            };
            return Ok(rest.iter().fold(first, join));
        }
        if class == "Concatenate" {
            let axis = layer.number("axis").unwrap_or(-1.0) as i64;
            return Ok(self.emit(part, Operator::Concat { axis }, inputs, Vec::new()));
        }
        let [x] = inputs[..] else {
            return Err(format!(
                "it has {} inputs where one is expected",
                inputs.len()
            ));
        };
        match class {
            "Dense" | "TimeDistributed" => self.dense(part, x),
            "Conv1D" | "Conv2D" | "Convolution1D" | "Convolution2D" => self.convolution(part, x),
            "DepthwiseConv1D" | "DepthwiseConv2D" => self.depthwise(part, x),
            "SeparableConv1D" | "SeparableConv2D" | "SeparableConvolution2D" => {
                self.separable(part, x)
            }
            "BatchNormalization" | "BatchNormalizationV1" => self.batch_norm(part, x),
            "Normalization" => self.normalization(part, x),
            "Rescaling" => {
                let scale = layer.number("scale").ok_or("its scale is no number")?;
                let offset = layer.number("offset").unwrap_or(0.0);
                let number = |v: f64| Some(Tensor::F32(ArrayD::from_elem(IxDyn(&[]), v as f32)));
                let times = Operator::Binary(Arithmetic::Multiply);
                let scaled = self.emit(part, times, &[x], vec![number(scale)]);
                let plus = Operator::Binary(Arithmetic::Add);
                Ok(self.emit(part, plus, &[scaled], vec![number(offset)]))
            }
            _ => {
                let op = plain(layer)?;
                Ok(self.emit(part, op, &[x], Vec::new()))
            }
        }
    }

    /// Appends what a layer names as its activation.
    fn activate(&mut self, part: &Part, x: ValueId) -> Result<ValueId, String> {
        Ok(match activation(&part.layer.config["activation"])? {
            Some(op) => self.emit(part, op, &[x], Vec::new()),
            None => x,
        })
    }

    fn missing(&self, name: &str) -> String {
        let own = name.rsplit('/').next().unwrap_or(name);
        format!(
            "there are no weights for it (`{own}`); the file has: {}",
            self.weights.groups()
        )
    }

    fn dense(&mut self, part: &mut Part, x: ValueId) -> Result<ValueId, String> {
        let outer = part.layer;
        if outer.class == "TimeDistributed" {
            let inner = Layer::new(&outer.config["layer"])?;
            if inner.class != "Dense" {
                return Err(format!(
                    "it repeats {}; only Dense is supported",
                    inner.class
                ));
            }
            part.layer = inner;
        }
        let kernel = part
            .weight(&["kernel"])
            .ok_or_else(|| self.missing(&part.name))?;
        let bias = bias(part, &part.layer.clone())?;
        let op = Operator::Dense { transposed: false };
        let y = self.emit(part, op, &[x], vec![Some(kernel), bias]);
        self.activate(part, y)
    }

    fn convolution(&mut self, part: &mut Part, x: ValueId) -> Result<ValueId, String> {
        let layer = part.layer;
        if layer.number("groups").unwrap_or(1.0) != 1.0 {
            return Err(format!(
                "its filters are in {} groups, which is not supported",
                layer.number("groups").unwrap_or(1.0)
            ));
        }
        let (sliding, space) = sliding(layer, None)?;
        let kernel = part
            .weight(&["kernel"])
            .ok_or_else(|| self.missing(&part.name))?;
        let bias = bias(part, &layer)?;
        let op = Operator::Convolution {
            sliding,
            axes: (0..space + 2).collect(),
            depthwise: false,
        };
        let y = self.emit(part, op, &[x], vec![Some(kernel), bias]);
        self.activate(part, y)
    }

    fn depthwise(&mut self, part: &mut Part, x: ValueId) -> Result<ValueId, String> {
        let layer = part.layer;
        let (sliding, space) = sliding(layer, None)?;
        let kernel = part.weight(&["depthwise_kernel", "kernel"]);
        let kernel = kernel.ok_or_else(|| self.missing(&part.name))?;
        let bias = bias(part, &layer)?;
        let op = Operator::Convolution {
            sliding,
            axes: (0..space + 2).collect(),
            depthwise: true,
        };
        let y = self.emit(part, op, &[x], vec![Some(kernel), bias]);
        self.activate(part, y)
    }

    fn separable(&mut self, part: &mut Part, x: ValueId) -> Result<ValueId, String> {
        let layer = part.layer;
        let (along, space) = sliding(layer, None)?;
        let depthwise = part.weight(&["depthwise_kernel"]);
        let pointwise = part.weight(&["pointwise_kernel"]);
        let (Some(depthwise), Some(pointwise)) = (depthwise, pointwise) else {
            return Err(self.missing(&part.name));
        };
        let bias = bias(part, &layer)?;
        let axes: Vec<usize> = (0..space + 2).collect();
        let across = Sliding {
            stride: vec![1; space],
            border: Border::Valid,
            ..along.clone()
        };
        let first = Operator::Convolution {
            sliding: along,
            axes: axes.clone(),
            depthwise: true,
        };
        let second = Operator::Convolution {
            sliding: across,
            axes,
            depthwise: false,
        };
        let name = part.name.clone();
        part.name = format!("{name}.depthwise");
        let y = self.emit(part, first, &[x], vec![Some(depthwise)]);
        part.name = name;
        let y = self.emit(part, second, &[y], vec![Some(pointwise), bias]);
        self.activate(part, y)
    }

    fn batch_norm(&mut self, part: &mut Part, x: ValueId) -> Result<ValueId, String> {
        let layer = part.layer;
        let scaled = layer.flag("scale", true);
        let centred = layer.flag("center", true);
        let gamma = if scaled {
            part.weight(&["gamma"])
        } else {
            None
        };
        let beta = if centred {
            part.weight(&["beta"])
        } else {
            None
        };
        let mean = part.weight(&["moving_mean"]);
        let variance = part.weight(&["moving_variance"]);
        let lacks = scaled && gamma.is_none() || centred && beta.is_none();
        if lacks || mean.is_none() || variance.is_none() {
            return Err(self.missing(&part.name));
        }
        let axis = match &layer.config["axis"] {
            Json::Array(list) if list.len() == 1 => list[0].as_i64(),
            axis => axis.as_i64().or(Some(-1)),
        };
        let op = Operator::BatchNorm {
            epsilon: layer.number("epsilon").unwrap_or(1e-3) as f32,
            axis: axis.ok_or("it normalises over several axes")?,
        };
        Ok(self.emit(part, op, &[x], vec![gamma, beta, mean, variance]))
    }

    /// (x − mean) / sqrt(variance), with statistics of the data; or the way back.
    fn normalization(&mut self, part: &mut Part, x: ValueId) -> Result<ValueId, String> {
        let layer = part.layer;
        let never = || format!("`{}` was never adapted to data", layer.name());
        let stored = (part.weight(&["mean"]), part.weight(&["variance"]));
        let counted = part.weight(&["count"]);
        let given = |key: &str| {
            let mut numbers = Vec::new();
            flatten(&layer.config[key], &mut numbers, 0);
            (!numbers.is_empty()).then(|| ndarray::Array1::from(numbers).into_dyn())
        };
        let (mean, variance) = match (given("mean"), given("variance"), stored) {
            (Some(mean), Some(variance), _) => (mean, variance),
            (_, _, (Some(mean), Some(variance))) => (mean.numbers(), variance.numbers()),
            _ => return Err(never()),
        };
        let untouched =
            mean.iter().all(|&m| m == 0.0) && variance.iter().all(|&v| v == 1.0 || v == 0.0);
        let uncounted = counted.is_none_or(|c| c.numbers().iter().all(|&n| n == 0.0));
        if untouched && uncounted && given("mean").is_none() {
            return Err(never());
        }
        // Statistics that are kept for the last axis alone, or for none.
        let squeeze = |a: ArrayD<f32>| {
            let mut a = a;
            while a.ndim() > 1 && a.shape()[0] == 1 {
                a = a.index_axis_move(Axis(0), 0);
            }
            a
        };
        let deviation = variance.mapv(|v| v.sqrt().max(1e-7));
        let (mean, deviation) = (squeeze(mean), squeeze(deviation));
        let steps = match layer.flag("invert", false) {
            false => [
                (Arithmetic::Subtract, mean),
                (Arithmetic::Divide, deviation),
            ],
            true => [(Arithmetic::Multiply, deviation), (Arithmetic::Add, mean)],
        };
        let step = |y, (kind, by): (Arithmetic, ArrayD<f32>)| {
            self.emit(
                part,
                Operator::Binary(kind),
                &[y],
                vec![Some(Tensor::F32(by))],
            )
        };
        Ok(steps.into_iter().fold(x, step))
    }
}

/// The bias, if the layer has one.
fn bias(part: &mut Part, layer: &Layer) -> Result<Option<Tensor>, String> {
    if !layer.flag("use_bias", true) {
        return Ok(None);
    }
    let bias = part.weight(&["bias"]);
    bias.map(Some)
        .ok_or_else(|| "its bias is missing".to_owned())
}

/// Numbers in lists of lists.
fn flatten(json: &Json, into: &mut Vec<f32>, depth: usize) {
    match json {
        Json::Array(list) if depth < 8 => list.iter().for_each(|v| flatten(v, into, depth + 1)),
        json => into.extend(json.as_f64().map(|v| v as f32)),
    }
}

/// How a layer slides, and over how many axes.
fn sliding(layer: Layer, kernel: Option<&str>) -> Result<(Sliding, usize), String> {
    let space = match layer.class {
        class if class.ends_with("1D") => 1,
        class if class.ends_with("2D") => 2,
        _ => return Err("only layers of one or two axes are supported".to_owned()),
    };
    let dilation = layer
        .sizes("dilation_rate", space)
        .unwrap_or(vec![1; space]);
    if dilation.iter().any(|&d| d != 1) {
        return Err("its filters are dilated, which is not supported".to_owned());
    }
    let kernel = match kernel {
        None => Vec::new(),
        Some(key) => layer
            .sizes(key, space)
            .ok_or_else(|| format!("its {key} is not read"))?,
    };
    let stride = match &layer.config["strides"] {
        Json::Null if !kernel.is_empty() => kernel.clone(),
        Json::Null => vec![1; space],
        _ => layer
            .sizes("strides", space)
            .ok_or("its strides are not read")?,
    };
    let border = match layer.text("padding").or(layer.text("border_mode")) {
        Some("same") => Border::Same,
        Some("valid") | None => Border::Valid,
        Some("causal") if space == 1 => {
            let size = layer
                .sizes("kernel_size", 1)
                .ok_or("its kernel_size is not read")?;
            Border::Explicit(vec![(size[0].saturating_sub(1), 0)])
        }
        Some(other) => return Err(format!("its padding `{other}` is not supported")),
    };
    let channels_first = layer.text("data_format") == Some("channels_first");
    let sliding = Sliding {
        kernel,
        stride,
        border,
        channels_first,
    };
    Ok((sliding, space))
}

/// Layers without weights and with one input.
fn plain(layer: Layer) -> Result<Operator, String> {
    let number = |keys: &[&str], default: f64| {
        let given = keys.iter().find_map(|k| layer.number(k));
        given.unwrap_or(default) as f32
    };
    let pool = |reduction| {
        let (sliding, _) = sliding(layer, Some("pool_size"))?;
        Ok(Operator::Pool { sliding, reduction })
    };
    let global = |reduction| {
        let rank = if layer.class.ends_with("1D") { 3 } else { 4 };
        let first = layer.text("data_format") == Some("channels_first");
        let axes = if first { 2..rank } else { 1..rank - 1 };
        Ok(Operator::Reduce {
            reduction,
            axes: axes.collect(),
            keep: layer.flag("keepdims", false),
        })
    };
    match layer.class {
        "Flatten" => Ok(Operator::Flatten { axis: 1 }),
        "Reshape" => {
            let target = layer.config["target_shape"].as_array();
            let target = target.ok_or("its target_shape is not read")?;
            let axes = target.iter().map(Json::as_i64).collect::<Option<Vec<_>>>();
            let mut shape = vec![1];
            shape.extend(axes.ok_or("its target_shape is not read")?);
            Ok(Operator::Reshape { shape, copy: false })
        }
        "Permute" => {
            let dims = layer.config["dims"].as_array().ok_or("its dims are not read")?;
            let axes = dims.iter().map(|d| d.as_u64().map(|d| d as usize));
            let mut order = vec![0];
            order.extend(axes.collect::<Option<Vec<_>>>().ok_or("its dims are not read")?);
            Ok(Operator::Transpose(order))
        }
        "Dropout" => Ok(Operator::Dropout(number(&["rate", "p"], 0.0))),
        // Noise that is added while training, and regularisation, are not part of what is computed.
        "GaussianNoise" | "GaussianDropout" | "AlphaDropout" | "SpatialDropout1D" | "SpatialDropout2D"
        | "ActivityRegularization" | "Identity" => Ok(Operator::Identity),
        "MaxPooling1D" | "MaxPooling2D" | "MaxPool1D" | "MaxPool2D" => pool(Reduction::Max),
        "AveragePooling1D" | "AveragePooling2D" => pool(Reduction::Mean),
        "GlobalAveragePooling1D" | "GlobalAveragePooling2D" => global(Reduction::Mean),
        "GlobalMaxPooling1D" | "GlobalMaxPooling2D" | "GlobalMaxPool1D" | "GlobalMaxPool2D" => {
            global(Reduction::Max)
        }
        "Activation" => Ok(activation(&layer.config["activation"])?.unwrap_or(Operator::Identity)),
        "ReLU" => {
            if number(&["threshold"], 0.0) != 0.0 {
                return Err("its threshold is not 0".to_owned());
            }
            let slope = number(&["negative_slope"], 0.0);
            let relu = match layer.number("max_value") {
                None if slope == 0.0 => Activation::Relu,
                None => Activation::LeakyRelu(slope),
                Some(most) if most == 6.0 && slope == 0.0 => Activation::Relu6,
                Some(most) => return Err(format!("its max_value is {most}; 6 is supported")),
            };
            Ok(Operator::Activation(relu))
        }
        "ELU" => Ok(Operator::Activation(Activation::Elu(number(&["alpha"], 1.0)))),
        "ZeroPadding1D" | "ZeroPadding2D" => {
            let space = if layer.class.ends_with("1D") { 1 } else { 2 };
            let pads = pads(&layer.config["padding"], space).ok_or("its padding is not read")?;
            let mut borders = vec![(0, 0)];
            borders.extend(pads);
            if layer.text("data_format") == Some("channels_first") {
                borders.insert(1, (0, 0));
            }
            Ok(Operator::Pad {
                borders,
                value: 0.0,
            })
        }
        "LeakyReLU" => {
            let slope = number(&["negative_slope", "alpha"], 0.3);
            Ok(Operator::Activation(Activation::LeakyRelu(slope)))
        }
        "Softmax" => Ok(Operator::Softmax {
            axis: layer.number("axis").unwrap_or(-1.0) as i64,
        }),
        "Lambda" => Err(
            "it contains Python code and cannot be imported; replace it, or cut the model before it"
                .to_owned(),
        ),
        "TFOpLambda" => Err(format!(
            "the operation `{}` is not supported",
            layer.text("function").unwrap_or_default()
        )),
        "LSTM" | "GRU" | "SimpleRNN" | "Bidirectional" | "RNN" => {
            Err("recurrent layers are not supported; cut the model before it".to_owned())
        }
        _ => match layer.entry["registered_name"].as_str() {
            Some(name) if name.contains('>') => Err(format!(
                "it is the class `{name}` of somebody's own code, which is not in the file"
            )),
            _ => Err("this layer is not supported".to_owned()),
        },
    }
}

/// A border: one number for all sides, one an axis, or two an axis.
fn pads(json: &Json, space: usize) -> Option<Vec<(usize, usize)>> {
    let size = |v: &Json| usize::try_from(v.as_u64()?).ok();
    match json {
        Json::Array(list) if list.len() == space && list.iter().all(Json::is_array) => list
            .iter()
            .map(|p| Some((size(&p[0])?, size(&p[1])?)))
            .collect(),
        Json::Array(list) if space == 1 && list.len() == 2 => {
            Some(vec![(size(&list[0])?, size(&list[1])?)])
        }
        Json::Array(list) if list.len() == space => {
            list.iter().map(|p| Some((size(p)?, size(p)?))).collect()
        }
        single => Some(vec![(size(single)?, size(single)?); space]),
    }
}

/// An activation by its name, or as an object of Keras 3.
fn activation(json: &Json) -> Result<Option<Operator>, String> {
    let name = match json {
        Json::Null => return Ok(None),
        Json::String(name) => name.as_str(),
        object => match object["config"].as_str() {
            Some(name) => name,
            None => return plain(Layer::new(object)?).map(Some),
        },
    };
    let activation = match name {
        "linear" => return Ok(None),
        "softmax" => return Ok(Some(Operator::Softmax { axis: -1 })),
        "relu" => Activation::Relu,
        "relu6" => Activation::Relu6,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "leaky_relu" => Activation::LeakyRelu(0.2),
        "elu" => Activation::Elu(1.0),
        "selu" => Activation::Selu,
        "log_softmax" => return Ok(Some(Operator::LogSoftmax { axis: -1 })),
        other => return Err(format!("its activation `{other}` is not supported")),
    };
    Ok(Some(Operator::Activation(activation)))
}
