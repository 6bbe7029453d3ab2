//! Bytes of a file as elements of a tensor.

use crate::limits;
use crate::model::{Element, Quantisation, Tensor};
use half::f16;
use ndarray::{ArrayD, IxDyn};

impl Element {
    /// Bytes of an element; nothing where there is no fixed number.
    pub fn bytes(self) -> Option<usize> {
        Some(match self {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::I16 => 2,
            Element::F32 | Element::I32 => 4,
            Element::F64 | Element::I64 => 8,
            Element::Other => return None,
        })
    }
}

/// How many elements of constants a file may still have. Several tensors can name the same bytes, so what
/// their axes say is held against the size of the file.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// That of a file of `bytes` bytes.
    pub fn of_file(bytes: usize) -> Self {
        Self((2 * bytes).saturating_add(1 << 16).min(limits::CONSTANTS))
    }

    /// Adds those of another file of `bytes` bytes.
    pub fn add(&mut self, bytes: usize) {
        self.0 = (2 * bytes).saturating_add(self.0).min(limits::CONSTANTS);
    }

    /// The number of elements of `axes`, which are spent.
    pub fn spend(&mut self, axes: &[usize]) -> Result<usize, String> {
        let count = limits::elements(axes, limits::ELEMENTS.min(self.0));
        let count =
            count.ok_or_else(|| format!("its axes {axes:?} are too large for this file"))?;
        self.0 -= count;
        Ok(count)
    }
}

/// The tensor of little-endian `bytes`. Integers that stand for numbers become these numbers.
///
/// # Errors
/// What does not fit.
pub fn tensor(
    bytes: &[u8],
    element: Element,
    axes: &[usize],
    quantisation: Option<&Quantisation>,
    budget: &mut Budget,
) -> Result<Tensor, String> {
    let size = element
        .bytes()
        .ok_or_else(|| "its elements are of a type that is not supported".to_owned())?;
    let count = limits::elements(axes, limits::ELEMENTS)
        .ok_or_else(|| format!("its axes {axes:?} are too large"))?;
    if bytes.len() != count * size {
        return Err(format!(
            "it has {} bytes where {} are expected",
            bytes.len(),
            count * size
        ));
    }
    budget.spend(axes)?;
    if matches!(element, Element::F32 | Element::F16 | Element::F64) {
        return Ok(Tensor::F32(shaped(axes, floats(bytes, element))?));
    }
    let Some(quantisation) = quantisation else {
        return Ok(Tensor::I64(shaped(
            axes,
            integers(bytes, element).collect(),
        )?));
    };
    let numbers = dequantised(integers(bytes, element), axes, quantisation)?;
    Ok(Tensor::F32(shaped(axes, numbers)?))
}

fn shaped<T>(axes: &[usize], list: Vec<T>) -> Result<ArrayD<T>, String> {
    ArrayD::from_shape_vec(IxDyn(axes), list).map_err(|e| e.to_string())
}

fn floats(bytes: &[u8], element: Element) -> Vec<f32> {
    match element {
        Element::F16 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f16::from_le_bytes(b).to_f32())
            .collect(),
        Element::F64 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f64::from_le_bytes(b) as f32)
            .collect(),
        _ => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f32::from_le_bytes(b))
            .collect(),
    }
}

/// Integers of `bytes`, whose number is a multiple of the element's size.
fn integers(bytes: &[u8], element: Element) -> Box<dyn Iterator<Item = i64> + '_> {
    match element {
        Element::I8 => Box::new(bytes.iter().map(|&b| i64::from(b as i8))),
        Element::I16 => Box::new(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| i64::from(i16::from_le_bytes(b))),
        ),
        Element::I32 => Box::new(
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| i64::from(i32::from_le_bytes(b))),
        ),
        Element::I64 => Box::new(bytes.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b))),
        _ => Box::new(bytes.iter().map(|&b| i64::from(b))),
    }
}

/// The axis of a quantisation counts only where there are several scales.
fn dequantised(
    integers: impl Iterator<Item = i64>,
    axes: &[usize],
    quantisation: &Quantisation,
) -> Result<Vec<f32>, String> {
    let Quantisation {
        scale,
        zero_point,
        axis,
    } = quantisation;
    let (extent, inner) = match scale.len() {
        0 => return Err("it has no scale".to_owned()),
        1 => (1, 1),
        n => {
            // Old converters name an axis that biases do not have.
            let fits = |&a: &usize| axes.get(a) == Some(&n);
            let axis = Some(*axis)
                .filter(fits)
                .or_else(|| (0..axes.len()).find(fits));
            let axis =
                axis.ok_or_else(|| format!("it has {n} scales, and its axes are {axes:?}"))?;
            (n, axes[axis + 1..].iter().product::<usize>())
        }
    };
    let zero = |channel: usize| match zero_point.len() {
        0 => 0,
        n => zero_point[channel.min(n - 1)],
    };
    let number = |(i, q): (usize, i64)| {
        let channel = i / inner.max(1) % extent;
        (q.saturating_sub(zero(channel))) as f32 * scale[channel]
    };
    Ok(integers.enumerate().map(number).collect())
}
