//! The live report over HTTP, for this machine only: it binds 127.0.0.1 and answers nothing but `GET /`.
//!
//! The page loads nothing, so one answer is all there is; the browser is asked to come again by a `Refresh` header. Requests
//! for another host name are refused, so that no page elsewhere can read this one by a name that leads here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::report;
use crate::output;

/// A request is its first line and its headers; nobody needs more than this for them.
const LONGEST_REQUEST: u64 = 16 << 10;
/// A browser that says nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves until the program is ended.
pub(super) fn run(run: &Path, port: u16, every: f64) -> Result<ExitCode> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("cannot listen on 127.0.0.1:{port}; is the port taken?"))?;
    let address = listener.local_addr().context("cannot tell the port")?;
    output::note(&format!(
        "watching {}: http://{address}  (Ctrl-C ends it)",
        run.display()
    ));
    // What one visitor does wrong ends nothing.
    for stream in listener.incoming().flatten() {
        let _ = answer(stream, run, every);
    }
    Ok(ExitCode::SUCCESS)
}

fn answer(mut stream: TcpStream, run: &Path, every: f64) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new((&stream).take(LONGEST_REQUEST));
    let mut first = String::new();
    request.read_line(&mut first)?;
    let mut host = String::new();
    loop {
        let mut line = String::new();
        if request.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("host")
        {
            host = value.trim().to_owned();
        }
    }
    let response = respond(&first, &host, run, every);
    stream.write_all(&response)
}

/// The whole answer to a request's first line and host.
fn respond(first: &str, host: &str, run: &Path, every: f64) -> Vec<u8> {
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let (status, kind, body) = if !["127.0.0.1", "localhost"].contains(&name) {
        (
            "421 Misdirected Request",
            "text/plain",
            "this page is for 127.0.0.1\n".to_owned(),
        )
    } else if method != "GET" {
        (
            "405 Method Not Allowed",
            "text/plain",
            "only GET\n".to_owned(),
        )
    } else if path != "/" {
        (
            "404 Not Found",
            "text/plain",
            "the page is at /\n".to_owned(),
        )
    } else {
        match report::of_run(run) {
            Ok(page) => ("200 OK", "text/html; charset=utf-8", page.to_html()),
            Err(error) => (
                "503 Service Unavailable",
                "text/plain; charset=utf-8",
                format!("{error:#}\n"),
            ),
        }
    };
    let refresh = if status.starts_with("200") || status.starts_with("503") {
        format!("Refresh: {}\r\n", every.ceil())
    } else {
        String::new()
    };
    let mut response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\n{refresh}Connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend(body.into_bytes());
    response
}
