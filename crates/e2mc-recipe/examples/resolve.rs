//! Prints a recipe after a change: `resolve [RECIPE [KEY=VALUE]]`.

fn main() -> Result<(), e2mc_recipe::Error> {
    let mut words = std::env::args().skip(1);
    let recipe = words.next().unwrap_or_else(|| "vicreg-small".into());
    let change = words.next().unwrap_or_else(|| "training.epochs=3".into());
    let mut table = e2mc_recipe::load(&recipe)?;
    let (key, value) = e2mc_recipe::parse_change(&change)?;
    e2mc_recipe::set(&mut table, &key, value)?;
    println!("{table}");
    Ok(())
}
