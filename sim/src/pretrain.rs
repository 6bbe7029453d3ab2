//! What happens before the device is switched on: training on the host, with the device's own core, and
//! the checkpoint that saves doing it twice.

use crate::cache;
use crate::config::{DataPlan, Model, PretrainPlan, Strategy, digest, with_period};
use crate::data::Prepared;
use crate::failure::Failure;
use crate::lock::Lock;
use crate::native::Native;
use experiments::scratch::{self, FromScratch};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use sim_compiler::{Graph, LossSpec, Online, Options, Part, Scheme, Store, Training, compile};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Everything that decides a checkpoint; its digest is the file's name.
#[derive(Serialize)]
struct Key<'a> {
    code: &'static str,
    model: &'a Model,
    loss: LossSpec,
    data: &'a DataPlan,
    digests: &'a [(String, String)],
    epochs: u32,
    limit: usize,
    training: &'a Training,
    seed: u64,
}

/// A network that knows what pre-training taught it.
#[derive(Clone, Debug)]
pub struct Pretrained {
    /// The network.
    pub graph: Graph,
    /// Accuracy on the whole test set.
    pub accuracy: f32,
    /// Whether it came from a checkpoint.
    pub cached: bool,
    /// The digest of all that decides it.
    pub key: String,
}

/// The digest of all that decides the network of `strategy` that `plan` and `seed` make.
pub fn key(strategy: &Strategy, plan: &PretrainPlan, data: &Prepared, seed: u64) -> String {
    digest(&Key {
        code: cache::CODE,
        model: &strategy.model,
        loss: strategy.pretrain_loss,
        data: &strategy.data,
        digests: &data.loaded.data.digests,
        epochs: plan.epochs,
        limit: plan.limit,
        training: &plan.training,
        seed,
    })
}

/// Has the network of `strategy` pre-trained as `plan` says, from a checkpoint where there is one. Where another process
/// makes that checkpoint, `busy` is called once and its end waited for.
///
/// # Errors
/// [`Failure`]; a checkpoint that is damaged is made again.
pub fn pretrain(
    strategy: &Strategy,
    plan: &PretrainPlan,
    data: &Prepared,
    seed: u64,
    busy: impl FnOnce(),
    tick: &dyn Fn() -> ControlFlow<()>,
) -> Result<Option<Pretrained>, Failure> {
    let key = key(strategy, plan, data, seed);
    let mut graph = crate::job::prepared(strategy, data, (seed, seed))?;
    let path = path(&key);
    let stored = |graph: &mut Graph| std::fs::read(&path).ok().and_then(|b| read(&b, graph));
    if let Some(accuracy) = stored(&mut graph) {
        tracing::debug!(path = %path.display(), "checkpoint reused");
        return Ok(Some(Pretrained {
            graph,
            accuracy,
            cached: true,
            key,
        }));
    }
    let lock = Lock::wait(&path.with_extension("lock"), busy, tick);
    let Some(lock) = lock.map_err(|source| Failure::Write {
        path: path.with_extension("lock"),
        source,
    })?
    else {
        return Ok(None);
    };
    // Another process may have made it since.
    let (accuracy, cached) = match stored(&mut graph) {
        Some(accuracy) => (accuracy, true),
        None => {
            let Some(accuracy) = train(&mut graph, strategy, plan, data, seed, tick)? else {
                return Ok(None);
            };
            cache::write(&path, &write(&graph, accuracy))?;
            tracing::debug!(path = %path.display(), "checkpoint written");
            (accuracy, false)
        }
    };
    lock.remove();
    Ok(Some(Pretrained {
        graph,
        accuracy,
        cached,
        key,
    }))
}

fn path(key: &str) -> PathBuf {
    cache::folder()
        .join("checkpoints")
        .join(format!("{}.safetensors", &key[..32]))
}

fn train(
    graph: &mut Graph,
    strategy: &Strategy,
    plan: &PretrainPlan,
    data: &Prepared,
    seed: u64,
    tick: &dyn Fn() -> ControlFlow<()>,
) -> Result<Option<f32>, Failure> {
    let split = data.split(seed)?;
    let protocol = FromScratch {
        epochs: plan.epochs,
        evaluate_every: 0,
        limit: plan.limit,
        window: 1000,
    };
    let samples = protocol.epoch_len(split.train.len()) as u64 * u64::from(plan.epochs);
    let updates = (samples / u64::from(plan.training.batch.max(1))).min(u64::from(u32::MAX)) as u32;
    let options = Options {
        scheme: Scheme::Full,
        loss: strategy.pretrain_loss,
        training: with_period(&plan.training, updates),
        // It learns from samples: what its first layers without weights make of them is not kept.
        online: Online {
            store: Store::Raw,
            ..Online::default()
        },
        normalisation: data.normalisation.clone(),
        seed,
    };
    let compiled = compile(graph, &options)?;
    let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
    let layer = |list, call| compiled.layer(list, call).to_owned();
    let mut device = Native::new(compiled.program(), &mut arena, &layer)
        .map_err(|e| Failure::Core(format!("{e:?}")))?;
    let train = (&data.loaded.data.train, split.train.as_slice());
    let Some(record) = scratch::run(&mut device, &protocol, train, None, seed, tick) else {
        return Ok(None);
    };
    if let Some((sample, stop)) = record.stop {
        return Err(Failure::Pretraining {
            layer: stop.layer,
            sample,
            reason: stop.reason,
        });
    }
    let accuracy = scratch::accuracy(&mut device, &data.loaded.data.test)
        .map_err(|stop| Failure::Core(stop.reason))?;
    let trained: Vec<Vec<f32>> = (0..compiled.parameters.len())
        .map(|i| device.learner().parameter(i).unwrap_or(&[]).to_vec())
        .collect();
    for (info, values) in compiled.parameters.iter().zip(trained) {
        graph.set_parameter(info.node, info.part, values)?;
    }
    Ok(Some(accuracy))
}

const PARTS: [(Part, &str); 2] = [(Part::Weights, "weights"), (Part::Bias, "bias")];

fn write(graph: &Graph, accuracy: f32) -> Vec<u8> {
    let mut tensors = vec![("accuracy".to_owned(), vec![accuracy])];
    for id in graph.weighted() {
        let node = &graph.nodes()[id];
        for (part, suffix) in PARTS {
            let parameters = node.op.parameters();
            if let Some(tensor) = parameters.and_then(|p| p.part(part)) {
                let values = tensor.values().into_owned();
                tensors.push((format!("{}.{suffix}", node.name), values));
            }
        }
    }
    let views = tensors.iter().filter_map(|(name, values)| {
        let bytes = bytemuck::cast_slice(values.as_slice());
        Some((
            name,
            TensorView::new(Dtype::F32, vec![values.len()], bytes).ok()?,
        ))
    });
    safetensors::serialize(views, None).unwrap_or_default()
}

/// Reads a checkpoint into `graph`; `None` where it is damaged or of another network.
fn read(bytes: &[u8], graph: &mut Graph) -> Option<f32> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let values = |name: &str| -> Option<Vec<f32>> {
        let view = file.tensor(name).ok()?;
        let data = view.data();
        let whole = view.dtype() == Dtype::F32 && data.len().is_multiple_of(4);
        let floats: Vec<f32> = data
            .as_chunks()
            .0
            .iter()
            .map(|c| f32::from_le_bytes(*c))
            .collect();
        (whole && floats.iter().all(|f| f.is_finite())).then_some(floats)
    };
    let mut read = graph.clone();
    let ids: Vec<usize> = graph.weighted().collect();
    for id in ids {
        let node = &graph.nodes()[id];
        for (part, suffix) in PARTS {
            if node.op.parameters().and_then(|p| p.part(part)).is_some() {
                let stored = values(&format!("{}.{suffix}", node.name))?;
                read.set_parameter(id, part, stored).ok()?;
            }
        }
    }
    let accuracy = *values("accuracy")?.first()?;
    *graph = read;
    Some(accuracy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_shared::kernels::Shape;
    use sim_compiler::network::NetworkSpec;

    fn graph(seed: u64) -> Graph {
        let spec: NetworkSpec =
            toml::from_str("layers = [{ dense = { units = 3 } }, { dense = { units = 2 } }]")
                .expect("it parses");
        spec.build(Shape { h: 2, w: 2, c: 1 }, seed)
            .expect("it builds")
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written_and_a_damaged_one_is_not() {
        let (trained, mut fresh) = (graph(1), graph(2));
        let bytes = write(&trained, 0.5);
        assert_eq!(read(&bytes, &mut fresh), Some(0.5));
        assert_eq!(fresh, trained);
        let mut fresh = graph(2);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut], &mut fresh), None, "{cut}");
        }
        assert_eq!(fresh, graph(2));
    }
}
