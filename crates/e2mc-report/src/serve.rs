//! A page over HTTP, always as of now, for this machine only: it binds 127.0.0.1 and answers
//! nothing but `GET /`.
//!
//! The page loads nothing, so one answer is all there is; the browser is asked to come again by a
//! `Refresh` header. Requests for another host name are refused, so that no page elsewhere can read
//! this one by a name that leads here.

use std::fmt::Display;
use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tiny_http::{Header, Method, Request, Response, Server};

use crate::error::Error;
use crate::page::Report;

/// A server that listens; it answers once it [runs](Live::run).
pub struct Live {
    server: Server,
    address: SocketAddr,
}

impl Live {
    /// Listens on a port of 127.0.0.1; port 0 takes a free one.
    ///
    /// # Errors
    /// Where the port is taken or not allowed.
    pub fn bind(port: u16) -> Result<Self, Error> {
        let fail = |reason: String| Error::Listen { port, reason };
        let server = Server::http((Ipv4Addr::LOCALHOST, port));
        let server = server.map_err(|error| fail(error.to_string()))?;
        let address = server.server_addr().to_ip();
        let address = address.ok_or_else(|| fail("it is not a port".to_owned()))?;
        Ok(Self { server, address })
    }

    /// Where the page is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the program ends: `page` makes the page anew for each visitor, who is asked to
    /// come again after `every`, in whole seconds. What it fails with is shown instead, and may be
    /// over at the next visit.
    pub fn run<E: Display>(&self, every: Duration, page: impl Fn() -> Result<Report, E>) {
        for request in self.server.incoming_requests() {
            let answer = answer(&request, every, &page);
            // What one visitor does wrong, such as going away, ends nothing.
            let _ = request.respond(answer);
        }
    }
}

/// Serves a page until the program ends; `ready` is told where it is. See [`Live`].
///
/// # Errors
/// Where the port is taken or not allowed.
pub fn serve<E: Display>(
    port: u16,
    every: Duration,
    page: impl Fn() -> Result<Report, E>,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    let live = Live::bind(port)?;
    ready(live.address());
    live.run(every, page);
    Ok(())
}

fn answer<E: Display>(
    request: &Request,
    every: Duration,
    page: &impl Fn() -> Result<Report, E>,
) -> Response<Cursor<Vec<u8>>> {
    let host = request.headers().iter().find(|h| h.field.equiv("Host"));
    let host = host.map_or("", |header| header.value.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let plain = "text/plain; charset=utf-8";
    let (status, kind, body) = if !["127.0.0.1", "localhost"].contains(&name) {
        (421, plain, "this page is for 127.0.0.1\n".to_owned())
    } else if *request.method() != Method::Get {
        (405, plain, "only GET\n".to_owned())
    } else if request.url() != "/" {
        (404, plain, "the page is at /\n".to_owned())
    } else {
        match page() {
            Ok(page) => (200, "text/html; charset=utf-8", page.to_html()),
            Err(error) => (503, plain, format!("{error:#}\n")),
        }
    };
    let mut response = Response::from_data(body)
        .with_status_code(status)
        // Whole pages have a length.
        .with_chunked_threshold(usize::MAX)
        .with_header(header("Content-Type", kind))
        .with_header(header("Cache-Control", "no-store"))
        .with_header(header("X-Content-Type-Options", "nosniff"));
    if [200, 503].contains(&status) {
        let seconds = every.as_secs_f64().ceil().max(1.0);
        response.add_header(header("Refresh", &seconds.to_string()));
    }
    response
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("plain words without a line's end")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Asks and reads the whole answer.
    fn ask(address: SocketAddr, first: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        write!(
            stream,
            "{first} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_page_is_served_to_this_machine_only_and_made_anew_each_time() {
        let live = Live::bind(0).unwrap();
        let address = live.address();
        assert!(address.ip().is_loopback());
        std::thread::spawn(move || {
            let visits = AtomicUsize::new(0);
            live.run(Duration::from_secs_f64(1.5), || {
                match visits.fetch_add(1, Ordering::Relaxed) {
                    2 => Err("the run is gone"),
                    visit => Ok(Report {
                        title: format!("visit {visit}"),
                        // Longer than servers like to send in one piece.
                        subtitle: "long ".repeat(20_000),
                        ..Report::default()
                    }),
                }
            });
        });
        let host = address.to_string();
        let page = ask(address, "GET /", &host);
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page:.300}");
        assert!(page.contains("\r\nRefresh: 2\r\n") && page.contains("visit 0"));
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        assert!(head.contains("Cache-Control: no-store") && head.contains("nosniff"));
        assert!(ask(address, "GET /", "localhost:1").contains("visit 1"));
        let gone = ask(address, "GET /", &host);
        assert!(gone.starts_with("HTTP/1.1 503") && gone.contains("the run is gone\n"));
        assert!(ask(address, "GET /secret", &host).starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /", &host).starts_with("HTTP/1.1 405"));
        assert!(ask(address, "GET /", "evil.example").starts_with("HTTP/1.1 421"));
        assert!(ask(address, "GET /", "127.0.0.1.evil.example:80").starts_with("HTTP/1.1 421"));
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let first = Live::bind(0).unwrap();
        let port = first.address().port();
        let error = Live::bind(port).err().unwrap().to_string();
        assert!(
            error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")),
            "{error}"
        );
    }
}
