//! The examples at the end of each command's `--help`.

/// Text with one example a line.
macro_rules! examples {
    ($($line:literal)+) => { concat!("Examples:", $("\n  ", $line),+) };
}

/// What `adapt` is given, one form a line.
pub(super) const ADAPT_USAGE: &str = "e2mc adapt [OPTIONS] --out <FILE> <EMBEDDINGS>
       e2mc adapt [OPTIONS] --out <FILE> --checkpoint <FILE> --data <DIR>";
/// What `inspect` is given, one form a line.
pub(super) const INSPECT_USAGE: &str = "e2mc inspect [OPTIONS] <EMBEDDINGS> [EMBEDDINGS]
       e2mc inspect [OPTIONS] --checkpoint <FILE> [--checkpoint <FILE>] --data <DIR>";

pub(super) const IMPROVE: &str = examples!(
    "e2mc improve model.pth --data photos --out better --budget 8h"
    "e2mc improve model.pth --data photos --out better --for classifier --dry-run"
);
pub(super) const PRETRAIN: &str = examples!(
    "e2mc pretrain --recipe vicreg-small-pretrain --data images --out runs/base"
    "e2mc pretrain --resume --out runs/base --epochs 200"
);
pub(super) const CONTINUE: &str = examples!(
    "e2mc continue --recipe swav-imagenet --checkpoint swav.pth.tar --data imagenet --out runs/e2mc"
    "e2mc continue --recipe swav-imagenet --checkpoint swav.pth.tar --data imagenet --criterion \
     none"
);
pub(super) const SWEEP: &str = examples!(
    "e2mc sweep --grid criterion.beta=1,10,100 --grid criterion.gamma=1,10 --recipe vicreg-small \
     \\\n    --checkpoint runs/base/model.safetensors --data images --out sweep"
    "e2mc sweep --resume --out sweep"
);
pub(super) const PROBE: &str = examples!(
    "e2mc probe --checkpoint model.pth --data images --out results/model"
    "e2mc probe --train a.npy --train-labels a-labels.npy --test b.npy --test-labels b-labels.npy"
);
pub(super) const FINETUNE: &str = examples!(
    "e2mc finetune --checkpoint model.pth --data images --out results/finetuned"
    "e2mc finetune --checkpoint model.pth --data images --fractions 0.01 --preset swav"
);
pub(super) const KNN: &str = examples!(
    "e2mc knn --checkpoint model.pth --data images --k 1,20,200"
    "e2mc knn --train a.npy --train-labels a-labels.npy --test b.npy --test-labels b-labels.npy"
);
pub(super) const SVM: &str = examples!(
    "e2mc svm --checkpoint model.pth --data images --scale unit"
    "e2mc svm --train a.npy --train-labels a-labels.npy --test b.npy --test-labels b-labels.npy -C \
     1"
);
pub(super) const EMBED: &str = examples!(
    "e2mc embed --checkpoint model.pth --data images --out features.npy"
    "e2mc embed --checkpoint model.pth --data images --split test --output layer3 --out layer3.npy"
);
pub(super) const ADAPT: &str = examples!(
    "e2mc adapt features.npy --labels labels.npy --out map.safetensors"
    "e2mc adapt --apply map.safetensors features.npy --out mapped.npy"
);
pub(super) const COMPARE: &str =
    examples!("e2mc compare results/base results/e2mc --report comparison.html");
pub(super) const RESULTS: &str = examples!("e2mc results runs --format markdown");
pub(super) const RECIPES: &str = examples!("e2mc recipes" "e2mc recipes swav-imagenet > mine.toml");
pub(super) const SCORE: &str = examples!(
    "e2mc score embeddings.npy"
    "e2mc score embeddings.npy --transform sigmoid --beta 1000 --gamma 100 --json"
);
pub(super) const INSPECT: &str = examples!(
    "e2mc inspect before.npy after.npy --report embeddings.html"
    "e2mc inspect --checkpoint model.pth --data images --report embeddings.html"
);
pub(super) const REPORT: &str = examples!(
    "e2mc report runs/e2mc"
    "e2mc report runs/e2mc runs/alone --out runs.html"
);
pub(super) const WATCH: &str =
    examples!("e2mc watch runs/e2mc" "e2mc watch runs/e2mc --serve 8000");
pub(super) const CONVERT: &str = examples!(
    "e2mc convert runs/e2mc/model.safetensors backbone.pth --backbone-only --names torchvision"
    "e2mc convert swav.pth.tar model.safetensors"
);
pub(super) const THROUGHPUT: &str = examples!("e2mc throughput images --recipe swav --threads 4");
pub(super) const AUGMENT: &str = examples!(
    "e2mc augment photo.jpg --recipe vicreg --out views.png"
    "e2mc augment photo.jpg --op hflip --out flipped.png"
);
pub(super) const COMPLETIONS: &str = examples!(
    "e2mc completions bash > ~/.local/share/bash-completion/completions/e2mc"
    "e2mc completions zsh > ~/.zfunc/_e2mc"
);
pub(super) const DEMO: &str = examples!("e2mc demo" "e2mc demo --out my-demo --seeds 3");
