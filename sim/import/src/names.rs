//! Names of layers. Converters name what an operator makes, by the path of scopes in which it was written; a
//! person wants the name of the layer.

/// Names that say nothing: what a converter calls the outputs of a whole function.
const HOLLOW: &[&str] = &["StatefulPartitionedCall", "PartitionedCall", "Identity"];

/// The layer that made a tensor, if its name says so: of `model/dense_1/MatMul;model/dense_1/BiasAdd` that is
/// `dense_1`.
pub fn layer(tensor: &str) -> Option<String> {
    let first = tensor.split(';').next()?;
    let first = first.split(':').next()?;
    let parts: Vec<&str> = first.split('/').filter(|p| !p.is_empty()).collect();
    let named = parts.iter().rev().find(|p| !is_operation(p));
    let name = plain(named.or(parts.last())?);
    let hollow = HOLLOW.iter().any(|h| name.starts_with(h)) || name.starts_with("arith_constant");
    (!hollow && !name.is_empty()).then_some(name)
}

/// A name of letters, digits and underscores, of at most 64.
pub fn plain(name: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '_' || c == '-' {
        true => c,
        false => '_',
    };
    name.chars().map(plain).take(64).collect()
}

/// Whether a part of a path names what is done, not the layer that does it.
fn is_operation(part: &str) -> bool {
    const OPERATIONS: &[&str] = &[
        "Add",
        "AddV2",
        "AvgPool",
        "BiasAdd",
        "Conv1D",
        "Conv2D",
        "Elu",
        "ExpandDims",
        "FusedBatchNormV3",
        "LeakyRelu",
        "MatMul",
        "Max",
        "MaxPool",
        "MaxPool1d",
        "MaxPool2d",
        "Mean",
        "Mul",
        "Pad",
        "PadV2",
        "ReadVariableOp",
        "Relu",
        "Relu6",
        "Reshape",
        "Shape",
        "Sigmoid",
        "Softmax",
        "Squeeze",
        "Tanh",
        "Tensordot",
        "Transpose",
        "add",
        "batchnorm",
        "concat",
        "convolution",
        "depthwise",
        "mul",
        "separable_conv2d",
        "strided_slice",
        "transpose",
    ];
    let plain = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
    OPERATIONS.contains(&part)
        || OPERATIONS.contains(&plain) && part[plain.len()..].starts_with('_')
}

#[cfg(test)]
mod tests {
    use super::layer;

    #[test]
    fn a_layer_is_the_last_part_that_names_no_operation() {
        let cases = [
            (
                "model/dense_1/MatMul;model/dense_1/BiasAdd",
                Some("dense_1"),
            ),
            (
                "functional_1/activation/Relu;functional_1/batch_no",
                Some("activation"),
            ),
            (
                "sequential_1/conv1d_1/Conv1D/ExpandDims_1",
                Some("conv1d_1"),
            ),
            ("StatefulPartitionedCall:0", None),
            ("arith.constant3", None),
            ("", None),
            ("add_1", Some("add_1")),
        ];
        for (tensor, name) in cases {
            assert_eq!(layer(tensor).as_deref(), name, "{tensor}");
        }
    }
}
