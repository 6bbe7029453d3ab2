//! Arrays that numpy wrote: `.npz`, as far as fixtures need them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// An array.
#[derive(Clone, Debug)]
pub struct Array {
    /// The type of its elements, as numpy writes it.
    pub element: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// Its elements.
    pub numbers: Vec<f64>,
}

impl Array {
    /// The arrays along the first axis.
    pub fn rows(&self) -> impl Iterator<Item = Array> + '_ {
        let (_, shape) = self.shape.split_first().expect("an axis");
        let size = shape.iter().product::<usize>();
        self.numbers.chunks(size).map(|numbers| Array {
            element: self.element.clone(),
            shape: shape.to_vec(),
            numbers: numbers.to_vec(),
        })
    }
}

/// All arrays of a file by name.
///
/// # Panics
/// Where the file is none of numpy's, or has elements that fixtures do not have.
pub fn read(path: &Path) -> BTreeMap<String, Array> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut zip = zip::ZipArchive::new(file).expect("an archive");
    let mut arrays = BTreeMap::new();
    for i in 0..zip.len() {
        let mut member = zip.by_index(i).expect("a member");
        let name = member
            .name()
            .expect("a name")
            .trim_end_matches(".npy")
            .to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).expect("it unpacks");
        arrays.insert(name, array(&bytes));
    }
    arrays
}

fn array(bytes: &[u8]) -> Array {
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..10 + header]).expect("a header");
    let between = |from: &str, to: &str| {
        let rest = text.split(from).nth(1).expect("a key");
        rest.split(to).next().expect("its end").to_owned()
    };
    assert!(text.contains("'fortran_order': False"), "{text}");
    let element = between("'descr': '", "'");
    let shape = between("'shape': (", ")");
    let axes = shape.split(',').map(str::trim).filter(|a| !a.is_empty());
    let data = &bytes[10 + header..];
    let numbers = match &element[..] {
        "|i1" => data.iter().map(|&b| f64::from(b as i8)).collect(),
        "|u1" => data.iter().map(|&b| f64::from(b)).collect(),
        "<f4" => {
            let chunks = data.as_chunks().0.iter();
            chunks.map(|&b| f64::from(f32::from_le_bytes(b))).collect()
        }
        "<f8" => {
            let chunks = data.as_chunks().0.iter();
            chunks.map(|&b| f64::from_le_bytes(b)).collect()
        }
        other => panic!("no fixture has elements of type {other}"),
    };
    Array {
        element,
        shape: axes.map(|a| a.parse().expect("a number")).collect(),
        numbers,
    }
}
