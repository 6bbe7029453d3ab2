//! Where the weights of a layer lie. Keras has had six layouts; each is a rule that leads from a layer, by its
//! name or by its number among those of its class, to datasets.

use super::archive::Archive;
use crate::model::Tensor;
use std::collections::BTreeMap;

/// A model's weights, and which rule leads to them.
pub struct Weights {
    archive: Archive,
    layout: Layout,
}

/// How datasets are named.
enum Layout {
    /// `ROOT/LAYER/WEIGHT`, the weights of each layer listed in its attribute (`.h5`).
    Named {
        /// `model_weights`, or nothing in a file of weights alone.
        root: String,
    },
    /// `layers/CLASS_NUMBER/vars/0`, numbered in order (`.keras`).
    Numbered,
}

/// A model in the file: the whole, or one that is a layer of another.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Its path, where layers are numbered.
    path: String,
    /// The outermost layer, where they are named.
    outer: Option<String>,
    /// How many layers of each class came before.
    counts: BTreeMap<String, usize>,
}

/// The weights of a layer by what they are for.
#[derive(Clone, Debug, Default)]
pub struct Found {
    list: Vec<(String, Tensor)>,
}

impl Found {
    /// The weights called so; in files without names, the one at `place`.
    pub fn take(&mut self, names: &[&str], place: usize) -> Option<Tensor> {
        let named = self
            .list
            .iter()
            .position(|(n, _)| names.contains(&n.as_str()));
        let numbered = || self.list.iter().position(|(n, _)| *n == place.to_string());
        let at = named.or_else(numbered)?;
        Some(self.list.swap_remove(at).1)
    }
}

impl Weights {
    /// Weights in the layout that the file has.
    pub fn new(archive: Archive) -> Self {
        let is_under = |root: &str| archive.paths().any(|p| p.starts_with(root));
        let layout = if is_under("model_weights/") {
            Layout::Named {
                root: "model_weights".to_owned(),
            }
        } else if is_under("layers/") || is_under("_layer_checkpoint_dependencies/") {
            Layout::Numbered
        } else {
            Layout::Named {
                root: String::new(),
            }
        };
        Self { archive, layout }
    }

    /// Enters the model that is a layer.
    pub fn enter(&self, scope: &mut Scope, class: &str, name: &str) -> Scope {
        let path = self.numbered(scope, class);
        Scope {
            path: path.unwrap_or_default(),
            outer: Some(scope.outer.clone().unwrap_or_else(|| name.to_owned())),
            counts: BTreeMap::new(),
        }
    }

    /// The weights of a layer: those that the file has, whatever the layer needs. Layers must be asked for in
    /// the order of the model, those without weights too.
    ///
    /// # Errors
    /// Which dataset cannot be read, and why.
    pub fn of(&mut self, scope: &mut Scope, class: &str, name: &str) -> Result<Found, String> {
        let paths = match &self.layout {
            Layout::Named { root } => self.named(root, scope, name),
            Layout::Numbered => {
                let group = self.numbered(scope, class).unwrap_or_default();
                let paths = self.archive.below(&group);
                let own = paths.filter(|p| p.split('/').rev().nth(1) == Some("vars"));
                own.map(|p| format!("{group}/{p}")).collect()
            }
        };
        let mut found = Found::default();
        for path in paths {
            let role = path.rsplit('/').next().unwrap_or_default();
            let role = role.split(':').next().unwrap_or_default().to_owned();
            found.list.push((role, self.archive.tensor(&path)?));
        }
        Ok(found)
    }

    /// The groups that there are, for a message.
    pub fn groups(&self) -> String {
        let skip = match &self.layout {
            Layout::Named { root } if root.is_empty() => 0,
            _ => 1,
        };
        let mut names: Vec<&str> = Vec::new();
        for path in self.archive.paths() {
            if let Some(name) = path.split('/').nth(skip)
                && names.last() != Some(&name)
            {
                names.push(name);
            }
        }
        names.truncate(24);
        names.join(", ")
    }

    fn named(&self, root: &str, scope: &Scope, name: &str) -> Vec<String> {
        let outer = scope.outer.as_deref().unwrap_or(name);
        let group = match root.is_empty() {
            true => outer.to_owned(),
            false => format!("{root}/{outer}"),
        };
        let listed = self.archive.texts(&group, "weight_names");
        let listed =
            listed.unwrap_or_else(|| self.archive.below(&group).map(str::to_owned).collect());
        let of_layer = |path: &String| {
            scope.outer.is_none() || path.split('/').rev().skip(1).any(|part| part == name)
        };
        let paths = listed.into_iter().filter(of_layer);
        paths.map(|p| format!("{group}/{p}")).collect()
    }

    /// The group of the next layer of `class`.
    fn numbered(&self, scope: &mut Scope, class: &str) -> Option<String> {
        let class = snake_case(class);
        let count = scope.counts.entry(class.clone()).or_insert(0);
        let number = *count;
        *count += 1;
        let inside = |container: &str| match scope.path.is_empty() {
            true => container.to_owned(),
            false => format!("{}/{container}", scope.path),
        };
        let containers = [inside("layers"), inside("_layer_checkpoint_dependencies")];
        for container in containers {
            let mut known: Vec<(usize, &str)> = self
                .archive
                .below(&container)
                .filter_map(|p| p.split('/').next())
                .filter_map(|group| {
                    let suffix = group.strip_prefix(class.as_str())?;
                    let number = match suffix.strip_prefix('_') {
                        Some(digits) => digits.parse().ok()?,
                        None if suffix.is_empty() => 0,
                        None => return None,
                    };
                    Some((number, group))
                })
                .collect();
            known.sort_unstable();
            known.dedup();
            // Numbers go in steps of two in some files, so the order counts, not the number.
            if let Some((_, group)) = known.get(number) {
                return Some(format!("{container}/{group}"));
            }
        }
        None
    }
}

/// `DepthwiseConv2D` as `depthwise_conv2d`, by Keras' own rule.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> = class
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let mut snake = String::new();
    for (i, c) in letters.iter().enumerate() {
        let starts_word =
            c.is_ascii_uppercase() && letters.get(i + 1).is_some_and(char::is_ascii_lowercase);
        let follows_word = c.is_ascii_uppercase() && i > 0 && letters[i - 1].is_ascii_lowercase();
        if i > 0 && (starts_word || follows_word) && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn classes_are_named_as_keras_names_them() {
        let cases = [
            ("Dense", "dense"),
            ("Conv2D", "conv2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("LSTM", "lstm"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ];
        for (class, name) in cases {
            assert_eq!(snake_case(class), name);
        }
    }
}
