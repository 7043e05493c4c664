//! `report` and `watch` on a run, TensorBoard's file in it, and what is not a run.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::common::{World, log};

fn trained(world: &World) {
    world.data("data", 200, 60);
    let ran = world.pretrain("data", "run", "--epochs 2");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_run_gets_a_page_and_curves() {
    let world = World::new();
    trained(&world);
    let result = world.run("report run --json --figures figures").json();
    assert_eq!(result["report"], "run/report.html");
    assert_eq!(result["runs"][0]["outcome"], "finished");
    assert_eq!(result["runs"][0]["epochs"], 2);
    let knn = log(&world.path("run"))[1]["knn"].as_f64().unwrap();
    let change = &log(&world.path("run"))[2..];
    let change = change
        .iter()
        .find(|event| event["event"] == "epoch")
        .unwrap();
    assert!(change["knn_change"].is_f64() && change["knn_change_error"].is_f64());
    assert_eq!(
        result["runs"][0]["knn_start"].as_f64().unwrap(),
        100.0 * knn
    );
    let page = fs::read_to_string(world.path("run/report.html")).unwrap();
    for part in [
        "Training run “run”",
        "Whole loss",
        "Invariance",
        "Images a second",
        "Recipe of run",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http:") && !page.contains("https:"));
    assert!(fs::read_dir(world.path("figures")).unwrap().count() > 6);

    // Results below the run's folder are shown, whoever wrote them; what is none is named.
    let line = "probe --checkpoint run/model.safetensors --data data --seeds 2 --fractions 0.5 \
                --sgd-epochs 2 --out run/probe --json";
    let probe = world.run(line).json();
    world.run("report run --json").json();
    let page = fs::read_to_string(world.path("run/report.html")).unwrap();
    let accuracy = probe["knn"].as_f64().unwrap();
    assert!(
        page.contains("Accuracy of the frozen features")
            && page.contains(&format!("{accuracy:.2}"))
    );
    fs::write(world.path("run/probe/result.json"), "{}").unwrap();
    let result = world.run("report run --json").json();
    let findings = result["findings"].to_string();
    assert!(findings.contains("run/probe/result.json: "), "{findings}");
    fs::remove_dir_all(world.path("run/probe")).unwrap();

    // Two runs need a place for their page, and are named apart.
    fs::create_dir(world.path("other")).unwrap();
    fs::create_dir(world.path("other/run")).unwrap();
    fs::copy(
        world.path("run/metrics.jsonl"),
        world.path("other/run/metrics.jsonl"),
    )
    .unwrap();
    assert_eq!(world.run("report run other/run").code, Some(2));
    let both = world.run("report run other/run --out both.html");
    assert!(
        both.stdout
            .contains("other/run: Finished after 2 of 2 epochs"),
        "{}",
        both.stdout
    );

    let text = world.run("watch run").stdout;
    assert!(text.starts_with("run  epoch 2/2  step "), "{text}");
    assert!(
        text.contains("finished after") && text.contains("invariance") && text.contains('⠀'),
        "{text}"
    );
}

#[test]
fn tensorboard_finds_its_file() {
    let world = World::new();
    trained(&world);
    let events: Vec<_> = fs::read_dir(world.path("run"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("events.out.tfevents.")
        })
        .collect();
    assert_eq!(events.len(), 1);
    let bytes = fs::read(&events[0]).unwrap();
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    for tag in [
        "step/loss",
        "step/invariance",
        "step/images_per_s",
        "epoch/knn",
        "collapse/entropy",
    ] {
        assert!(has(tag), "{tag}");
    }
    // The loss of this run has no such term; the embedding's entropy must not pass for one.
    assert!(!has("epoch/entropy"));
}

#[test]
fn what_is_not_a_run_is_said() {
    let world = World::new();
    fs::create_dir(world.path("empty")).unwrap();
    for line in [
        "report empty",
        "report nowhere",
        "watch empty",
        "watch nowhere --serve 0",
    ] {
        let ran = world.run(line);
        assert!(ran.error().contains("holds no run"), "{}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{}", ran.stderr);
    }
    assert_eq!(world.run("watch empty --every 0").code, Some(2));
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_live_page_is_served_to_this_machine_only() {
    let world = World::new();
    trained(&world);
    let mut server = Server(
        Command::new(env!("CARGO_BIN_EXE_e2mc"))
            .args(["watch", "run", "--serve", "0"])
            .current_dir(world.path("."))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(server.0.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .split("http://")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    let ask = |first: &str, host: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "{first} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = ask("GET /", &address);
    assert!(
        page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("Whole loss"),
        "{page}"
    );
    assert!(page.contains("\r\nRefresh: 2\r\n"));
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    // It follows the run.
    let more = concat!(
        r#"{"event":"step","step":999,"epoch":2,"learning_rate":0.1,"loss":1.5,"#,
        r#""images_per_s":9.0,"waiting":0.0,"terms":{"brand_new":2.0}}"#
    );
    let path = world.path("run/metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{more}\n")).unwrap();
    assert!(ask("GET /", "localhost:1").contains("brand_new"));
    assert!(ask("GET /secret", &address).starts_with("HTTP/1.1 404"));
    assert!(ask("POST /", &address).starts_with("HTTP/1.1 405"));
    assert!(ask("GET /", "evil.example").starts_with("HTTP/1.1 421"));
}
