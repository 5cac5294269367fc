//! Servers on loopback that answer what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Drives `work` as the load generator does: on one thread.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A server for as many connections as there are lists: on each it reads a request for every list of
/// pieces inside, writes the pieces, one write each, and closes after the last.
pub(crate) fn answering(connections: Vec<Vec<Vec<&'static [u8]>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for answers in connections {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for pieces in answers {
                read_head(&mut stream);
                for piece in pieces {
                    // A client that had enough may be gone.
                    let _ = stream.write_all(piece);
                }
            }
        }
    });
    address
}

/// A server that gives the same answer to every request without a body, on any number of connections.
pub(crate) fn always(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || while read_head(&mut stream) && stream.write_all(answer).is_ok() {});
        }
    });
    address
}

/// A server that answers what `answer` says of a request's first line and body, on any number of connections.
pub(crate) fn serving(answer: impl FnMut(&str, &str) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(Mutex::new(answer));
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                while let Some(head) = head(&mut stream) {
                    let mut body = vec![0; content_length(&head)];
                    stream.read_exact(&mut body).unwrap();
                    let line = head.lines().next().unwrap_or_default();
                    let said = answer.lock().unwrap()(line, &String::from_utf8_lossy(&body));
                    if stream.write_all(said.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn content_length(head: &str) -> usize {
    let value = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Reads up to the empty line; whether there was one.
fn read_head(stream: &mut TcpStream) -> bool {
    head(stream).is_some()
}

/// A request's head, with the empty line.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        head.extend_from_slice(&byte);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
