//! ONNX's operators as those of a [`Model`](crate::model::Model).

use super::Reader;
use super::proto::NodeProto;
use crate::model::{Arithmetic, Border, Operator, Reduction, Sliding, Tensor, ValueId};
use runtime_shared::kernels::activation::Activation;

type Inputs = Vec<Option<ValueId>>;

/// The operator of a node, and its inputs: settings that older sets have as attributes and newer ones as inputs
/// become inputs.
pub fn decode<'a>(
    node: &NodeProto<'a>,
    mut inputs: Inputs,
    reader: &mut Reader<'a>,
) -> (Operator, Inputs) {
    while inputs.last() == Some(&None) {
        inputs.pop();
    }
    let op = operator(node, &mut inputs, reader);
    (op.unwrap_or_else(Operator::Unsupported), inputs)
}

fn operator<'a>(
    node: &NodeProto<'a>,
    inputs: &mut Inputs,
    reader: &mut Reader<'a>,
) -> Result<Operator, String> {
    let input = |i: usize| inputs.get(i).copied().flatten();
    let refuse = |why: &str| Err(why.to_owned());
    Ok(match &node.op[..] {
        "Identity" => Operator::Identity,
        "Dropout" => {
            let ratio = reader
                .number(input(1))
                .unwrap_or_else(|| node.float("ratio", 0.5));
            inputs.truncate(1);
            Operator::Dropout(ratio)
        }
        "Gemm" => {
            if node.int("transA", 0) != 0 {
                return refuse("its first input is transposed, which is not supported");
            }
            let scaled = node.float("alpha", 1.0) != 1.0;
            if scaled || inputs.len() > 2 && node.float("beta", 1.0) != 1.0 {
                return refuse("its alpha or beta is not 1, which is not supported");
            }
            Operator::Dense {
                transposed: node.int("transB", 0) != 0,
            }
        }
        "MatMul" => Operator::Dense { transposed: false },
        "Conv" => convolution(node, input(1), reader)?,
        "MaxPool" => Operator::Pool {
            sliding: pool(node)?,
            reduction: Reduction::Max,
        },
        "AveragePool" => {
            let sliding = pool(node)?;
            let padded = !matches!(&sliding.border, Border::Valid)
                && !matches!(&sliding.border, Border::Explicit(p) if p.iter().all(|&p| p == (0, 0)));
            if padded && node.int("count_include_pad", 0) != 0 {
                return refuse("it counts padding in its means, which is not supported");
            }
            Operator::Pool {
                sliding,
                reduction: Reduction::Mean,
            }
        }
        "GlobalAveragePool" => Operator::GlobalPool(Reduction::Mean),
        "GlobalMaxPool" => Operator::GlobalPool(Reduction::Max),
        "ReduceMean" | "ReduceMax" => Operator::Reduce {
            reduction: match &node.op[..] {
                "ReduceMean" => Reduction::Mean,
                _ => Reduction::Max,
            },
            axes: node.ints("axes").unwrap_or_default().to_vec(),
            keep: node.int("keepdims", 1) != 0,
        },
        "Relu" => Operator::Activation(Activation::Relu),
        "Sigmoid" => Operator::Activation(Activation::Sigmoid),
        "Tanh" => Operator::Activation(Activation::Tanh),
        "LeakyRelu" => Operator::Activation(Activation::LeakyRelu(node.float("alpha", 0.01))),
        "Elu" => Operator::Activation(Activation::Elu(node.float("alpha", 1.0))),
        "Selu" => {
            let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
            let own = near(node.float("alpha", 1.673_263_2), 1.673_263_2)
                && near(node.float("gamma", 1.050_701), 1.050_701);
            match own {
                true => Operator::Activation(Activation::Selu),
                false => {
                    return refuse("its alpha or gamma is not SELU's own, which is not supported");
                }
            }
        }
        "LogSoftmax" => Operator::LogSoftmax {
            axis: node.int("axis", if reader.opset < 13 { 1 } else { -1 }),
        },
        "Pad" => {
            if !matches!(node.text("mode"), "" | "constant") {
                return Err(format!(
                    "it pads by `{}`, which is not supported",
                    node.text("mode")
                ));
            }
            if input(3).is_some() {
                return refuse("it names the axes that it pads, which is not supported");
            }
            let pads = sizes(node.ints("pads").unwrap_or_default(), "pads")?;
            let (before, behind) = pads.split_at(pads.len() / 2);
            Operator::Pad {
                borders: before.iter().copied().zip(behind.iter().copied()).collect(),
                value: node.float("value", 0.0),
            }
        }
        "Clip" => {
            let least = reader
                .number(input(1))
                .or_else(|| Some(node.attribute("min")?.float));
            let most = reader
                .number(input(2))
                .or_else(|| Some(node.attribute("max")?.float));
            let open = |m: Option<f32>| m.is_none_or(|m| m >= f32::MAX);
            inputs.truncate(1);
            match (least, most) {
                (Some(0.0), Some(6.0)) => Operator::Activation(Activation::Relu6),
                (Some(0.0), most) if open(most) => Operator::Activation(Activation::Relu),
                (least, most) => {
                    return Err(format!(
                        "it clips to {least:?} … {most:?}; 0 … 6 and 0 … ∞ are supported"
                    ));
                }
            }
        }
        "Softmax" => Operator::Softmax {
            axis: node.int("axis", if reader.opset < 13 { 1 } else { -1 }),
        },
        "Add" | "Sum" => Operator::Binary(Arithmetic::Add),
        "Sub" => Operator::Binary(Arithmetic::Subtract),
        "Mul" => Operator::Binary(Arithmetic::Multiply),
        "Div" => Operator::Binary(Arithmetic::Divide),
        "BatchNormalization" => {
            let outputs = node.outputs.iter().filter(|o| !o.is_empty()).count();
            if node.int("training_mode", 0) != 0 || outputs > 1 {
                return refuse("it has training_mode=1: call model.eval() before the export");
            }
            Operator::BatchNorm {
                epsilon: node.float("epsilon", 1e-5),
                axis: 1,
            }
        }
        "Flatten" => Operator::Flatten {
            axis: node.int("axis", 1),
        },
        "Reshape" => Operator::Reshape {
            shape: Vec::new(),
            copy: node.int("allowzero", 0) == 0,
        },
        "Squeeze" => Operator::Squeeze(node.ints("axes").unwrap_or_default().to_vec()),
        "Unsqueeze" => Operator::Unsqueeze(node.ints("axes").unwrap_or_default().to_vec()),
        "Transpose" => {
            let order = node.ints("perm").unwrap_or_default().iter();
            let order =
                order.map(|&a| usize::try_from(a).map_err(|_| format!("it orders axis {a}")));
            Operator::Transpose(order.collect::<Result<_, _>>()?)
        }
        "Shape" => Operator::Shape {
            from: node.int("start", 0),
            to: node.int("end", i64::MAX),
        },
        "ConstantOfShape" => {
            let value = node.attribute("value").and_then(|a| a.tensor.clone());
            let value = match value {
                Some(tensor) => reader
                    .constant(&tensor)
                    .ok()
                    .and_then(|id| reader.model.values[id].constant.clone()),
                None => Some(Tensor::F32(ndarray::ArrayD::zeros(ndarray::IxDyn(&[1])))),
            };
            Operator::Fill(value.ok_or("its value cannot be read")?)
        }
        "Gather" => Operator::Gather {
            axis: node.int("axis", 0),
        },
        "Slice" => {
            if let Some(starts) = node.ints("starts") {
                let ends = node.ints("ends").unwrap_or_default();
                let axes = node.ints("axes");
                let mut list = |numbers: &[i64]| {
                    let array = ndarray::Array1::from(numbers.to_vec()).into_dyn();
                    Some(reader.model.constant("", Tensor::I64(array)))
                };
                let (starts, ends) = (list(starts), list(ends));
                let axes = axes.and_then(list);
                inputs.truncate(1);
                inputs.extend([starts, ends, axes]);
            }
            Operator::Slice
        }
        "Concat" => Operator::Concat {
            axis: node.int("axis", 0),
        },
        "Cast" => Operator::Cast {
            integers: !matches!(node.int("to", 1), 1 | 10 | 11 | 16),
        },
        "QuantizeLinear" => Operator::Quantise,
        "DequantizeLinear" => Operator::Dequantise {
            axis: node.int("axis", 1),
        },
        "QLinearConv"
        | "QLinearMatMul"
        | "QGemm"
        | "ConvInteger"
        | "MatMulInteger"
        | "DynamicQuantizeLinear" => {
            return refuse(
                "it computes with integers; export the model in floats, or quantised in QDQ format",
            );
        }
        "LSTM" | "GRU" | "RNN" => {
            return refuse("recurrent layers are not supported; cut the model before it");
        }
        "Loop" | "If" | "Scan" => {
            return refuse(
                "it runs a graph of its own, which is not supported; export the model without control flow",
            );
        }
        _ => return refuse("this operator is not supported"),
    })
}

/// A list of positive numbers.
fn sizes(list: &[i64], what: &str) -> Result<Vec<usize>, String> {
    list.iter()
        .map(|&v| usize::try_from(v).map_err(|_| format!("its {what} are {list:?}")))
        .collect()
}

fn border(node: &NodeProto, space: usize) -> Result<Border, String> {
    match node.text("auto_pad") {
        "SAME_UPPER" => return Ok(Border::Same),
        "SAME_LOWER" => return Ok(Border::SameLower),
        "VALID" => return Ok(Border::Valid),
        _ => {}
    }
    let Some(pads) = node.ints("pads") else {
        return Ok(Border::Valid);
    };
    let pads = sizes(pads, "pads")?;
    if pads.len() != 2 * space {
        return Err(format!("it has {} pads for {space} axes", pads.len()));
    }
    let (before, behind) = pads.split_at(space);
    let pairs = before.iter().copied().zip(behind.iter().copied());
    Ok(Border::Explicit(pairs.collect()))
}

fn convolution(
    node: &NodeProto,
    weights: Option<ValueId>,
    reader: &Reader,
) -> Result<Operator, String> {
    let known = reader.axes(weights);
    let kernel = node.ints("kernel_shape").map(|k| sizes(k, "kernel_shape"));
    let space = match (&known, kernel.transpose()?) {
        (_, Some(kernel)) => kernel.len(),
        (Some(axes), None) => axes.len().saturating_sub(2),
        _ => return Err("its weights are no constants".to_owned()),
    };
    if !(1..=2).contains(&space) {
        return Err(format!(
            "it slides along {space} axes; one or two are supported"
        ));
    }
    let dilations = node.ints("dilations").unwrap_or_default();
    if dilations.iter().any(|&d| d != 1) {
        return Err("its filters are dilated, which is not supported".to_owned());
    }
    let group = node.int("group", 1);
    let depthwise = group != 1;
    if depthwise && known.as_ref().and_then(|axes| axes.get(1).copied()) != Some(1) {
        return Err(format!(
            "its filters are in {group} groups, which is not supported"
        ));
    }
    // Weights are [filters][channels][rows][columns].
    let mut axes: Vec<usize> = (2..space + 2).collect();
    axes.extend([1, 0]);
    Ok(Operator::Convolution {
        sliding: Sliding {
            kernel: Vec::new(),
            stride: stride(node, space)?,
            border: border(node, space)?,
            channels_first: true,
        },
        axes,
        depthwise,
    })
}

fn stride(node: &NodeProto, space: usize) -> Result<Vec<usize>, String> {
    match node.ints("strides") {
        Some(strides) => sizes(strides, "strides"),
        None => Ok(vec![1; space]),
    }
}

fn pool(node: &NodeProto) -> Result<Sliding, String> {
    let kernel = sizes(
        node.ints("kernel_shape").unwrap_or_default(),
        "kernel_shape",
    )?;
    if node.int("ceil_mode", 0) != 0 {
        return Err(
            "it rounds its output's size up (ceil_mode), which is not supported".to_owned(),
        );
    }
    if node
        .ints("dilations")
        .unwrap_or_default()
        .iter()
        .any(|&d| d != 1)
    {
        return Err("its windows are dilated, which is not supported".to_owned());
    }
    let space = kernel.len();
    Ok(Sliding {
        stride: stride(node, space)?,
        border: border(node, space)?,
        kernel,
        channels_first: true,
    })
}
