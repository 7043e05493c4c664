//! `e2mc augment`: one operation, or a whole recipe, on one image. Needs no libtorch work.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use e2mc_cli::options::AugmentOptions;
use e2mc_data::augment::Augmenter;
use e2mc_data::augment::crop::Region;
use e2mc_data::decode::decode;
use e2mc_data::{Augmentation, Filter, Image, Operation, Outcome, stream};
use e2mc_train::checkpoint::write_atomically;
use image::{ExtendedColorType, ImageFormat};
use npyz::WriterBuilder;
use serde_json::{Map, Value, json};

use crate::contact_sheet::{Cell, colour, draw, outline};
use crate::failure::Failure;
use crate::output;
use crate::recipe::augmentation;

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
            Outcome::Image(image) => {
                write_png(&options.out, &image)?;
                [image.channels, image.height, image.width]
            }
            Outcome::Floats { shape, data } => {
                write_npy(&options.out, shape, &data)?;
                shape
            }
        };
        let result = json!({ "image": options.image, "operation": operation, "shape": shape, "out": options.out });
        output::result(options.json, &result, || {
            format!("{name}: {} x {} pixels in {out}", shape[2], shape[1])
        });
    } else if let Some(name) = &options.recipe {
        let augmentation = augmentation(name)?;
        stored.with_channels(augmentation.channels, &mut image);
        let (sheet, views) = sheet(&image, &augmentation, options)?;
        write_png(&options.out, &sheet)?;
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
) -> Result<(Image, Vec<Value>)> {
    let mut augmenter = Augmenter::new(augmentation)?;
    let recipes = augmenter.recipes().to_vec();
    let source = reduced(image)?;
    let scale = |length: usize| length * source.width / image.width;
    let name = options.image.file_name().unwrap_or_default();
    let mut views = Vec::new();
    let mut rows = Vec::new();
    for draw in 0..u64::from(options.draws) {
        let mut outlined = source.clone();
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
                image: pixels,
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
        Outcome::Image(image) => Ok(image),
        Outcome::Floats { .. } => unreachable!("a crop gives an image"),
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
    Ok(write_atomically(path, bytes.get_ref())?)
}

fn write_npy(path: &Path, shape: [usize; 3], data: &[f32]) -> Result<()> {
    demand_extension(path, "npy")?;
    let mut bytes = Vec::new();
    let fail = || format!("cannot write {}", path.display());
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape.map(|size| size as u64))
        .writer(&mut bytes)
        .begin_nd()
        .with_context(fail)?;
    writer.extend(data.iter().copied()).with_context(fail)?;
    writer.finish().with_context(fail)?;
    Ok(write_atomically(path, &bytes)?)
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
        "images go to .png files, what normalize gives to a .npy file",
    ))
}
