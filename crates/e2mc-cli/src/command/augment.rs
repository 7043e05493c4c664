//! `e2mc augment`: one operation, or a whole recipe, on one image.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use e2mc_base::write_atomically;
use e2mc_cli::failure::Failure;
use e2mc_cli::options::AugmentOptions;
use e2mc_cli::output;
use e2mc_data::augment::Augmenter;
use e2mc_data::decode::decode;
use e2mc_data::{Augmentation, Augmented, Filter, Image, Operation, stream};
use e2mc_eval::write_npy_tensor;
use e2mc_report::colour;
use e2mc_report::contact_sheet::{Cell, Pixels, Region, draw, outline};
use image::{ExtendedColorType, ImageFormat};
use serde_json::{Map, Value, json};

/// The longer side of the image on a sheet, at most.
const SOURCE: usize = 256;

pub(crate) fn run(options: &AugmentOptions) -> Result<ExitCode> {
    let bytes = fs::read(&options.image)
        .with_context(|| format!("cannot read {}", options.image.display()))?;
    let (mut stored, mut image) = (Image::default(), Image::default());
    decode(&bytes, &options.image.display(), &mut stored)?;
    let out = options.out.display();
    if let Some(name) = &options.op {
        stored.with_channels(3, &mut image);
        let operation = operation(name, &options.params)?;
        let shape = match operation.apply(image)? {
            Augmented::Image(image) => {
                write_png(&options.out, &image)?;
                [image.channels, image.height, image.width]
            }
            Augmented::Floats { shape, data } => {
                demand_extension(&options.out, "npy")?;
                write_npy_tensor(&options.out, &shape, &data)?;
                shape
            }
        };
        let result = json!({ "image": options.image, "operation": operation, "shape": shape, "out": options.out });
        output::result(options.json, &result, || {
            format!("{name}: {} x {} pixels in {out}", shape[2], shape[1])
        });
    } else if let Some(name) = &options.recipe {
        let augmentation = e2mc_recipe::augmentation(name)?;
        stored.with_channels(augmentation.channels, &mut image);
        let (sheet, views) = sheet(&image, &augmentation, options)?;
        write_png(&options.out, &image_of(sheet))?;
        let result =
            json!({ "image": options.image, "recipe": name, "views": views, "out": options.out });
        output::result(options.json, &result, || {
            let rows = options.draws;
            format!("{name}: {} views in {rows} rows in {out}", views.len())
        });
    }
    Ok(ExitCode::SUCCESS)
}

/// The operation with this name and these parameters.
fn operation(name: &str, parameters: &str) -> Result<Operation> {
    let example = "for instance --op resized_crop --params \
                   '{\"top\": 0, \"left\": 0, \"height\": 9, \"width\": 9, \"size\": [5, 5], \"filter\": \"bicubic\"}'";
    let refuse = |message: String| Failure::usage(message, example);
    if !Operation::NAMES.contains(&name) {
        let names = Operation::NAMES.join(", ");
        return Err(Failure::usage(
            format!("--op: no operation is called `{name}`"),
            format!("there are {names}"),
        ));
    }
    let mut map: Map<String, Value> = serde_json::from_str(parameters)
        .map_err(|error| refuse(format!("--params: expected a JSON object: {error}")))?;
    // Parameters may come as they stand in a manifest, with the name and a note.
    map.remove("note");
    if let Some(other) = map.insert("op".to_owned(), name.into())
        && other != name
    {
        return Err(refuse(format!(
            "--params: expected `op` to be {name}, found {other}"
        )));
    }
    serde_json::from_value(Value::Object(map))
        .map_err(|error| refuse(format!("--params for {name}: {error}")))
}

/// The views of several draws, row by row, behind the image with the outlines of their crops.
fn sheet(
    image: &Image,
    augmentation: &Augmentation,
    options: &AugmentOptions,
) -> Result<(Pixels, Vec<Value>)> {
    let mut augmenter = Augmenter::new(augmentation)?;
    let recipes = augmenter.recipes().to_vec();
    let source = reduced(image)?;
    let scale = |length: usize| length * source.width / image.width;
    let name = options.image.file_name().unwrap_or_default();
    let mut views = Vec::new();
    let mut rows = Vec::new();
    for draw in 0..u64::from(options.draws) {
        let mut outlined = pixels_of(source.clone());
        let mut row = Vec::new();
        for (view, recipe) in recipes.iter().enumerate() {
            let mut stream = stream(options.seed, draw, 0, view as u64);
            let parameters = recipe.draw(image.width, image.height, &mut stream);
            let pixels = augmenter.pixels(image, view, &parameters).clone();
            let region = parameters.region;
            let region = Region {
                left: scale(region.left),
                top: scale(region.top),
                width: scale(region.width).max(1),
                height: scale(region.height).max(1),
            };
            outline(&mut outlined, region, colour(view));
            let text = parameters.to_string();
            views.push(json!({ "draw": draw, "view": view, "parameters": text.split('\n').collect::<Vec<_>>() }));
            row.push(Cell {
                image: pixels_of(pixels),
                text: format!("view {}\n{text}", view + 1),
                ink: colour(view),
            });
        }
        let text = match draw {
            0 => format!(
                "{}\n{} x {}",
                name.to_string_lossy(),
                image.width,
                image.height
            ),
            _ => format!("draw {}", draw + 1),
        };
        let first = Cell {
            image: outlined,
            text,
            ..Cell::default()
        };
        row.insert(0, first);
        rows.push(row);
    }
    Ok((draw(&rows), views))
}

/// The image in colour, its longer side no longer than [`SOURCE`].
fn reduced(image: &Image) -> Result<Image> {
    let mut colour = Image::default();
    image.with_channels(3, &mut colour);
    let (width, height) = (image.width, image.height);
    let longer = width.max(height);
    if longer <= SOURCE {
        return Ok(colour);
    }
    let side = |length: usize| (length * SOURCE / longer).max(1);
    let whole = Operation::ResizedCrop {
        top: 0,
        left: 0,
        height,
        width,
        size: [side(height), side(width)],
        filter: Filter::Bilinear,
    };
    match whole.apply(colour)? {
        Augmented::Image(image) => Ok(image),
        Augmented::Floats { .. } => unreachable!("a crop gives an image"),
    }
}

/// The image as the sheet takes it: the same planes.
fn pixels_of(image: Image) -> Pixels {
    Pixels {
        width: image.width,
        height: image.height,
        planes: image.pixels,
    }
}

/// The sheet as an image in colour.
fn image_of(sheet: Pixels) -> Image {
    Image {
        width: sheet.width,
        height: sheet.height,
        channels: 3,
        pixels: sheet.planes,
    }
}

fn write_png(path: &Path, image: &Image) -> Result<()> {
    demand_extension(path, "png")?;
    let color = match image.channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (image.width as u32, image.height as u32);
    image::write_buffer_with_format(
        &mut bytes,
        &image.to_interleaved(),
        width,
        height,
        color,
        ImageFormat::Png,
    )
    .with_context(|| format!("cannot write {}", path.display()))?;
    write_atomically(path, bytes.get_ref())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn demand_extension(path: &Path, wanted: &str) -> Result<()> {
    if path
        .extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    {
        return Ok(());
    }
    Err(Failure::usage(
        format!("--out: expected a .{wanted} file, found {}", path.display()),
        "images are written to .png files, the output of normalize to a .npy file",
    ))
}
