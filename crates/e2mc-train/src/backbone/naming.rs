//! What files call a family's tensors.

/// One public way to name a family's tensors.
#[derive(Debug)]
pub struct Naming {
    /// Those who name so: `torchvision`, `timm`.
    pub names: &'static [&'static str],
    /// The tensor by which such a file, and the place of the network in it, is recognised.
    pub landmark: &'static str,
    /// The module behind the network that classifies: `fc`. Methods put their heads in its place.
    pub classifier: &'static str,
    /// The family's own name of a tensor; `None` where the network has none of that name.
    pub ours: fn(&str) -> Option<String>,
    /// The public name of the family's own.
    pub theirs: fn(&str) -> String,
}
