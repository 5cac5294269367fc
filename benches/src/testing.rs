//! Servers on loopback that answer what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
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

/// Reads up to the empty line; whether there was one.
fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return false;
        }
        head.extend_from_slice(&byte);
    }
    true
}
