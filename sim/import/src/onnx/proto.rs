//! The messages of `onnx.proto` as far as they are read.

use super::wire::Message;
use crate::limits;
use std::collections::BTreeMap;

/// A model.
#[derive(Debug, Default)]
pub struct ModelProto<'a> {
    /// Version of the format.
    pub ir_version: i64,
    /// What wrote it.
    pub producer: String,
    /// Versions of the sets of operators by domain.
    pub opsets: BTreeMap<String, i64>,
    /// Its graph.
    pub graph: Option<GraphProto<'a>>,
    /// Its own operators.
    pub functions: Vec<FunctionProto<'a>>,
}

/// A graph.
#[derive(Debug, Default)]
pub struct GraphProto<'a> {
    /// Its operators.
    pub nodes: Vec<NodeProto<'a>>,
    /// Its constants.
    pub initialisers: Vec<TensorProto<'a>>,
    /// What it is given.
    pub inputs: Vec<ValueProto>,
    /// What it makes.
    pub outputs: Vec<ValueProto>,
    /// Whether it has constants in a sparse form.
    pub sparse: bool,
}

/// An operator of the model's own.
#[derive(Debug, Default)]
pub struct FunctionProto<'a> {
    /// Its name.
    pub name: String,
    /// Where the name belongs.
    pub domain: String,
    /// What it is given.
    pub inputs: Vec<String>,
    /// What it makes.
    pub outputs: Vec<String>,
    /// Of what it is made.
    pub nodes: Vec<NodeProto<'a>>,
    /// Attributes with what they are where a use leaves them out.
    pub defaults: Vec<(String, AttributeProto<'a>)>,
}

/// An operator in use.
#[derive(Clone, Debug, Default)]
pub struct NodeProto<'a> {
    /// Its name, which may be empty.
    pub name: String,
    /// Which operator.
    pub op: String,
    /// Where that name belongs; empty for ONNX's own.
    pub domain: String,
    /// What it is given; empty where an input is left out.
    pub inputs: Vec<String>,
    /// What it makes.
    pub outputs: Vec<String>,
    /// Its settings.
    pub attributes: Vec<(String, AttributeProto<'a>)>,
}

/// A setting.
#[derive(Clone, Debug, Default)]
pub struct AttributeProto<'a> {
    /// As a float.
    pub float: f32,
    /// As a whole number.
    pub int: i64,
    /// As a text.
    pub text: String,
    /// As a tensor.
    pub tensor: Option<TensorProto<'a>>,
    /// As a list of floats.
    pub floats: Vec<f32>,
    /// As a list of whole numbers.
    pub ints: Vec<i64>,
    /// The setting of the function's use that it stands for.
    pub reference: String,
}

/// A constant.
#[derive(Clone, Debug, Default)]
pub struct TensorProto<'a> {
    /// Its name.
    pub name: String,
    /// Its axes.
    pub axes: Vec<i64>,
    /// The type of its elements.
    pub element: i64,
    /// Its elements, as bytes.
    pub raw: Option<&'a [u8]>,
    /// Its elements, as floats.
    pub floats: Vec<f32>,
    /// Its elements, as whole numbers.
    pub ints: Vec<i64>,
    /// Where in another file its elements are.
    pub external: BTreeMap<String, String>,
    /// Whether they are there.
    pub is_external: bool,
}

/// A value's name and type.
#[derive(Clone, Debug, Default)]
pub struct ValueProto {
    /// Its name.
    pub name: String,
    /// The type of its elements; 0 where it is no tensor.
    pub element: i64,
    /// Its axes: extents, or names of free ones. Nothing where they are not said.
    pub axes: Option<Vec<Result<i64, String>>>,
}

fn bounded<T>(list: &mut Vec<T>, item: T, what: &str) -> Result<(), String> {
    if list.len() >= limits::VALUES {
        return Err(format!("it has too many {what}"));
    }
    list.push(item);
    Ok(())
}

impl<'a> ModelProto<'a> {
    /// Reads a model.
    ///
    /// # Errors
    /// What is damaged.
    pub fn read(message: Message<'a>) -> Result<Self, String> {
        let mut model = Self::default();
        for field in message {
            match field? {
                (1, f) => model.ir_version = f.int(),
                (2, f) => model.producer.insert_str(0, &f.text()),
                (3, f) => model.producer.push_str(&format!(" {}", f.text())),
                (7, f) => model.graph = Some(GraphProto::read(f.message())?),
                (8, f) => {
                    let (mut domain, mut version) = (String::new(), 0);
                    for field in f.message() {
                        match field? {
                            (1, f) => domain = f.text(),
                            (2, f) => version = f.int(),
                            _ => {}
                        }
                    }
                    if domain == "ai.onnx" {
                        domain.clear();
                    }
                    model.opsets.insert(domain, version);
                }
                (25, f) => {
                    let function = FunctionProto::read(f.message())?;
                    bounded(&mut model.functions, function, "functions")?;
                }
                _ => {}
            }
        }
        Ok(model)
    }
}

impl<'a> GraphProto<'a> {
    fn read(message: Message<'a>) -> Result<Self, String> {
        let mut graph = Self::default();
        for field in message {
            match field? {
                (1, f) => bounded(&mut graph.nodes, NodeProto::read(f.message())?, "nodes")?,
                (5, f) => {
                    let tensor = TensorProto::read(f.message())?;
                    bounded(&mut graph.initialisers, tensor, "initialisers")?;
                }
                (11, f) => bounded(&mut graph.inputs, ValueProto::read(f.message())?, "inputs")?,
                (12, f) => bounded(
                    &mut graph.outputs,
                    ValueProto::read(f.message())?,
                    "outputs",
                )?,
                (15, _) => graph.sparse = true,
                _ => {}
            }
        }
        Ok(graph)
    }
}

impl<'a> FunctionProto<'a> {
    fn read(message: Message<'a>) -> Result<Self, String> {
        let mut function = Self::default();
        for field in message {
            match field? {
                (1, f) => function.name = f.text(),
                (4, f) => bounded(&mut function.inputs, f.text(), "inputs")?,
                (5, f) => bounded(&mut function.outputs, f.text(), "outputs")?,
                (7, f) => bounded(&mut function.nodes, NodeProto::read(f.message())?, "nodes")?,
                (10, f) => function.domain = f.text(),
                (11, f) => {
                    let attribute = AttributeProto::read(f.message())?;
                    bounded(&mut function.defaults, attribute, "attributes")?;
                }
                _ => {}
            }
        }
        Ok(function)
    }
}

impl<'a> NodeProto<'a> {
    fn read(message: Message<'a>) -> Result<Self, String> {
        let mut node = Self::default();
        for field in message {
            match field? {
                (1, f) => bounded(&mut node.inputs, f.text(), "inputs")?,
                (2, f) => bounded(&mut node.outputs, f.text(), "outputs")?,
                (3, f) => node.name = f.text(),
                (4, f) => node.op = f.text(),
                (5, f) => {
                    let attribute = AttributeProto::read(f.message())?;
                    bounded(&mut node.attributes, attribute, "attributes")?;
                }
                (7, f) => node.domain = f.text(),
                _ => {}
            }
        }
        if node.domain == "ai.onnx" {
            node.domain.clear();
        }
        Ok(node)
    }

    /// A setting.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto<'a>> {
        let found = self.attributes.iter().find(|(n, _)| n == name);
        found.map(|(_, a)| a)
    }

    /// A whole number.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.int)
    }

    /// A float.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.float)
    }

    /// A list of whole numbers, if it is there.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    /// A text.
    pub fn text(&self, name: &str) -> &str {
        self.attribute(name).map_or("", |a| a.text.as_str())
    }
}

impl<'a> AttributeProto<'a> {
    /// Graphs within attributes are not read: operators that have any are not supported.
    fn read(message: Message<'a>) -> Result<(String, Self), String> {
        let (mut name, mut attribute) = (String::new(), Self::default());
        for field in message {
            match field? {
                (1, f) => name = f.text(),
                (2, f) => attribute.float = f.float(),
                (3, f) => attribute.int = f.int(),
                (4, f) => attribute.text = f.text(),
                (5, f) => attribute.tensor = Some(TensorProto::read(f.message())?),
                (7, f) => f.floats(&mut attribute.floats),
                (8, f) => f.ints(&mut attribute.ints)?,
                (21, f) => attribute.reference = f.text(),
                _ => {}
            }
        }
        Ok((name, attribute))
    }
}

impl<'a> TensorProto<'a> {
    fn read(message: Message<'a>) -> Result<Self, String> {
        let mut tensor = Self::default();
        for field in message {
            match field? {
                (1, f) => f.ints(&mut tensor.axes)?,
                (2, f) => tensor.element = f.int(),
                (4, f) => f.floats(&mut tensor.floats),
                (5 | 7 | 11, f) => f.ints(&mut tensor.ints)?,
                (8, f) => tensor.name = f.text(),
                (9, f) => tensor.raw = Some(f.bytes()),
                (10, f) => f.doubles(&mut tensor.floats),
                (13, f) => {
                    let (mut key, mut value) = (String::new(), String::new());
                    for field in f.message() {
                        match field? {
                            (1, f) => key = f.text(),
                            (2, f) => value = f.text(),
                            _ => {}
                        }
                    }
                    tensor.external.insert(key, value);
                }
                (14, f) => tensor.is_external = f.int() == 1,
                _ => {}
            }
        }
        Ok(tensor)
    }
}

impl ValueProto {
    fn read(message: Message) -> Result<Self, String> {
        let mut value = Self::default();
        for field in message {
            match field? {
                (1, f) => value.name = f.text(),
                (2, f) => {
                    for field in f.message() {
                        if let (1, f) = field? {
                            value.tensor_type(f.message())?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(value)
    }

    fn tensor_type(&mut self, message: Message) -> Result<(), String> {
        for field in message {
            match field? {
                (1, f) => self.element = f.int(),
                (2, f) => {
                    let mut axes = Vec::new();
                    for field in f.message() {
                        let (1, f) = field? else { continue };
                        let mut axis = Err(String::new());
                        for field in f.message() {
                            match field? {
                                (1, f) => axis = Ok(f.int()),
                                (2, f) => axis = Err(f.text()),
                                _ => {}
                            }
                        }
                        bounded(&mut axes, axis, "axes")?;
                    }
                    self.axes = Some(axes);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
