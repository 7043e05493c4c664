//! A checkpoint's tensors into a model: all of them fit, or a table says which do not.

use tch::Device;

use super::{BACKBONE_PREFIX, Checkpoint};
use crate::Error;
use crate::advice::Advice;
use crate::backbone::{BackboneConfig, is_float};
use crate::budget::Limits;
use crate::method::MethodConfig;
use crate::model::Model;

/// Lines of a table.
const SHOWN: usize = 20;

/// How many times the numbers of a file, and how many more, a network may have that is made to be
/// compared with it: the table of an honest difference says more than a limit.
const SLACK: u64 = 4;
const SPARE: u64 = 1 << 24;

/// The differences between a file and a model.
#[derive(Default)]
struct Table {
    lines: Vec<String>,
    missing: usize,
    unexpected: usize,
    mis_shaped: usize,
}

impl Checkpoint {
    /// Makes something of a network that has to hold these tensors: not many more numbers than the
    /// file has are made, whatever settings its header claims. Of a file of others the settings are
    /// read off the tensors, and what may be missing may be of any size.
    ///
    /// # Errors
    /// What `make` fails with; of a network that is too large, in the name of the file.
    pub(crate) fn limited<T>(
        &self,
        make: impl FnOnce(Limits) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let free = self.foreign.is_some() || !self.allowed.allow_missing.is_empty();
        let numbers = |of_backbone: bool| {
            let named = |name: &str| name.starts_with(BACKBONE_PREFIX) == of_backbone;
            let own = self.model.iter().filter(|(name, _)| named(name));
            own.fold(0, |sum: u64, (_, tensor)| {
                sum.saturating_add(tensor.numel())
            })
        };
        let limit = |of_backbone| {
            numbers(of_backbone)
                .saturating_mul(SLACK)
                .saturating_add(SPARE)
        };
        let limits = Limits {
            backbone: (!free).then(|| limit(true)),
            heads: (!free && !self.is_headless()).then(|| limit(false)),
        };
        make(limits).map_err(|error| match error {
            Error::TooLarge { limit } => Error::Checkpoint {
                path: self.path.clone(),
                expected: "a file with the network that its header describes".into(),
                found: format!(
                    "{} numbers of a network with more than {limit}",
                    numbers(true).saturating_add(numbers(false))
                ),
                advice: Advice::words("use an earlier checkpoint, or copy the file again"),
            },
            other => other,
        })
    }

    /// The network of the checkpoint, on `device`, with its weights.
    ///
    /// # Errors
    /// As [`Checkpoint::apply_to`], and where its header claims a larger network than the file
    /// holds.
    pub fn to_model(&self, device: Device) -> Result<Model, Error> {
        let model = self.limited(|limits| Model::within(&self.recipe, device, 0, limits))?;
        self.apply_to(&model)?;
        Ok(model)
    }

    /// Puts the network's tensors into `model`, all of them or none.
    ///
    /// What a checkpoint without heads leaves out, and what is allowed by name to be missing, keeps
    /// the values it has.
    ///
    /// # Errors
    /// Lists every tensor that is missing, unexpected or of another shape; or where the file cannot
    /// be read to its end.
    pub fn apply_to(&self, model: &Model) -> Result<(), Error> {
        let own = model.tensors();
        let mut table = Table::default();
        for (name, tensor) in &own {
            match self.model.get(name) {
                None if self.may_miss(name) => {}
                None => {
                    table.missing += 1;
                    let line = format!("  missing     {name} {:?}", tensor.size());
                    table.lines.push(line);
                }
                Some(found) if !self.fits(found.size(), &tensor.size()) => {
                    table.mis_shaped += 1;
                    let (model, file) = (tensor.size(), found.size());
                    let line = format!("  mis-shaped  {name}: model {model:?}, file {file:?}");
                    table.lines.push(line);
                }
                Some(found) if !found.kind().is_some_and(is_float) => {
                    table.mis_shaped += 1;
                    let line = format!(
                        "  mis-shaped  {name}: file of {} numbers",
                        found.kind_name()
                    );
                    table.lines.push(line);
                }
                Some(_) => {}
            }
        }
        let beside = self
            .model
            .iter()
            .filter(|(name, _)| !own.contains_key(*name))
            .map(|(name, tensor)| {
                let shown = format!("{name} {:?}", tensor.size());
                (name.as_str(), name.as_str(), shown)
            });
        let unknown = self
            .foreign
            .iter()
            .flat_map(|foreign| &foreign.unexpected)
            .map(|(name, within)| (name.as_str(), within.as_str(), name.clone()));
        let allowed = &self.allowed.allow_unexpected;
        for (name, within, shown) in beside.chain(unknown) {
            if !starts_with_any(name, allowed) && !starts_with_any(within, allowed) {
                table.unexpected += 1;
                table.lines.push(format!("  unexpected  {shown}"));
            }
        }
        if !table.lines.is_empty() {
            return Err(self.misfit(table));
        }
        tch::no_grad(|| {
            for (name, mut tensor) in own {
                if let Some(found) = self.model.get(&name) {
                    tensor.f_copy_(&found.read()?.f_reshape(tensor.size())?)?;
                }
            }
            Ok(())
        })
    }

    /// The tensors of `model` that the checkpoint does not hold, sorted.
    pub fn missing_in(&self, model: &Model) -> Vec<String> {
        let names = model.tensors().into_keys();
        names
            .filter(|name| !self.model.contains_key(name))
            .collect()
    }

    /// Whether the checkpoint is a backbone without a method's heads.
    pub fn is_headless(&self) -> bool {
        self.recipe.method == MethodConfig::None
    }

    /// Whether its tensors can be those of a backbone; in a file that this project did not write,
    /// what no shape tells may differ.
    pub fn is_of(&self, backbone: &BackboneConfig) -> bool {
        let found = &self.recipe.backbone;
        match self.foreign {
            Some(_) => found.may_be(&**backbone),
            None => found == backbone,
        }
    }

    /// Whether a file's tensor has the model's shape; in a file that this project did not write, up
    /// to dimensions of size 1, of which a convolution has more than a linear layer.
    fn fits(&self, file: &[i64], model: &[i64]) -> bool {
        let long = |shape: &[i64]| -> Vec<i64> {
            let sizes = shape.iter().copied();
            sizes.filter(|&size| size != 1).collect()
        };
        file == model || (self.foreign.is_some() && long(file) == long(model))
    }

    fn may_miss(&self, name: &str) -> bool {
        (self.is_headless() && !name.starts_with(BACKBONE_PREFIX))
            || starts_with_any(name, &self.allowed.allow_missing)
    }

    fn misfit(&self, table: Table) -> Error {
        let Table {
            mut lines,
            missing,
            unexpected,
            mis_shaped,
        } = table;
        let hidden = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if hidden > 0 {
            lines.push(format!("  … and {hidden} more"));
        }
        Error::Tensors {
            path: self.path.clone(),
            summary: format!("{missing} missing, {unexpected} unexpected, {mis_shaped} mis-shaped"),
            table: lines.join("\n"),
        }
    }
}

fn starts_with_any(name: &str, prefixes: &[String]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}
