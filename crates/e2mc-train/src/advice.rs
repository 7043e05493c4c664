//! What can be done about an error, as data: programs put it into the words of their options.

use std::borrow::Cow;

/// What the user can do about an error. Where the words depend on how a program names its options,
/// only the program has them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Words that hold in every program.
    Words(Cow<'static, str>),
    /// Change this setting of the recipe: its dotted name.
    ChangeSetting(String),
    /// Change this argument of the call, which is no setting of a recipe.
    ChangeArgument(&'static str),
    /// Give the recipe that the checkpoint was trained with or whose names it has, or allow the
    /// differences by name.
    AllowDifferences,
    /// Leave the checkpoint's heads out, and train new ones.
    LeaveHeadsOut,
    /// Say which of several networks in a file is meant.
    ChooseNetwork,
    /// Resume from a run's whole checkpoint, or start a new run from these weights.
    StartFromWeights,
    /// Check the permissions, or write elsewhere.
    WriteElsewhere,
    /// Free some space, or write elsewhere.
    FreeSpace,
    /// Lower the learning rate or the criterion's weight, then resume.
    LowerRates,
    /// Put fewer images through the network at once: more slices a batch, or a smaller batch.
    LessMemory,
    /// Use the CPU, or install a libtorch for the device.
    OtherDevice,
}

impl Advice {
    /// Words that hold in every program: they name no option.
    pub fn words(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Words(words.into())
    }
}
