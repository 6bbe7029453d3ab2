//! TFLite: `schema.fbs`, version 3. Weights of any type become floats; activations that are integers in the
//! file are computed as floats too.

mod codes;
mod flatbuffer;
mod operators;

use crate::elements::{self, Budget};
use crate::limits;
use crate::model::{Element, Extent, Model, Quantisation, Tensor, Value, ValueId};
use flatbuffer::{Buffer, Table};

/// Whether these are the first bytes of such a file.
pub fn is_one(bytes: &[u8]) -> bool {
    bytes.get(4..8) == Some(b"TFL3")
}

/// The model of a file.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Model, String> {
    if !is_one(bytes) {
        return Err("it does not begin as one".to_owned());
    }
    let root = Buffer(bytes).root().ok_or_else(|| cut("its root"))?;
    let version = root.i32(0, 0);
    let buffers = root
        .tables(4, limits::VALUES)
        .ok_or_else(|| cut("its list of buffers"))?;
    let subgraphs = root.tables(2, 256).ok_or_else(|| cut("its subgraphs"))?;
    let graph = *subgraphs.first().ok_or("it has no subgraph")?;
    let mut file = File {
        bytes,
        buffers,
        budget: Budget::of_file(bytes.len()),
        model: Model {
            format: format!("TFLite {version}"),
            producer: root.text(3).filter(|d| !d.is_empty()),
            ..Model::default()
        },
    };
    let tensors = graph
        .tables(0, limits::VALUES)
        .ok_or_else(|| cut("its tensors"))?;
    let mut dequantised = 0;
    for (i, tensor) in tensors.into_iter().enumerate() {
        let value = file.value(tensor).map_err(|why| {
            let name = tensor.text(3).unwrap_or_default();
            format!("tensor {i} (`{name}`): {why}")
        })?;
        dequantised += usize::from(value.constant.is_some() && value.quantisation.is_some());
        file.model.values.push(value);
    }
    if dequantised > 0 {
        file.model.notes.push(format!(
            "{dequantised} tensors of integers have become floats."
        ));
    }
    file.model.inputs = file.ids(&graph.list_i32(1), "an input")?;
    file.model.outputs = file.ids(&graph.list_i32(2), "an output")?;
    let codes = root
        .tables(1, limits::NODES)
        .ok_or_else(|| cut("its operator codes"))?;
    let operators = graph
        .tables(3, limits::NODES)
        .ok_or_else(|| cut("its operators"))?;
    for operator in operators {
        let code = codes
            .get(operator.i32(0, 0) as usize)
            .ok_or("an operator has a code that is not listed")?;
        operators::append(&mut file, operator, *code)?;
    }
    file.model.check()?;
    Ok(file.model)
}

fn cut(what: &str) -> String {
    format!("{what} lies outside of the file, which may be cut short")
}

/// What is read of a file.
struct File<'a> {
    bytes: &'a [u8],
    buffers: Vec<Table<'a>>,
    budget: Budget,
    model: Model,
}

impl<'a> File<'a> {
    fn value(&mut self, tensor: Table<'a>) -> Result<Value, String> {
        let shape = tensor.list_i32(0);
        let signature = tensor.list_i32(7);
        if shape.len() > limits::RANK {
            return Err(format!("it has {} axes", shape.len()));
        }
        let axes: Vec<usize> = shape
            .iter()
            .map(|&a| usize::try_from(a).map_err(|_| format!("an axis of it is {a}")))
            .collect::<Result<_, _>>()?;
        let element = element(tensor.u8(1));
        let quantisation = tensor.table(4).and_then(quantisation);
        let quantisation = quantisation.filter(|_| element.is_integer());
        let data = self.data(tensor)?;
        let constant = match data {
            Some(data) => Some(elements::tensor(
                data,
                element,
                &axes,
                quantisation.as_ref(),
                &mut self.budget,
            )?),
            // A state that is kept from one inference to the next begins with zeros.
            None if tensor.u8(5) != 0 => {
                self.budget.spend(&axes)?;
                Some(Tensor::F32(ndarray::ArrayD::zeros(ndarray::IxDyn(&axes))))
            }
            None => None,
        };
        let free = |i: usize| signature.len() == shape.len() && signature[i] < 0;
        let declared = (0..axes.len()).map(|i| Extent::of((!free(i)).then_some(axes[i])));
        // What is free was written with an extent of one, but that is no promise.
        let declared = match constant.is_some() {
            true => axes.iter().map(|&a| Extent::Fixed(a)).collect(),
            false => declared.collect(),
        };
        Ok(Value {
            name: tensor.text(3).unwrap_or_default(),
            shape: Some(declared),
            constant,
            element,
            quantisation,
        })
    }

    /// The elements of a constant: in a buffer, or behind the file's tables where these are too large for it.
    fn data(&self, tensor: Table<'a>) -> Result<Option<&'a [u8]>, String> {
        let index = tensor.i32(2, 0);
        let buffer = usize::try_from(index)
            .ok()
            .and_then(|i| self.buffers.get(i))
            .ok_or_else(|| format!("it names buffer {index}, which does not exist"))?;
        let (offset, size) = (buffer.u64(1), buffer.u64(2));
        if offset > 1 {
            let from = usize::try_from(offset).ok();
            let range = from.zip(usize::try_from(size).ok());
            let range = range.and_then(|(from, size)| Some(from..from.checked_add(size)?));
            let data = range.and_then(|r| self.bytes.get(r));
            return data.map(Some).ok_or_else(|| cut("its buffer"));
        }
        Ok(buffer.bytes(0).filter(|b| !b.is_empty()))
    }

    fn ids(&self, list: &[i32], what: &str) -> Result<Vec<ValueId>, String> {
        list.iter()
            .map(|&i| {
                usize::try_from(i)
                    .ok()
                    .filter(|&i| i < self.model.values.len())
                    .ok_or_else(|| format!("{what} is tensor {i}, which does not exist"))
            })
            .collect()
    }
}

fn element(code: u8) -> Element {
    match code {
        0 => Element::F32,
        1 => Element::F16,
        2 => Element::I32,
        3 => Element::U8,
        4 => Element::I64,
        6 => Element::Bool,
        7 => Element::I16,
        9 => Element::I8,
        10 => Element::F64,
        _ => Element::Other,
    }
}

fn quantisation(table: Table) -> Option<Quantisation> {
    let scale = table.list_f32(2);
    (!scale.is_empty()).then(|| Quantisation {
        scale,
        zero_point: table.list_i64(3),
        axis: usize::try_from(table.i32(6, 0)).unwrap_or(0),
    })
}
