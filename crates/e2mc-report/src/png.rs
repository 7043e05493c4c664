//! Drawings as PNG files, for programs that do not read SVG.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// Pixels a unit of the drawing: about 300 a printed inch of a column's width.
const SCALE: f32 = 3.0;

/// Turns SVG into PNG with the fonts of the system.
pub(super) struct Painter {
    options: Options<'static>,
}

impl Painter {
    pub(super) fn new() -> Self {
        let mut options = Options::default();
        options.fontdb_mut().load_system_fonts();
        if let Some(family) = first_family(&options.fontdb) {
            options.fontdb_mut().set_sans_serif_family(family);
        }
        Self { options }
    }

    /// Whether the system has fonts; without them no text is drawn.
    pub(super) fn has_fonts(&self) -> bool {
        !self.options.fontdb.is_empty()
    }

    /// The drawing's pixels, or why there are none.
    pub(super) fn paint(&self, svg: &str) -> Result<Vec<u8>, String> {
        let tree = Tree::from_str(svg, &self.options).map_err(|error| error.to_string())?;
        let size = tree
            .size()
            .to_int_size()
            .scale_by(SCALE)
            .ok_or("it is empty")?;
        let mut pixels = Pixmap::new(size.width(), size.height()).ok_or("it is too large")?;
        let scale = Transform::from_scale(SCALE, SCALE);
        resvg::render(&tree, scale, &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| error.to_string())
    }
}

/// What "sans-serif" means: a font that is known to be plain, or else the first there is.
fn first_family(fonts: &fontdb::Database) -> Option<String> {
    const PLAIN: [&str; 5] = [
        "DejaVu Sans",
        "Liberation Sans",
        "Noto Sans",
        "Helvetica",
        "Arial",
    ];
    let families = || {
        fonts
            .faces()
            .flat_map(|face| &face.families)
            .map(|(name, _)| name)
    };
    PLAIN
        .into_iter()
        .find(|plain| families().any(|name| name == plain))
        .map(str::to_owned)
        .or_else(|| families().next().cloned())
}
