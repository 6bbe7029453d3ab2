//! TFLite's operators as those of a [`Model`]. Field numbers are those of `schema.fbs`.

use super::File;
use super::codes::operator_name;
use super::flatbuffer::Table;
use crate::model::{Arithmetic, Border, Node, Operator, Reduction, Sliding, Value, ValueId};
use crate::names;
use runtime_shared::kernels::activation::Activation;

/// Appends an operator, and the activation that is part of it as one of its own.
pub fn append(file: &mut File, operator: Table, code: Table) -> Result<(), String> {
    // The code used to be a byte; what does not fit into it says 127 there.
    let code_number = code.i32(3, 0).max(i32::from(code.u8(0) as i8));
    let kind = operator_name(code_number);
    let inputs = operator.list_i32(1);
    let inputs: Vec<Option<ValueId>> = inputs
        .iter()
        .map(|&i| match i {
            -1 => Ok(None),
            _ => file
                .ids(&[i], "an operator's input")
                .map(|ids| Some(ids[0])),
        })
        .collect::<Result<_, _>>()?;
    let outputs = file.ids(&operator.list_i32(2), "an operator's output")?;
    // The last output is often called after the whole model; its bias and weights are not.
    let all = outputs
        .first()
        .into_iter()
        .chain(inputs.iter().skip(1).rev().flatten());
    let mut named = all.map(|&id| names::layer(&file.model.values[id].name));
    let name = named.find_map(|n| n).unwrap_or_else(|| kind.to_lowercase());
    let options = Options(operator.table(4));
    let (op, fused) = decode(code_number, &code, options);
    let activation = match fused {
        0 => None,
        1 => Some(Operator::Activation(Activation::Relu)),
        3 => Some(Operator::Activation(Activation::Relu6)),
        4 => Some(Operator::Activation(Activation::Tanh)),
        2 => Some(Operator::Unsupported(
            "the activation RELU_N1_TO_1 behind it is not supported".to_owned(),
        )),
        n => Some(Operator::Unsupported(format!(
            "the activation {n} behind it is not supported"
        ))),
    };
    let (inputs, op) = flattened(file, &name, inputs, op, options);
    let Some(activation) = activation else {
        file.model.nodes.push(Node {
            name,
            kind,
            op,
            inputs,
            outputs,
        });
        return Ok(());
    };
    let between = file.model.value(Value {
        name: format!("{name}.linear"),
        ..Value::default()
    });
    file.model.nodes.push(Node {
        name: name.clone(),
        kind: kind.clone(),
        op,
        inputs,
        outputs: vec![between],
    });
    file.model.nodes.push(Node {
        name: format!("{name}.activation"),
        kind,
        op: activation,
        inputs: vec![Some(between)],
        outputs,
    });
    Ok(())
}

/// FULLY_CONNECTED makes rows of its input first, each as long as the weights say, unless it keeps the axes.
fn flattened(
    file: &mut File,
    name: &str,
    mut inputs: Vec<Option<ValueId>>,
    op: Operator,
    options: Options,
) -> (Vec<Option<ValueId>>, Operator) {
    if !matches!(op, Operator::Dense { .. }) || options.flag(2) {
        return (inputs, op);
    }
    let weights = inputs.get(1).copied().flatten();
    let length = weights.and_then(|id| file.model.values[id].shape.as_ref()?.last()?.fixed());
    let (Some(length), Some(Some(x))) = (length, inputs.first().copied()) else {
        return (inputs, op);
    };
    let rank = file.model.values[x].shape.as_ref().map_or(0, Vec::len);
    if rank == 2 {
        return (inputs, op);
    }
    let flat = file.model.value(Value {
        name: format!("{name}.flat"),
        ..Value::default()
    });
    file.model.nodes.push(Node {
        name: format!("{name}.flat"),
        kind: "FULLY_CONNECTED".to_owned(),
        op: Operator::Reshape {
            shape: vec![-1, length as i64],
            copy: false,
        },
        inputs: vec![Some(x)],
        outputs: vec![flat],
    });
    inputs[0] = Some(flat);
    (inputs, op)
}

/// The options of an operator; defaults where it has none.
#[derive(Clone, Copy)]
struct Options<'a>(Option<Table<'a>>);

impl Options<'_> {
    fn i32(self, id: usize, default: i32) -> i32 {
        self.0.map_or(default, |t| t.i32(id, default))
    }

    fn u8(self, id: usize) -> u8 {
        self.0.map_or(0, |t| t.u8(id))
    }

    fn flag(self, id: usize) -> bool {
        self.u8(id) != 0
    }

    fn f32(self, id: usize, default: f32) -> f32 {
        self.0.map_or(default, |t| t.f32(id, default))
    }

    fn list(self, id: usize) -> Vec<i64> {
        let list = self.0.map(|t| t.list_i32(id)).unwrap_or_default();
        list.into_iter().map(i64::from).collect()
    }
}

fn sliding(padding: u8, stride: (i32, i32), kernel: Option<(i32, i32)>) -> Sliding {
    let size = |v: i32| usize::try_from(v).unwrap_or(0);
    Sliding {
        kernel: kernel.map_or(Vec::new(), |(h, w)| vec![size(h), size(w)]),
        stride: vec![size(stride.0), size(stride.1)],
        border: if padding == 0 {
            Border::Same
        } else {
            Border::Valid
        },
        channels_first: false,
    }
}

/// The operator, and the activation that is part of it.
fn decode(code_number: i32, code: &Table, options: Options) -> (Operator, u8) {
    let unsupported = |why: &str| Operator::Unsupported(why.to_owned());
    let plain = |op: Operator| (op, 0);
    let dilated = |h: usize, w: usize| (options.i32(h, 1), options.i32(w, 1)) != (1, 1);
    match code_number {
        0 => (Operator::Binary(Arithmetic::Add), options.u8(0)),
        41 => (Operator::Binary(Arithmetic::Subtract), options.u8(0)),
        18 => (Operator::Binary(Arithmetic::Multiply), options.u8(0)),
        42 => (Operator::Binary(Arithmetic::Divide), options.u8(0)),
        1 | 17 => {
            let reduction = if code_number == 1 {
                Reduction::Mean
            } else {
                Reduction::Max
            };
            let stride = (options.i32(2, 0), options.i32(1, 0));
            let kernel = (options.i32(4, 0), options.i32(3, 0));
            let sliding = sliding(options.u8(0), stride, Some(kernel));
            (Operator::Pool { sliding, reduction }, options.u8(5))
        }
        3 if dilated(5, 4) => plain(unsupported(
            "its filters are dilated, which is not supported",
        )),
        3 => {
            let sliding = sliding(options.u8(0), (options.i32(2, 0), options.i32(1, 0)), None);
            // Weights are [filters][rows][columns][channels].
            let axes = vec![1, 2, 3, 0];
            let op = Operator::Convolution {
                sliding,
                axes,
                depthwise: false,
            };
            (op, options.u8(3))
        }
        4 if dilated(6, 5) => plain(unsupported(
            "its filters are dilated, which is not supported",
        )),
        4 => {
            let sliding = sliding(options.u8(0), (options.i32(2, 0), options.i32(1, 0)), None);
            // Weights are [1][rows][columns][filters].
            let axes = vec![1, 2, 0, 3];
            let op = Operator::Convolution {
                sliding,
                axes,
                depthwise: true,
            };
            (op, options.u8(4))
        }
        9 if options.u8(1) != 0 => plain(unsupported(
            "its weights are shuffled, which is not supported",
        )),
        9 => (Operator::Dense { transposed: true }, options.u8(0)),
        2 => {
            let axis = i64::from(options.i32(0, 0));
            (Operator::Concat { axis }, options.u8(1))
        }
        6 => plain(Operator::Identity),
        114 => plain(Operator::Quantise),
        14 => plain(Operator::Activation(Activation::Sigmoid)),
        19 => plain(Operator::Activation(Activation::Relu)),
        21 => plain(Operator::Activation(Activation::Relu6)),
        28 => plain(Operator::Activation(Activation::Tanh)),
        98 => plain(Operator::Activation(Activation::LeakyRelu(
            options.f32(0, 0.0),
        ))),
        22 => {
            // The shape is an option, an input, or only the output's.
            let shape = options.list(0);
            plain(Operator::Reshape { shape, copy: false })
        }
        25 if options.f32(0, 0.0) != 1.0 => {
            plain(unsupported("its beta is not 1, which is not supported"))
        }
        25 => plain(Operator::Softmax { axis: -1 }),
        39 => plain(Operator::Transpose(Vec::new())),
        40 | 82 => {
            let reduction = if code_number == 40 {
                Reduction::Mean
            } else {
                Reduction::Max
            };
            let keep = options.flag(0);
            plain(Operator::Reduce {
                reduction,
                axes: Vec::new(),
                keep,
            })
        }
        43 => plain(Operator::Squeeze(options.list(0))),
        70 => plain(Operator::Unsqueeze(Vec::new())),
        45 => plain(match (options.i32(2, 0), options.i32(3, 0)) {
            (0, 0) => Operator::StridedSlice {
                begin_mask: options.i32(0, 0),
                end_mask: options.i32(1, 0),
                shrink_mask: options.i32(4, 0),
            },
            _ => unsupported("it uses an ellipsis or new axes, which is not supported"),
        }),
        53 => plain(Operator::Cast {
            integers: matches!(options.u8(1), 2 | 3 | 4 | 7 | 9 | 12 | 15 | 16),
        }),
        36 => plain(Operator::Gather {
            axis: i64::from(options.i32(0, 0)),
        }),
        34 | 60 => plain(Operator::Pad {
            borders: Vec::new(),
            value: 0.0,
        }),
        50 => plain(Operator::LogSoftmax { axis: -1 }),
        111 => plain(Operator::Activation(Activation::Elu(1.0))),
        77 => plain(Operator::Shape {
            from: 0,
            to: i64::MAX,
        }),
        83 => plain(Operator::Pack {
            axis: i64::from(options.i32(1, 0)),
        }),
        32 => plain(Operator::Unsupported(custom(code))),
        16 | 44 => plain(unsupported(
            "recurrent layers are not supported; cut the model before it",
        )),
        119 => plain(unsupported(
            "loops are not supported. It is how the converter writes a recurrent layer for any batch: import the .keras file, or convert with a batch of 1",
        )),
        _ => plain(unsupported("this operator is not supported")),
    }
}

fn custom(code: &Table) -> String {
    let name = code.text(1).unwrap_or_default();
    match &name[..] {
        "ethos-u" => {
            "the custom operator `ethos-u` was compiled by Vela; import the file from before Vela"
                .to_owned()
        }
        _ if name.starts_with("Flex") => format!(
            "the custom operator `{name}` is one of TensorFlow; import the .keras file, or convert without select TensorFlow operators"
        ),
        _ => format!("the custom operator `{name}` is not known"),
    }
}
