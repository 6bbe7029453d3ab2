//! Why a network cannot be compiled: whole sentences that name the layer and both shapes.

use runtime_shared::kernels::Shape;

/// A network that cannot be built or compiled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A network without layers.
    #[error(
        "The network has no layers. Give at least one, for example {{ dense = {{ units = 10 }} }}."
    )]
    Empty,
    /// What integers cannot do.
    #[error("Layer `{layer}` cannot be computed in integers: {why}")]
    Integers {
        /// The layer.
        layer: String,
        /// Why, in a sentence.
        why: String,
    },
    /// A dimension that is zero or does not fit the format.
    #[error("Layer `{layer}`: {what} is {value}; it must be between 1 and {most}.")]
    Dimension {
        /// The layer.
        layer: String,
        /// Which dimension.
        what: &'static str,
        /// What it is.
        value: usize,
        /// The largest that is possible.
        most: usize,
    },
    /// A rate, a slope or another float out of its range.
    #[error("Layer `{layer}`: {what} is {value}; it must be {allowed}.")]
    Value {
        /// The layer.
        layer: String,
        /// Which value.
        what: &'static str,
        /// What it is.
        value: f32,
        /// What is allowed.
        allowed: &'static str,
    },
    /// A window that is larger than what it slides over.
    #[error(
        "Layer `{layer}`: its window of {}x{} does not fit its input of {}x{}x{}. \
         Make the kernel smaller, or pad with padding = \"same\".",
        window.0, window.1, input.h, input.w, input.c
    )]
    Window {
        /// The layer.
        layer: String,
        /// Height and width of the window.
        window: (usize, usize),
        /// What the layer is given.
        input: Shape,
    },
    /// Two inputs of a layer, or the network and the data, whose shapes differ.
    #[error(
        "Layer `{layer}`: the shapes {}x{}x{} and {}x{}x{} do not fit together; they must be the same.",
        a.h, a.w, a.c, b.h, b.w, b.c
    )]
    Mismatch {
        /// The layer.
        layer: String,
        /// What it is given first.
        a: Shape,
        /// What it is given beside that.
        b: Shape,
    },
    /// A convolution or pooling behind a flattened layer.
    #[error(
        "Layer `{layer}` works on images, but it is given a vector of {len} values. Put it before `flatten`."
    )]
    NotAnImage {
        /// The layer.
        layer: String,
        /// Length of the vector.
        len: usize,
    },
    /// A layer of series that is given an image.
    #[error(
        "Layer `{layer}` works on series, but it is given an image of {}x{}x{}. Make it [steps, channels] with `reshape` first.",
        input.h, input.w, input.c
    )]
    NotASeries {
        /// The layer.
        layer: String,
        /// What it is given.
        input: Shape,
    },
    /// A shape for another number of values.
    #[error(
        "Layer `{layer}`: {}x{}x{} cannot become {}x{}x{}, which is another number of values.",
        from.h, from.w, from.c, to.h, to.w, to.c
    )]
    Reshape {
        /// The layer.
        layer: String,
        /// What it is given.
        from: Shape,
        /// What it should become.
        to: Shape,
    },
    /// A slice that reaches beyond what it is cut from.
    #[error("Layer `{layer}` takes {count} from {start} on, where there are {all}.")]
    Slice {
        /// The layer.
        layer: String,
        /// The first row, column or channel.
        start: usize,
        /// How many it takes.
        count: usize,
        /// How many there are.
        all: usize,
    },
    /// Axes in an order that leaves some out.
    #[error("Layer `{0}` must name height, width and channels, each once.")]
    Axes(String),
    /// A node with more or fewer inputs than its operator takes.
    #[error("Layer `{layer}` was given {given} inputs; it takes {}.", inputs(*.least, *.most))]
    Arity {
        /// The layer.
        layer: String,
        /// How many there are.
        given: usize,
        /// How few there may be.
        least: usize,
        /// How many there may be.
        most: usize,
    },
    /// An input that is no node of the graph.
    #[error(
        "Layer `{layer}` reads node {node}, but the graph has {count} nodes so far, counted from 0."
    )]
    UnknownNode {
        /// The layer.
        layer: String,
        /// What it reads.
        node: usize,
        /// How many there are.
        count: usize,
    },
    /// A shape that is no image, series or vector.
    #[error(
        "Layer `{layer}` has the shape {dimensions:?}; it must be [height, width, channels], [steps, channels] or [values]."
    )]
    Rank {
        /// The layer.
        layer: String,
        /// Its shape.
        dimensions: Vec<usize>,
    },
    /// Batch normalisation without mean and variance, where an image is asked for.
    #[error(
        "Layer `{0}` has no statistics. Give its mean and variance, or have them estimated from training data before the network is compiled."
    )]
    Statistics(String),
    /// Samples from which no statistics can be had.
    #[error(
        "The statistics of layer `{layer}` cannot be estimated: {why}. Give its mean and variance instead."
    )]
    Samples {
        /// The layer.
        layer: String,
        /// What is in the way.
        why: String,
    },
    /// Several outputs, of which a device learns one.
    #[error(
        "The network has several outputs ({0}). Choose one of them, or join them with `concat`."
    )]
    Outputs(String),
    /// Batch normalisation with a mean or a variance only.
    #[error(
        "Layer `{0}` has only one of mean and variance. Give both, or none, to have them estimated."
    )]
    HalfStatistics(String),
    /// A reference to a layer that there is none of.
    #[error(
        "Layer `{layer}` names `{name}`, but no layer before it is called so. Known are: {known}."
    )]
    UnknownLayer {
        /// Who refers.
        layer: String,
        /// To what.
        name: String,
        /// What there is.
        known: String,
    },
    /// Two layers of one name.
    #[error("Two layers are called `{0}`. Give each its own name.")]
    DuplicateName(String),
    /// A loss that the outputs cannot feed.
    #[error("The loss `{loss}` cannot follow a network that {why}.")]
    Loss {
        /// The loss.
        loss: &'static str,
        /// What is in its way.
        why: String,
    },
    /// Weights of the wrong number.
    #[error("Layer `{layer}`: {given} weights were given where {expected} are needed.")]
    Weights {
        /// The layer.
        layer: String,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        given: usize,
    },
    /// An update scheme that is not written correctly or names what there is none of.
    #[error("The update scheme `{scheme}` {why}")]
    Scheme {
        /// As it was given.
        scheme: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// An option of training that makes no sense.
    #[error("`{what}` is {value}; it must be {allowed}.")]
    Option {
        /// Which.
        what: &'static str,
        /// What it is.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The finished Program did not pass its own validation: a fault of the compiler.
    #[error(
        "The compiled program was refused by its own validation ({0:?}). This is a fault of the compiler; please report it with the config."
    )]
    Internal(runtime_shared::program::Refusal),
}

fn inputs(least: usize, most: usize) -> String {
    match (least, most) {
        (least, most) if least == most => least.to_string(),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    }
}
