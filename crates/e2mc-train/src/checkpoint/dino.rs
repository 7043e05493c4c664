//! DINO's full checkpoints: a student, a teacher like it, their heads, and the centre of the
//! teacher's scores.
//!
//! | in the file, without wrappers | ours |
//! |---|---|
//! | `student.backbone.` | `backbone.` |
//! | `student.head.mlp.N.` | `projector.N.` |
//! | `student.head.last_layer.weight_g`, `weight_v` | `prototypes.weight_g`, `weight_v` |
//! | the same of `teacher.` | the same under `teacher.` |
//! | `dino_loss.center` | `center` |
//!
//! Weight normalisation has two sets of names in PyTorch: the second is
//! `last_layer.parametrizations.weight.original0` (lengths) and `original1` (directions).

use super::heads::Heads;
use super::layout::Layout;
use super::recognise::{Recognised, Tensors, has_word, one};
use crate::advice::Advice;
use crate::archive::{Problem, brief};
use crate::backbone::Hints;

/// The centre's name, whatever is in front of it.
const CENTRE: &str = "dino_loss.center";
const STUDENT: &str = "student";
const TEACHER: &str = "teacher";

/// Whether a file looks like one.
pub(super) fn is_whole(tensors: &Tensors<'_>) -> bool {
    // DINOv2's files have both networks and a centre, too, but heads of another form, `dino_head`.
    let has_head = |word: &str| {
        let mut names = tensors.keys();
        names.any(|name| has_word(name, word) && name.split('.').any(|part| part == "head"))
    };
    has_head(STUDENT) && has_head(TEACHER) && tensors.keys().any(|name| name.ends_with(CENTRE))
}

/// Our name of a head's tensor; `within` is its name within the student or the teacher.
pub(super) fn head(within: &str) -> Option<String> {
    let rest = within.strip_prefix("head.")?;
    if let Some(rest) = rest.strip_prefix("mlp.") {
        // A single layer is a Linear, not a Sequential of one.
        let single = matches!(rest, "weight" | "bias");
        let place = if single { "0." } else { "" };
        return Some(format!("projector.{place}{rest}"));
    }
    let ours = match rest.strip_prefix("last_layer.")? {
        "weight_g" | "parametrizations.weight.original0" => "weight_g",
        "weight_v" | "parametrizations.weight.original1" => "weight_v",
        _ => return None,
    };
    Some(format!("prototypes.{ours}"))
}

/// Takes everything of such a file.
pub(super) fn recognise(
    tensors: &Tensors<'_>,
    network: Option<&str>,
    hints: &Hints,
) -> Result<Recognised, Problem> {
    if let Some(network) = network {
        let expected = "no choice of a network: the layout `dino` takes student and teacher";
        return Err(lacking(expected, &format!("`{}`", brief(network))));
    }
    let (mut student, mut teacher) = (Tensors::new(), Tensors::new());
    let mut centre = None;
    for (&name, &tensor) in tensors {
        if name.ends_with(CENTRE) {
            centre = Some(tensor);
        } else if has_word(name, TEACHER) {
            teacher.insert(name, tensor);
        } else {
            student.insert(name, tensor);
        }
    }
    if teacher.is_empty() {
        let expected = "a teacher beside the student (`teacher.backbone.`, `teacher.head.`)";
        return Err(lacking(expected, "none"));
    }
    let Some(centre) = centre else {
        let expected = format!("the centre of the teacher's scores, `{CENTRE}`");
        return Err(lacking(&expected, "none"));
    };
    let taken = |part: &Tensors<'_>, word: &str| -> Result<Recognised, Problem> {
        let found = one(part, Some(Layout::Dino), Some(word), hints)?;
        match found.heads {
            Heads::Dino { .. } => Ok(found),
            _ => {
                let expected = format!("the {word}'s head (`{word}.head.mlp.`)");
                Err(lacking(&expected, "none"))
            }
        }
    };
    let mut whole = taken(&student, STUDENT)?;
    let teacher = taken(&teacher, TEACHER)?;
    if teacher.backbone != whole.backbone {
        let expected = format!("a teacher like the student, {}", whole.backbone);
        return Err(lacking(&expected, &teacher.backbone.to_string()));
    }
    if teacher.heads != whole.heads {
        let expected = format!(
            "a teacher's head like the student's, {}",
            words(&whole.heads)
        );
        return Err(lacking(&expected, &words(&teacher.heads)));
    }
    if let Heads::Dino { prototypes, .. } = whole.heads
        && centre.numel() != prototypes as u64
    {
        let expected = format!("`{}` of shape [1, {prototypes}]", brief(centre.name()));
        return Err(lacking(
            &expected,
            &format!("the shape {:?}", centre.size()),
        ));
    }
    let of_teacher = teacher.network.into_iter();
    whole
        .network
        .extend(of_teacher.map(|(name, tensor)| (format!("{TEACHER}.{name}"), tensor)));
    whole.network.insert("center".to_owned(), centre.clone());
    whole.unexpected.extend(teacher.unexpected);
    whole.chosen =
        Some("the student is taken, with its teacher, their heads and the centre".to_owned());
    Ok(whole)
}

/// A head's widths in words.
fn words(heads: &Heads) -> String {
    match heads {
        Heads::Dino {
            projector,
            prototypes,
        } => format!("of widths {projector:?} and {prototypes} scores"),
        _ => "none".to_owned(),
    }
}

fn lacking(expected: &str, found: &str) -> Problem {
    Problem {
        expected: expected.to_owned(),
        found: found.to_owned(),
        advice: Advice::LeaveHeadsOut,
    }
}
