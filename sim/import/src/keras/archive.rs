//! The datasets of an HDF5 file: those of weights, by their path. Groups of files written on Windows have
//! backslashes in their names where others have groups in groups; both become the same path.

use crate::elements::{self, Budget};
use crate::limits;
use crate::model::{Element, Tensor};
use hdf5_reader::group::Group;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions};
use std::collections::BTreeMap;

/// An open file with its datasets.
pub struct Archive {
    root: Group,
    datasets: BTreeMap<String, Dataset>,
    budget: Budget,
}

/// The largest piece of a dataset that is read at once.
const CHUNK: usize = 64 << 20;

/// How a file is opened: what it says of sizes is held against limits.
pub fn options() -> OpenOptions {
    OpenOptions::default()
        .with_chunk_cache_bytes(0)
        .with_chunk_cache_slots(1)
        .with_max_chunk_bytes(CHUNK)
        .with_max_read_bytes(4 * limits::ELEMENTS)
        .with_max_object_header_bytes(4 << 20)
}

impl Archive {
    /// Lists a file's datasets, but for the optimiser's.
    ///
    /// # Errors
    /// What is damaged or too large.
    pub fn new(file: &Hdf5File, bytes: usize) -> Result<Self, String> {
        let root = file.root_group().map_err(|e| e.to_string())?;
        let mut datasets = BTreeMap::new();
        let mut open = vec![(String::new(), root.clone(), 0)];
        let mut groups = 0;
        while let Some((path, group, depth)) = open.pop() {
            groups += 1;
            if depth > 3 * limits::NESTING || groups > limits::NODES {
                return Err("its groups are nested too deep or too many".to_owned());
            }
            let (children, found) = group.members().map_err(|e| e.to_string())?;
            let below = |name: &str| {
                let name = name.replace('\\', "/");
                match path.is_empty() {
                    true => name,
                    false => format!("{path}/{name}"),
                }
            };
            for child in children {
                let path = below(child.name());
                if !is_of_optimiser(&path) {
                    open.push((path, child, depth + 1));
                }
            }
            for dataset in found {
                let path = below(dataset.name());
                datasets.insert(path, dataset);
            }
            if datasets.len() > limits::VALUES {
                return Err("it has too many datasets".to_owned());
            }
        }
        Ok(Self {
            root,
            datasets,
            budget: Budget::of_file(bytes),
        })
    }

    /// The paths of all datasets.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.datasets.keys().map(String::as_str)
    }

    /// The paths below a group, without that of the group.
    pub fn below<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a str> {
        let paths = self.datasets.range(group.to_owned()..).map(|(p, _)| p);
        paths
            .take_while(move |p| p.starts_with(group))
            .filter_map(move |p| p[group.len()..].strip_prefix('/'))
    }

    /// The elements of a dataset.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn tensor(&mut self, path: &str) -> Result<Tensor, String> {
        let read = |dataset: &Dataset, budget: &mut Budget| {
            let axes: Option<Vec<usize>> = dataset
                .shape()
                .iter()
                .map(|&a| usize::try_from(a).ok())
                .collect();
            let axes = axes.ok_or_else(|| "it is too large".to_owned())?;
            let element = match dataset.dtype() {
                Datatype::FloatingPoint {
                    size,
                    byte_order: ByteOrder::LittleEndian,
                    ..
                } => match size {
                    2 => Element::F16,
                    4 => Element::F32,
                    8 => Element::F64,
                    _ => Element::Other,
                },
                Datatype::FixedPoint {
                    size,
                    byte_order: ByteOrder::LittleEndian,
                    ..
                } => match size {
                    1 => Element::I8,
                    2 => Element::I16,
                    4 => Element::I32,
                    8 => Element::I64,
                    _ => Element::Other,
                },
                _ => Element::Other,
            };
            let count = limits::elements(&axes, limits::ELEMENTS);
            if count.is_none() {
                return Err(format!("its axes {axes:?} are too large"));
            }
            let bytes = dataset.read_raw_bytes().map_err(|e| e.to_string())?;
            elements::tensor(&bytes, element, &axes, None, budget)
        };
        let dataset = self.datasets.get(path).ok_or("it does not exist")?;
        read(dataset, &mut self.budget).map_err(|why| format!("dataset `{path}`: {why}"))
    }

    /// A text that the file itself, or one of its groups, has as an attribute.
    pub fn text(&self, group: &str, name: &str) -> Option<String> {
        self.group(group)?.attribute(name).ok()?.read_string().ok()
    }

    /// A list of texts; those that are too long for one attribute are spread over `name0`, `name1`, ….
    pub fn texts(&self, group: &str, name: &str) -> Option<Vec<String>> {
        let group = self.group(group)?;
        let read = |name: &str| group.attribute(name).ok()?.read_strings().ok();
        if let Some(list) = read(name) {
            return Some(list);
        }
        let mut list = Vec::new();
        for part in (0..limits::NODES).map_while(|i| read(&format!("{name}{i}"))) {
            list.extend(part);
        }
        (!list.is_empty()).then_some(list)
    }

    fn group(&self, path: &str) -> Option<Group> {
        let parts = path.split('/').filter(|p| !p.is_empty());
        let mut group = self.root.clone();
        for part in parts {
            group = group.group(part).ok()?;
        }
        Some(group)
    }
}

fn is_of_optimiser(path: &str) -> bool {
    matches!(
        path.split('/').next(),
        Some("optimizer_weights" | "optimizer")
    )
}
