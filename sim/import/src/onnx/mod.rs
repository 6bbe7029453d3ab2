//! ONNX: operator sets from 7 on, of the domain `ai.onnx`, with the functions that a model brings along.
//! Weights may lie in another file beside it.

mod operators;
mod proto;
mod wire;

use crate::elements::{self, Budget};
use crate::limits;
use crate::model::{Element, Extent, Model, Node, Operator, Quantisation, Tensor, Value, ValueId};
use crate::names;
use proto::{AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto, ValueProto};
use std::collections::BTreeMap;
use wire::Message;

/// The operator sets that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=26;

/// Reads a part of another file: its name, where, and how many bytes (all where nothing is said).
pub type External<'a> = &'a dyn Fn(&str, u64, Option<u64>) -> Result<Vec<u8>, String>;

/// Whether these may be the first bytes of such a file: its first field is the version of its format.
pub fn is_one(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=32, ..])
}

/// The model of a file.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8], external: External) -> Result<Model, String> {
    let model = ModelProto::read(Message(bytes))?;
    let opset = model.opsets.get("").copied().unwrap_or(1);
    let producer = model.producer.trim().to_owned();
    let mut reader = Reader {
        opset,
        functions: &model.functions,
        external,
        budget: Budget::of_file(bytes.len()),
        lost: Lost::default(),
        model: Model {
            format: format!("ONNX {}, operator set {opset}", model.ir_version),
            producer: (!producer.is_empty()).then_some(producer),
            ..Model::default()
        },
    };
    if !OPSETS.contains(&opset) {
        let (first, last) = (OPSETS.start(), OPSETS.end());
        return Err(format!(
            "its operator set is {opset}, and {first} to {last} are read; export it again"
        ));
    }
    let graph = model.graph.as_ref().ok_or("it has no graph")?;
    if graph.sparse {
        return Err("it has sparse constants, which are not supported".to_owned());
    }
    let mut scope = Scope::default();
    for tensor in &graph.initialisers {
        let id = reader.constant(tensor)?;
        scope.values.insert(tensor.name.clone(), id);
    }
    // Older files list their constants among the inputs, too.
    for input in &graph.inputs {
        if !scope.values.contains_key(&input.name) {
            let id = reader.model.value(value(input)?);
            reader.model.inputs.push(id);
            scope.values.insert(input.name.clone(), id);
        }
    }
    for node in &graph.nodes {
        reader.node(node, &mut scope, 0)?;
    }
    for output in &graph.outputs {
        let id = scope.values.get(&output.name);
        let id = id.ok_or_else(|| format!("nothing computes its output `{}`", output.name))?;
        reader.model.outputs.push(*id);
    }
    if let Some(why) = reader.lost.sentence() {
        return Err(why);
    }
    reader.model.check()?;
    Ok(reader.model)
}

/// What is made of a file.
struct Reader<'a> {
    opset: i64,
    functions: &'a [FunctionProto<'a>],
    external: External<'a>,
    budget: Budget,
    lost: Lost,
    model: Model,
}

/// Constants of other files that are not there.
#[derive(Default)]
struct Lost {
    tensors: usize,
    bytes: u64,
    file: String,
    why: String,
}

impl Lost {
    fn sentence(&self) -> Option<String> {
        let Lost {
            tensors,
            bytes,
            file,
            why,
        } = self;
        (*tensors > 0).then(|| {
            format!(
                "{tensors} tensors ({bytes} B) live in `{file}`, {why}; keep both files together, or export \
                 again with external_data=False"
            )
        })
    }
}

/// The values that names mean: those of the graph, or of one use of a function.
#[derive(Default)]
struct Scope {
    values: BTreeMap<String, ValueId>,
    /// What comes before the names of operators.
    prefix: String,
}

impl<'a> Reader<'a> {
    fn node(
        &mut self,
        node: &NodeProto<'a>,
        scope: &mut Scope,
        depth: usize,
    ) -> Result<(), String> {
        if self.model.nodes.len() >= limits::NODES || self.model.values.len() >= limits::VALUES {
            return Err("it has too many operators".to_owned());
        }
        let functions = self.functions;
        let function = functions
            .iter()
            .find(|f| f.name == node.op && f.domain == node.domain);
        if let Some(function) = function {
            return self.inline(function, node, scope, depth);
        }
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            inputs.push(match (name.is_empty(), scope.values.get(name)) {
                (true, _) => None,
                (false, Some(&id)) => Some(id),
                (false, None) => {
                    return Err(format!(
                        "`{}` reads `{name}`, which nothing before it computes",
                        node.name
                    ));
                }
            });
        }
        let name = self.name(node, scope);
        let (op, mut inputs) = match (&node.domain[..], &node.op[..]) {
            ("", "Constant") => {
                let id = self.constant_node(node, &name)?;
                let output = node.outputs.first().ok_or("a constant has no output")?;
                scope.values.insert(output.clone(), id);
                return Ok(());
            }
            ("", _) => operators::decode(node, inputs, self),
            (domain, _) => (
                Operator::Unsupported(format!("the domain `{domain}` is not supported")),
                inputs,
            ),
        };
        let outputs = node.outputs.iter();
        let outputs: Vec<ValueId> = outputs
            .map(|name| {
                let id = self.model.value(Value {
                    name: name.clone(),
                    ..Value::default()
                });
                if !name.is_empty() {
                    scope.values.insert(name.clone(), id);
                }
                id
            })
            .collect();
        // A sum of many is a sum of sums.
        if matches!(op, Operator::Binary(_)) && inputs.len() > 2 {
            let mut sum = inputs[0];
            for next in inputs.drain(1..inputs.len() - 1).collect::<Vec<_>>() {
                let id = self.model.value(Value::default());
                self.push(&name, node, op.clone(), vec![sum, next], vec![id]);
                sum = Some(id);
            }
            inputs[0] = sum;
        }
        self.push(&name, node, op, inputs, outputs);
        Ok(())
    }

    fn push(
        &mut self,
        name: &str,
        node: &NodeProto,
        op: Operator,
        inputs: Vec<Option<ValueId>>,
        outputs: Vec<ValueId>,
    ) {
        self.model.nodes.push(Node {
            name: name.to_owned(),
            kind: node.op.clone(),
            op,
            inputs,
            outputs,
        });
    }

    /// The layer's name: of `/features/conv1/Conv` that is `features_conv1`, of tf2onnx' `model/conv1/BiasAdd` that
    /// is `conv1`.
    fn name(&self, node: &NodeProto, scope: &Scope) -> String {
        let own = match node.name.is_empty() {
            true => node.outputs.first().map_or("", String::as_str),
            false => &node.name,
        };
        let is_tensorflow = |p: &String| p.starts_with("tf2onnx");
        if self.model.producer.as_ref().is_some_and(is_tensorflow)
            && let Some(name) = names::layer(own)
        {
            return name;
        }
        let mut parts: Vec<&str> = own.split(['/', '.']).filter(|p| !p.is_empty()).collect();
        let is_operator =
            |p: &str| p.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') == node.op;
        if parts.len() > 1 && parts.last().is_some_and(|p| is_operator(p)) {
            parts.pop();
        }
        let name = names::plain(&format!("{}{}", scope.prefix, parts.join("_")));
        let op = node.op.to_lowercase();
        // PyTorch numbers the layers of a Sequential, and a number is no name.
        match name.chars().any(|c| c.is_ascii_alphabetic()) {
            true => name,
            false if name.is_empty() => op,
            false => format!("{op}_{name}"),
        }
    }

    /// The operators of a function in place of its use.
    fn inline(
        &mut self,
        function: &FunctionProto<'a>,
        node: &NodeProto<'a>,
        scope: &mut Scope,
        depth: usize,
    ) -> Result<(), String> {
        if depth >= limits::NESTING {
            return Err("its functions are nested too deep".to_owned());
        }
        let mut inner = Scope {
            prefix: format!("{}_", self.name(node, scope)),
            ..Scope::default()
        };
        for (name, given) in function.inputs.iter().zip(&node.inputs) {
            if let Some(&id) = scope.values.get(given) {
                inner.values.insert(name.clone(), id);
            }
        }
        let setting = |name: &str| -> Option<AttributeProto<'a>> {
            let default = function.defaults.iter().find(|(n, _)| n == name);
            let own = node.attribute(name);
            own.or(default.map(|(_, a)| a)).cloned()
        };
        for step in &function.nodes {
            let mut step = step.clone();
            step.attributes.retain_mut(|(_, attribute)| {
                if attribute.reference.is_empty() {
                    return true;
                }
                match setting(&attribute.reference) {
                    Some(set) => {
                        *attribute = set;
                        true
                    }
                    None => false,
                }
            });
            self.node(&step, &mut inner, depth + 1)?;
        }
        for (name, outer) in function.outputs.iter().zip(&node.outputs) {
            let id = inner.values.get(name);
            let id =
                id.ok_or_else(|| format!("the function `{}` lacks `{name}`", function.name))?;
            scope.values.insert(outer.clone(), *id);
        }
        Ok(())
    }

    fn constant_node(&mut self, node: &NodeProto<'a>, name: &str) -> Result<ValueId, String> {
        let vector = |list: &[i64]| Tensor::I64(ndarray::Array1::from(list.to_vec()).into_dyn());
        let floats = |list: &[f32]| Tensor::F32(ndarray::Array1::from(list.to_vec()).into_dyn());
        let scalar = ndarray::IxDyn(&[]);
        let (key, attribute) = node.attributes.first().ok_or("a constant has no value")?;
        let tensor = match (&key[..], &attribute.tensor) {
            ("value", Some(tensor)) => return self.constant(tensor),
            ("value_int", _) => Tensor::I64(ndarray::ArrayD::from_elem(scalar, attribute.int)),
            ("value_float", _) => Tensor::F32(ndarray::ArrayD::from_elem(scalar, attribute.float)),
            ("value_ints", _) => vector(&attribute.ints),
            ("value_floats", _) => floats(&attribute.floats),
            _ => {
                return Err(format!(
                    "the constant `{name}` is of a kind that is not supported"
                ));
            }
        };
        Ok(self.model.constant(name, tensor))
    }

    fn constant(&mut self, tensor: &TensorProto<'a>) -> Result<ValueId, String> {
        let named = |why: String| format!("the constant `{}`: {why}", tensor.name);
        let axes = tensor.axes.iter().map(|&a| usize::try_from(a).ok());
        let axes: Option<Vec<usize>> = axes.collect();
        let axes = axes
            .filter(|a| limits::elements(a, limits::ELEMENTS).is_some())
            .ok_or_else(|| named(format!("its axes {:?} are not supported", tensor.axes)))?;
        let element = element(tensor.element);
        let made = match (tensor.is_external, tensor.raw) {
            (true, _) => self.external(tensor, element, &axes),
            (false, Some(raw)) => {
                elements::tensor(raw, element, &axes, None, &mut self.budget).map(Some)
            }
            (false, None) => self.listed(tensor, element, &axes).map(Some),
        };
        let made = made.map_err(named)?;
        // What cannot be found is made up of nothing, and said once everything is known.
        let made =
            made.unwrap_or_else(|| Tensor::I64(ndarray::ArrayD::zeros(ndarray::IxDyn(&[0]))));
        let id = self.model.constant(&tensor.name, made);
        self.model.values[id].element = element;
        Ok(id)
    }

    /// The elements of a constant in lists of numbers.
    fn listed(
        &mut self,
        tensor: &TensorProto,
        element: Element,
        axes: &[usize],
    ) -> Result<Tensor, String> {
        let count = self.budget.spend(axes)?;
        let shape = ndarray::IxDyn(axes);
        let wrong = |n: usize| format!("it has {n} elements where {count} are expected");
        let fit = |e: ndarray::ShapeError| e.to_string();
        match element {
            Element::F32 | Element::F64 => match tensor.floats.len() == count {
                true => ndarray::ArrayD::from_shape_vec(shape, tensor.floats.clone())
                    .map(Tensor::F32)
                    .map_err(fit),
                false => Err(wrong(tensor.floats.len())),
            },
            Element::Other => Err("its elements are of a type that is not supported".to_owned()),
            _ if tensor.ints.len() != count => Err(wrong(tensor.ints.len())),
            Element::F16 => {
                let bits = tensor
                    .ints
                    .iter()
                    .map(|&b| half::f16::from_bits(b as u16).to_f32());
                ndarray::ArrayD::from_shape_vec(shape, bits.collect())
                    .map(Tensor::F32)
                    .map_err(fit)
            }
            _ => ndarray::ArrayD::from_shape_vec(shape, tensor.ints.clone())
                .map(Tensor::I64)
                .map_err(fit),
        }
    }

    fn external(
        &mut self,
        tensor: &TensorProto,
        element: Element,
        axes: &[usize],
    ) -> Result<Option<Tensor>, String> {
        let key = |name: &str| tensor.external.get(name);
        let number = |name: &str| key(name).map(|text| text.trim().parse::<u64>());
        let file = key("location").ok_or("it names no file for its elements")?;
        let offset = number("offset")
            .transpose()
            .map_err(|e| e.to_string())?
            .unwrap_or(0);
        let length = number("length").transpose().map_err(|e| e.to_string())?;
        let count = limits::elements(axes, limits::ELEMENTS).unwrap_or(0);
        let bytes = count * element.bytes().unwrap_or(0);
        let length = length.unwrap_or(bytes as u64);
        if length != bytes as u64 {
            return Err(format!("it has {length} bytes where {bytes} are expected"));
        }
        match (self.external)(file, offset, Some(length)) {
            Ok(data) => {
                self.budget.add(data.len());
                elements::tensor(&data, element, axes, None, &mut self.budget).map(Some)
            }
            Err(why) => {
                self.lost.tensors += 1;
                self.lost.bytes += length;
                self.lost.file = file.clone();
                self.lost.why = why;
                Ok(None)
            }
        }
    }

    /// The axes of a value, where they are known.
    fn axes(&self, id: Option<ValueId>) -> Option<Vec<usize>> {
        let value = &self.model.values[id?];
        let shape = value.shape.as_ref()?;
        shape.iter().map(Extent::fixed).collect()
    }

    /// A constant of one number.
    fn number(&self, id: Option<ValueId>) -> Option<f32> {
        let numbers = self.model.values[id?].constant.as_ref()?.numbers();
        (numbers.len() == 1).then(|| numbers.iter().next().copied())?
    }
}

fn element(code: i64) -> Element {
    match code {
        1 => Element::F32,
        2 => Element::U8,
        3 => Element::I8,
        5 => Element::I16,
        6 => Element::I32,
        7 => Element::I64,
        9 => Element::Bool,
        10 => Element::F16,
        11 => Element::F64,
        _ => Element::Other,
    }
}

fn value(proto: &ValueProto) -> Result<Value, String> {
    let axes = proto.axes.iter().flatten().map(|axis| match axis {
        Ok(extent) => match usize::try_from(*extent) {
            Ok(extent) => Ok(Extent::Fixed(extent)),
            Err(_) => Err(format!("an axis of `{}` is {extent}", proto.name)),
        },
        Err(name) => Ok(Extent::Free(name.clone())),
    });
    let shape = match proto.axes.is_some() {
        true => Some(axes.collect::<Result<_, _>>()?),
        false => None,
    };
    Ok(Value {
        name: proto.name.clone(),
        shape,
        constant: None,
        element: element(proto.element),
        quantisation: None::<Quantisation>,
    })
}
