//! A model as its file describes it, whichever framework wrote it: values, and nodes that compute values
//! of others. Every reader makes one of these, and [`lower`](fn@crate::lower) makes a graph of it.
//!
//! Axes are those of the file, batch first. Operators carry the axes that they work on, so that images of
//! height × width × channels and of channels × height × width are the same to what follows.

use crate::limits;
use ndarray::ArrayD;
use runtime_shared::kernels::activation::Activation;

/// A value's place in [`Model::values`].
pub type ValueId = usize;

/// A model.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The file's format and version, such as `TFLite 3`.
    pub format: String,
    /// What wrote it, where the file says so.
    pub producer: Option<String>,
    /// All values.
    pub values: Vec<Value>,
    /// All operators; each comes after those that it reads.
    pub nodes: Vec<Node>,
    /// What is given.
    pub inputs: Vec<ValueId>,
    /// What is asked for.
    pub outputs: Vec<ValueId>,
    /// What the reader changed, dropped or assumed: whole sentences.
    pub notes: Vec<String>,
}

impl Model {
    /// Appends a value.
    pub fn value(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        self.values.len() - 1
    }

    /// Appends a constant.
    pub fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let shape = tensor.shape().iter().map(|&a| Extent::Fixed(a)).collect();
        self.value(Value {
            name: name.to_owned(),
            shape: Some(shape),
            constant: Some(tensor),
            ..Value::default()
        })
    }

    /// Checks what [`lower`](fn@crate::lower) relies on.
    ///
    /// # Errors
    /// What does not hold: a value that is read before it is made, made twice, or does not exist.
    pub fn check(&self) -> Result<(), String> {
        let most = self.values.len();
        let constants: usize = self
            .values
            .iter()
            .filter_map(|v| v.constant.as_ref())
            .map(|t| t.shape().iter().product::<usize>())
            .sum();
        if most > limits::VALUES
            || self.nodes.len() > limits::NODES
            || constants > limits::CONSTANTS
        {
            return Err("it is larger than any model of a microcontroller".to_owned());
        }
        let mut known: Vec<bool> = self.values.iter().map(|v| v.constant.is_some()).collect();
        for &id in &self.inputs {
            match known.get_mut(id) {
                Some(known) => *known = true,
                None => return Err(format!("its input {id} does not exist")),
            }
        }
        for node in &self.nodes {
            for &id in node.inputs.iter().flatten() {
                if known.get(id) != Some(&true) {
                    let name = self.values.get(id).map_or("?", |v| &v.name);
                    return Err(format!(
                        "`{}` reads `{name}`, which nothing before it computes",
                        node.name
                    ));
                }
            }
            for &id in &node.outputs {
                match known.get_mut(id) {
                    Some(known) if !*known => *known = true,
                    _ => {
                        return Err(format!(
                            "`{}` computes a value that exists already",
                            node.name
                        ));
                    }
                }
            }
        }
        match self
            .outputs
            .iter()
            .find(|&&id| known.get(id) != Some(&true))
        {
            Some(id) => Err(format!("nothing computes its output {id}")),
            None => Ok(()),
        }
    }
}

/// A tensor: given, computed or constant.
#[derive(Clone, Debug, Default)]
pub struct Value {
    /// Its name in the file.
    pub name: String,
    /// Its axes, batch first. Nothing where the file does not say.
    pub shape: Option<Vec<Extent>>,
    /// Its elements, if they are constant.
    pub constant: Option<Tensor>,
    /// The type of its elements in the file.
    pub element: Element,
    /// How integers stand for its numbers.
    pub quantisation: Option<Quantisation>,
}

/// How far an axis goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So far.
    Fixed(usize),
    /// As far as is given; some files name it.
    Free(String),
}

impl Extent {
    /// The extent, if it is fixed.
    pub fn fixed(&self) -> Option<usize> {
        match self {
            Extent::Fixed(extent) => Some(*extent),
            Extent::Free(_) => None,
        }
    }

    /// An extent that is free where there is none.
    pub fn of(extent: Option<usize>) -> Self {
        extent.map_or(Extent::Free(String::new()), Extent::Fixed)
    }
}

/// The type of a tensor's elements in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Element {
    /// 32 bit floats.
    #[default]
    F32,
    /// 16 bit floats.
    F16,
    /// 64 bit floats.
    F64,
    /// 8 bit integers.
    I8,
    /// 8 bit integers without a sign.
    U8,
    /// 16 bit integers.
    I16,
    /// 32 bit integers.
    I32,
    /// 64 bit integers.
    I64,
    /// Truth values.
    Bool,
    /// Something else: strings, handles, complex numbers.
    Other,
}

impl Element {
    /// Whether it is an integer.
    pub fn is_integer(self) -> bool {
        matches!(
            self,
            Element::I8 | Element::U8 | Element::I16 | Element::I32 | Element::I64
        )
    }

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Element::F32 => "float32",
            Element::F16 => "float16",
            Element::F64 => "float64",
            Element::I8 => "int8",
            Element::U8 => "uint8",
            Element::I16 => "int16",
            Element::I32 => "int32",
            Element::I64 => "int64",
            Element::Bool => "bool",
            Element::Other => "other",
        }
    }
}

/// Integers q that stand for (q − zero point) · scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantisation {
    /// One for all, or one each along `axis`.
    pub scale: Vec<f32>,
    /// Likewise.
    pub zero_point: Vec<i64>,
    /// Along which axis there are several.
    pub axis: usize,
}

/// Constant elements: numbers, or the integers that shapes are computed of.
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Numbers.
    F32(ArrayD<f32>),
    /// Integers.
    I64(ArrayD<i64>),
}

impl Tensor {
    /// Its axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::F32(a) => a.shape(),
            Tensor::I64(a) => a.shape(),
        }
    }

    /// Its elements as numbers.
    pub fn numbers(&self) -> ArrayD<f32> {
        match self {
            Tensor::F32(a) => a.clone(),
            Tensor::I64(a) => a.mapv(|v| v as f32),
        }
    }

    /// Its elements in order, if they are integers.
    pub fn integers(&self) -> Option<Vec<i64>> {
        match self {
            Tensor::F32(_) => None,
            Tensor::I64(a) => Some(a.iter().copied().collect()),
        }
    }
}

/// An operator with what it reads and makes.
#[derive(Clone, Debug)]
pub struct Node {
    /// The layer's name in the file, or one made of its output's.
    pub name: String,
    /// What the file calls the operator.
    pub kind: String,
    /// What it computes.
    pub op: Operator,
    /// Of what; `None` where an optional input is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Which values it makes.
    pub outputs: Vec<ValueId>,
}

/// How the border of an image is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Border {
    /// Only windows that lie inside.
    Valid,
    /// As large as the input over the stride; what is odd goes to the end (TensorFlow).
    Same,
    /// As large as the input over the stride; what is odd goes to the start (ONNX's `SAME_LOWER`).
    SameLower,
    /// So many zeros before and behind each axis.
    Explicit(Vec<(usize, usize)>),
}

/// Where a window slides: lists of one element an axis, one axis for series, two for images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sliding {
    /// Its extents; empty where those of the weights are meant.
    pub kernel: Vec<usize>,
    /// Its steps.
    pub stride: Vec<usize>,
    /// What happens at the border.
    pub border: Border,
    /// Whether channels are the axis behind the batch rather than the last.
    pub channels_first: bool,
}

/// Two numbers made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// a + b.
    Add,
    /// a − b.
    Subtract,
    /// a · b.
    Multiply,
    /// a / b.
    Divide,
}

/// What remains of an axis that is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The mean.
    Mean,
    /// The largest.
    Max,
}

/// What a node computes. Inputs are listed in order; those in brackets may be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// x, weights, `bias`?: the last axis of x times a matrix.
    Dense {
        /// Whether the matrix is `[outputs][inputs]` rather than `[inputs][outputs]`.
        transposed: bool,
    },
    /// x, weights, `bias`?.
    Convolution {
        /// How it slides.
        sliding: Sliding,
        /// Which axes of the weights are the window's, then the input's channels, then the output's.
        axes: Vec<usize>,
        /// Whether each channel has filters of its own. Input times output channels of the weights then
        /// are the filters of all channels, those of one channel beside each other.
        depthwise: bool,
    },
    /// x.
    Pool {
        /// How it slides.
        sliding: Sliding,
        /// What of each window remains.
        reduction: Reduction,
    },
    /// x: over axes, which stay with an extent of one or disappear. No axes: all but the batch.
    Reduce {
        /// What remains.
        reduction: Reduction,
        /// Which axes; negative ones count from the last.
        axes: Vec<i64>,
        /// Whether they stay.
        keep: bool,
    },
    /// x, channels first: over all axes behind them, which stay with an extent of one.
    GlobalPool(Reduction),
    /// x.
    Activation(Activation),
    /// x, over an axis.
    Softmax {
        /// Which; negative ones count from the last.
        axis: i64,
    },
    /// x, over an axis: the logarithm of softmax.
    LogSoftmax {
        /// Which; negative ones count from the last.
        axis: i64,
    },
    /// x, `borders`?, `value`?: elements before and behind each axis.
    Pad {
        /// The borders, where they are no input.
        borders: Vec<(usize, usize)>,
        /// What they hold, where that is no input.
        value: f32,
    },
    /// a, b, with broadcasting.
    Binary(Arithmetic),
    /// x, `gamma`?, `beta`?, mean, variance.
    BatchNorm {
        /// Added to the variance.
        epsilon: f32,
        /// The channels' axis; negative ones count from the last.
        axis: i64,
    },
    /// x, `shape`?. A −1 is what remains, a 0 the input's extent if `copy`.
    Reshape {
        /// The axes, where they are no input.
        shape: Vec<i64>,
        /// Whether 0 copies.
        copy: bool,
    },
    /// x: the axes before `axis` become one, and so do the others.
    Flatten {
        /// Where.
        axis: i64,
    },
    /// x, `axes`?: axes of extent one disappear; all where none are named.
    Squeeze(Vec<i64>),
    /// x, `axes`?: axes of extent one appear.
    Unsqueeze(Vec<i64>),
    /// x.
    Transpose(Vec<usize>),
    /// x: nothing, but for training a share that is zeroed.
    Dropout(f32),
    /// x: nothing.
    Identity,
    /// x, scale, [zero point]: numbers as integers, which are computed as the numbers here.
    Quantise,
    /// x, scale, [zero point]: the numbers that integers stand for.
    Dequantise {
        /// The axis along which there are several scales.
        axis: i64,
    },
    /// The axes of x as integers, those in this range.
    Shape {
        /// The first; negative ones count from the last.
        from: i64,
        /// The one behind the last.
        to: i64,
    },
    /// Axes: a constant of these axes, all of one value.
    Fill(Tensor),
    /// x, indices: along an axis.
    Gather {
        /// Which.
        axis: i64,
    },
    /// x, starts, ends, `axes`?, `steps`?.
    Slice,
    /// Inputs joined along an axis.
    Concat {
        /// Which.
        axis: i64,
    },
    /// Inputs joined along a new axis.
    Pack {
        /// Which.
        axis: i64,
    },
    /// x, begin, end, strides, as TFLite slices.
    StridedSlice {
        /// A bit an axis: from its start.
        begin_mask: i32,
        /// A bit an axis: to its end.
        end_mask: i32,
        /// A bit an axis: it disappears.
        shrink_mask: i32,
    },
    /// x: to integers or to numbers.
    Cast {
        /// Whether to integers.
        integers: bool,
    },
    /// What cannot be run, and why: a sentence, without the operator's name.
    Unsupported(String),
}
