//! Several processes against one: the same values and gradients, and errors that name who failed.
//!
//! Each test starts processes of this very program. They run the test `member`, which does what the
//! environment says; without that it does nothing.

mod build;
#[path = "../common/mod.rs"]
mod common;
mod embedding;
mod exact;

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio, abort, exit};
use std::time::{Duration, Instant};

use common::{recipe, swav, train, vicreg};
use e2mc_train::checkpoint::Checkpoint;
use e2mc_train::world::{Place, variable};
use e2mc_train::{Ending, Error, Trainer, World};
use tch::{Device, Kind, Tensor};

/// What the processes of a test are to do.
const CASE: &str = "E2MC_TEST_CASE";
/// How long they wait for each other, in seconds.
const PATIENCE: &str = "E2MC_TEST_PATIENCE";

/// How processes exchange tensors.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Through memory that they share, as on one machine.
    Memory,
    /// Over the network, as if each were on a machine of its own.
    Network,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Memory, Self::Network];

    fn choose(self, size: usize, command: &mut Command) {
        let local_size = match self {
            Self::Memory => size,
            Self::Network => 1,
        };
        command.env(variable::LOCAL_SIZE, local_size.to_string());
    }
}

/// Starts `size` processes that do `case`; all of them at most two minutes.
struct Family(Vec<Child>);

impl Family {
    fn start(case: &str, size: usize, patience: u64, change: impl Fn(usize, &mut Command)) -> Self {
        let own = std::env::current_exe().unwrap();
        Self::start_of(|_| &own, case, size, patience, change)
    }

    /// The same, each process with a program of its own.
    fn start_of<'a>(
        program: impl Fn(usize) -> &'a Path,
        case: &str,
        size: usize,
        patience: u64,
        change: impl Fn(usize, &mut Command),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let children = (0..size).map(|rank| {
            let mut command = Command::new(program(rank));
            command
                .args(["member", "--exact", "--nocapture", "--test-threads=1"])
                .env(CASE, case)
                .env(PATIENCE, patience.to_string())
                .env(variable::RANK, rank.to_string())
                .env(variable::SIZE, size.to_string())
                .env(variable::HOST, "127.0.0.1")
                .env(variable::PORT, port.to_string())
                .env("OMP_NUM_THREADS", "1")
                .env("RAYON_NUM_THREADS", "1")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            if rank == 0 {
                let socket: OwnedFd = listener.try_clone().unwrap().into();
                command.env(variable::SOCKET, "1").stdin(socket);
            }
            change(rank, &mut command);
            command.spawn().unwrap()
        });
        Self(children.collect())
    }

    /// Whether each ended well, and what it said; those that still run are ended after two minutes.
    fn end(self) -> Vec<(bool, String)> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut children = self.0;
        while Instant::now() < deadline
            && children
                .iter_mut()
                .any(|child| matches!(child.try_wait(), Ok(None)))
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = children.into_iter().map(|mut child| {
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (
                output.status.success(),
                String::from_utf8_lossy(&said).into_owned(),
            )
        });
        output.collect()
    }
}

/// Runs a case that must go well for all.
fn succeeds(case: &str, size: usize, way: Way) {
    let family = Family::start(case, size, 60, |_, command| way.choose(size, command));
    for (rank, (good, said)) in family.end().into_iter().enumerate() {
        assert!(good, "process {rank} of {size}, {way:?}: {said}");
        println!("{said}");
    }
}

/// What one of the processes does.
#[test]
fn member() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    let patience = std::env::var(PATIENCE).unwrap().parse().unwrap();
    let result = Place::from_env().map_err(Error::from).and_then(|place| {
        let place = place.expect("several processes");
        let world = World::join(place, false, Duration::from_secs(patience))?;
        let result = play(&case, &world);
        match &result {
            Ok(()) => world.leave()?,
            Err(error) => {
                let by_another = matches!(error, Error::World(error) if error.is_of_another());
                world.fail(error, by_another);
            }
        }
        result
    });
    if let Err(error) = result {
        println!("error: {error}");
        exit(1);
    }
    exit(0);
}

fn play(case: &str, world: &World) -> Result<(), Error> {
    match case {
        "exchange" => exact::exchange(world),
        "batch norm" => exact::batch_norm(world),
        "objectives" => exact::objectives(world),
        "steps" => exact::steps(world),
        "frozen" => exact::frozen(world),
        "embedding" => embedding::of_one(world),
        "resume" => resume(world),
        "until told" => until_told(world),
        "killed" => lost(world, || exit(9)),
        "killed in training" => lost_in_training(world),
        "stopped" => lost(world, || {
            let pid = std::process::id().to_string();
            let _ = Command::new("kill").args(["-STOP", &pid]).status();
        }),
        "failed" => {
            if world.rank() == 1 {
                return Err(Error::config("a", "b", "c"));
            }
            lost(world, || ())
        }
        "other recipe" => {
            let mut recipe = exact::plain(vicreg(), 9);
            recipe.training.learning_rate = 0.5 + world.rank() as f64;
            Trainer::new(recipe, Device::Cpu, 3)?.join(world.clone())
        }
        other => panic!("no case {other}"),
    }
}

/// Sums until process 1 does what it does.
fn lost(world: &World, how: impl Fn()) -> Result<(), Error> {
    for step in 0..100 {
        if step == 5 && world.rank() == 1 {
            how();
        }
        let _ = world.sum(Tensor::ones([1000], (Kind::Float, Device::Cpu)))?;
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Trains until process 1 ends, wherever the others are in a step.
fn lost_in_training(world: &World) -> Result<(), Error> {
    let mut recipe = exact::plain(vicreg(), 6);
    recipe.training.epochs = 1000;
    let mut trainer = Trainer::new(recipe, Device::Cpu, 3)?;
    trainer.join(world.clone())?;
    if world.rank() == 1 {
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(1500));
            // Without libtorch's own end, which the other thread would notice.
            abort();
        });
    }
    common::run(&mut trainer, u64::MAX, None, 1).map(drop)
}

/// Exchanges until the test's file is there, which process 0 sees.
fn until_told(world: &World) -> Result<(), Error> {
    let told = Path::new(&std::env::var("E2MC_TEST_FOLDER").unwrap()).join("told");
    while !world.any(world.is_first() && told.exists())? {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn resume(world: &World) -> Result<(), Error> {
    let folder = std::path::PathBuf::from(std::env::var("E2MC_TEST_FOLDER").unwrap());
    let (path, again) = (
        folder.join("half.safetensors"),
        folder.join("again.safetensors"),
    );
    let recipe = recipe(swav(), "adamw");
    for path in [&path, &again] {
        let mut trainer = Trainer::new(recipe.clone(), Device::Cpu, 3)?;
        trainer.join(world.clone())?;
        let (outcome, losses, _) = train(&mut trainer, 3, Some(path), 1);
        assert_eq!((outcome, losses.len()), (Ending::Interrupted, 3));
    }
    world.after_first()?;
    let same_bytes = |a: &Path, b: &Path| std::fs::read(a).unwrap() == std::fs::read(b).unwrap();
    assert!(same_bytes(&path, &again), "a run differs from itself");
    // On as many processes a resumed run is the run that never stopped.
    let on = folder.join("on.safetensors");
    let straight = folder.join("straight.safetensors");
    let checkpoint = Checkpoint::read(&path)?;
    for (mut trainer, path) in [
        (Trainer::resume(&checkpoint, Device::Cpu, None)?, &on),
        (Trainer::new(recipe, Device::Cpu, 3)?, &straight),
    ] {
        trainer.join(world.clone())?;
        train(&mut trainer, 8, Some(path), 1);
    }
    world.after_first()?;
    assert!(same_bytes(&on, &straight), "a resumed run differs");
    let next = |world: Option<&World>| -> Result<f64, Error> {
        let mut trainer = Trainer::resume(&checkpoint, Device::Cpu, None)?;
        if let Some(world) = world {
            trainer.join(world.clone())?;
        }
        Ok(train(&mut trainer, 4, None, 1).1[0])
    };
    let (together, alone) = (next(Some(world))?, next(None)?);
    assert!(
        (together - alone).abs() <= 1e-5 * alone.abs(),
        "{together} {alone}"
    );
    Ok(())
}

#[test]
fn rows_and_columns_reach_all_and_gradients_come_back() {
    for way in Way::BOTH {
        for size in [2, 3, 5] {
            succeeds("exchange", size, way);
        }
    }
}

#[test]
fn batch_norm_goes_by_the_statistics_of_all() {
    for way in Way::BOTH {
        for size in [2, 4] {
            succeeds("batch norm", size, way);
        }
    }
}

#[test]
fn losses_and_their_gradients_are_those_of_one_process() {
    for size in [2, 4] {
        succeeds("objectives", size, Way::Memory);
    }
}

#[test]
fn a_step_of_two_or_four_processes_is_that_of_one_with_every_method_and_criterion() {
    succeeds("steps", 2, Way::Network);
    succeeds("steps", 4, Way::Memory);
}

#[test]
fn parameters_without_a_gradient_stay_without_and_every_process_has_the_same_sums() {
    for way in Way::BOTH {
        for size in [2, 4] {
            succeeds("frozen", size, way);
        }
    }
}

#[test]
fn a_run_repeats_itself_and_resumes_on_as_many_processes_and_on_one() {
    for (size, way) in [(2, Way::Memory), (2, Way::Network), (4, Way::Network)] {
        let folder = tempfile::tempdir().unwrap();
        let family = Family::start("resume", size, 60, |_, command| {
            way.choose(size, command);
            command.env("E2MC_TEST_FOLDER", folder.path());
        });
        for (rank, (good, said)) in family.end().into_iter().enumerate() {
            assert!(good, "process {rank} of {size}, {way:?}: {said}");
        }
    }
}

#[test]
fn images_are_embedded_with_the_weights_of_the_first_until_any_process_stops() {
    for way in Way::BOTH {
        for size in [2, 3] {
            succeeds("embedding", size, way);
        }
    }
}

/// Whether some of the three processes say each of the texts, and none ends well.
fn fails(case: &str, way: Way, patience: u64, expected: &[(usize, &str)]) {
    let since = Instant::now();
    let family = Family::start(case, 3, patience, |_, command| way.choose(3, command));
    let mut children = family.0;
    // One that is stopped stays so until it is ended.
    let others = |children: &mut Vec<Child>| {
        let running = [0, 2].map(|rank: usize| matches!(children[rank].try_wait(), Ok(None)));
        running.contains(&true)
    };
    while others(&mut children) && since.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = since.elapsed();
    let _ = children[1].kill();
    let said = Family(children).end();
    for (rank, text) in expected {
        assert!(
            !said[*rank].0 && said[*rank].1.contains(text),
            "{case}, {way:?}: {said:?}"
        );
    }
    assert!(
        took < Duration::from_secs(patience + 20),
        "{took:?}: {said:?}"
    );
}

#[test]
fn a_process_that_is_killed_is_named_by_the_others() {
    let text = "error: process 1 of 3 no longer answers, while summing";
    for way in Way::BOTH {
        fails("killed", way, 30, &[(0, text), (2, text)]);
    }
}

#[test]
fn a_process_that_is_killed_within_a_step_is_named_by_the_others() {
    let text = "error: process 1 of 3 no longer answers, while";
    for way in Way::BOTH {
        fails("killed in training", way, 30, &[(0, text), (2, text)]);
    }
}

#[test]
fn a_process_that_is_stopped_is_named_after_the_timeout() {
    let text = "error: process 1 of 3 no longer answers, while summing";
    for way in Way::BOTH {
        fails("stopped", way, 3, &[(0, text), (2, text)]);
    }
}

#[test]
fn a_process_that_fails_tells_the_others_why() {
    let own = "error: setting `a`: expected b, found c";
    let others = "error: process 1 failed: setting `a`: expected b, found c";
    for way in Way::BOTH {
        fails("failed", way, 30, &[(1, own), (0, others), (2, others)]);
    }
}

#[test]
fn another_recipe_is_refused_by_process_and_setting() {
    let text = "error: process 1 has another recipe than process 0: expected \"learning_rate\": \
                0.5, found \"learning_rate\": 1.5";
    fails(
        "other recipe",
        Way::Network,
        30,
        &[(0, text), (1, text), (2, text)],
    );
}

#[test]
fn another_build_of_the_program_is_refused_by_process_and_build() {
    let own = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::copy(&own, &other).unwrap();
    // It does the same, as a program does that differs in nothing but a line of code.
    let mut file = std::fs::OpenOptions::new().append(true).open(&other);
    file.as_mut().unwrap().write_all(b"\0").unwrap();
    drop(file);
    for way in Way::BOTH {
        let program = |rank| if rank == 1 { &*other } else { &*own };
        let family = Family::start_of(program, "exchange", 3, 30, |_, command| {
            way.choose(3, command);
        });
        let said = family.end();
        let text = "error: process 1 has another build of the program than process 0: expected ";
        let builds = |said: &str| -> Option<(String, String)> {
            let (_, builds) = said.split_once(text)?;
            let (expected, found) = builds.lines().next()?.split_once(", found ")?;
            Some((expected.into(), found.into()))
        };
        let (expected, other) = builds(&said[0].1).unwrap_or_else(|| panic!("{said:?}"));
        assert_ne!(expected, other);
        for build in [&expected, &other] {
            let version = concat!(env!("CARGO_PKG_VERSION"), " (");
            assert!(build.starts_with(version), "{build}");
        }
        for (good, said) in &said {
            assert!(!good, "{said}");
            // By itself, or told by another.
            assert!(said.contains(&text["error: ".len()..]), "{said}");
        }
    }
    // The same file under another name is the same program.
    std::fs::copy(&own, &other).unwrap();
    let program = |rank| if rank == 1 { &*other } else { &*own };
    let family = Family::start_of(program, "exchange", 3, 60, |_, command| {
        Way::Memory.choose(3, command)
    });
    for (good, said) in family.end() {
        assert!(good, "{said}");
    }
}

#[test]
fn a_second_process_of_a_number_is_refused_at_once_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for way in Way::BOTH {
        let told = folder.path().join("told");
        // Two processes and one more, which says that it is one of them.
        let mut family = Family::start("until told", 3, 60, |rank, command| {
            way.choose(2, command);
            let rank = rank.min(1).to_string();
            command.env(variable::SIZE, "2").env(variable::RANK, rank);
            command.env("E2MC_TEST_FOLDER", folder.path());
        });
        let since = Instant::now();
        let ended = |child: &mut Child| matches!(child.try_wait(), Ok(Some(_)));
        while !family.0.iter_mut().any(ended) && since.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::write(&told, "").unwrap();
        let said = family.end();
        std::fs::remove_file(&told).unwrap();
        // Which of the two was later is open.
        let refused: Vec<_> = said.iter().filter(|(good, _)| !good).collect();
        assert!(refused.len() == 1 && said[0].0, "{said:?}");
        let text = "error: the run at 127.0.0.1:";
        let end = " has a process 1 already, and this is another";
        assert!(
            refused[0].1.contains(text) && refused[0].1.contains(end),
            "{said:?}"
        );
    }
}

#[test]
fn a_process_that_does_not_come_and_another_number_of_processes_are_named() {
    let family = Family::start("exchange", 3, 2, |rank, command| {
        if rank == 1 {
            // Nobody of this run.
            command.env(variable::RUN, "another");
        }
    });
    let said = family.end();
    assert!(
        said[0]
            .1
            .contains("process 1 of 3 did not join the run at 127.0.0.1:"),
        "{said:?}"
    );
    let family = Family::start("exchange", 2, 5, |rank, command| {
        if rank == 1 {
            command.env(variable::SIZE, "3");
        }
    });
    let said = family.end();
    let text = "process 1 has another number of processes than process 0: expected 2, found 3";
    assert!(
        said.iter().all(|(good, said)| !good && said.contains(text)),
        "{said:?}"
    );
}

#[test]
fn a_port_that_is_taken_and_one_where_no_store_is_are_said() {
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port().to_string();
    let said = Family::start("exchange", 2, 2, |_, command| {
        command
            .env(variable::PORT, &port)
            .env_remove(variable::SOCKET)
            .stdin(Stdio::null());
    })
    .end();
    assert!(
        said[0].1.contains("process 0 cannot listen on 127.0.0.1:"),
        "{said:?}"
    );
    assert!(
        said[1].1.contains("process 1 found no run at 127.0.0.1:"),
        "{said:?}"
    );
}
