//! What a parameter is: rates, decay and clipping may depend on it.

use tch::Tensor;

/// A parameter by what it does in its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A weight that inputs are multiplied with: two dimensions or more.
    Weight,
    /// A bias, of whatever layer.
    Bias,
    /// Any other vector: the scale of a normalisation or of a layer.
    Norm,
}

/// A parameter with what it is.
#[derive(Debug)]
pub struct Parameter {
    /// The name within the model: `backbone.conv1.weight`.
    pub name: String,
    /// The tensor itself, not a copy.
    pub tensor: Tensor,
    /// What it does in its layer.
    pub role: Role,
    /// The backbone's layer that it is in, counted from the images; `None` in a head.
    pub layer: Option<usize>,
}

impl From<(String, Tensor)> for Parameter {
    /// A head's parameter, whose role is told by its name and shape.
    fn from((name, tensor): (String, Tensor)) -> Self {
        let role = match (name.rsplit('.').next(), tensor.dim()) {
            (Some("bias"), _) => Role::Bias,
            (_, 0 | 1) => Role::Norm,
            _ => Role::Weight,
        };
        Self {
            name,
            tensor,
            role,
            layer: None,
        }
    }
}

impl Parameter {
    /// The same in the backbone's layer `layer`.
    #[must_use]
    pub fn in_layer(self, layer: usize) -> Self {
        Self {
            layer: Some(layer),
            ..self
        }
    }
}

/// Which parameters: those for which all of it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    /// The start of their names: `prototypes.`; all if empty.
    pub prefix: String,
    /// What they are; any role if `None`.
    pub roles: Option<Vec<Role>>,
    /// Where they are; anywhere if `None`.
    pub place: Option<Place>,
}

/// Where parameters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this layer of the backbone, counted from the images.
    Layer(usize),
    /// In the heads.
    Heads,
}

impl Select {
    /// Parameters that are one of `roles`.
    pub fn roles(roles: impl Into<Vec<Role>>) -> Self {
        Self {
            roles: Some(roles.into()),
            ..Self::default()
        }
    }

    /// Parameters in a place.
    pub fn place(place: Place) -> Self {
        Self {
            place: Some(place),
            ..Self::default()
        }
    }

    /// Whether it selects a parameter.
    pub fn matches(&self, parameter: &Parameter) -> bool {
        let place = match parameter.layer {
            Some(layer) => Place::Layer(layer),
            None => Place::Heads,
        };
        parameter.name.starts_with(&self.prefix)
            && self
                .roles
                .as_ref()
                .is_none_or(|roles| roles.contains(&parameter.role))
            && self.place.is_none_or(|wanted| wanted == place)
    }
}

impl From<String> for Select {
    /// Parameters whose names start so.
    fn from(prefix: String) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }
}

impl From<&str> for Select {
    fn from(prefix: &str) -> Self {
        prefix.to_owned().into()
    }
}

impl std::fmt::Display for Select {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "parameters named `{}…`", self.prefix)?;
        if let Some(roles) = &self.roles {
            write!(f, ", {roles:?}")?;
        }
        match self.place {
            None => Ok(()),
            Some(Place::Layer(layer)) => write!(f, ", in layer {layer} of the backbone"),
            Some(Place::Heads) => write!(f, ", in the heads"),
        }
    }
}
