//! A connection against a server that answers what the test says.

use super::*;
use crate::payload::StampCheck;
use crate::testing::{answering, wait};

async fn get(connection: &mut Connection, sink: Sink) -> Result<Answer, Failure> {
    connection.exchange("GET / HTTP/1.1\r\n\r\n", &mut Body::Bytes(b""), sink, Asked::Body).await
}

#[test]
fn chunks_are_put_together_wherever_they_are_cut() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole: Vec<&'static [u8]> = vec![head, b"5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nt: 1\r\n\r\n"];
    let cut: Vec<&'static [u8]> =
        vec![head, b"5", b"\r", b"\nhel", b"lo\r\n", b"6\r\n world", b"\r\n0\r", b"\n", b"\r\n"];
    let address = answering(vec![vec![whole, cut]]);
    wait(async {
        let mut connection = Connection::new(address);
        for _ in 0..2 {
            let answer = get(&mut connection, Sink::Keep).await.unwrap();
            assert_eq!((answer.text().as_ref(), answer.len), ("hello world", 11));
        }
    });
}

#[test]
fn two_answers_share_a_connection_and_an_interim_one_is_skipped() {
    let first =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\netag: \"e\"\r\n\r\none";
    let second = b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\ntwo";
    let address = answering(vec![vec![vec![&first[..]], vec![&second[..]]]]);
    wait(async {
        let mut connection = Connection::new(address);
        let answer = get(&mut connection, Sink::Count).await.unwrap();
        assert_eq!((answer.status, answer.etag.as_deref(), answer.len), (200, Some("\"e\""), 3));
        assert!(answer.body.is_empty(), "a body that is only counted is not kept");
        let answer = get(&mut connection, Sink::Count).await.unwrap();
        assert_eq!((answer.status, answer.text().as_ref()), (404, "two"), "a refusal is kept");
    });
}

#[test]
fn a_connection_closed_while_idle_is_opened_again() {
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let address = answering(vec![vec![vec![answer]], vec![vec![answer]]]);
    wait(async {
        let mut connection = Connection::new(address);
        for _ in 0..2 {
            assert_eq!(get(&mut connection, Sink::Count).await.unwrap().len, 2);
        }
    });
}

#[test]
fn a_cut_answer_is_a_failure() {
    let cut: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort";
    let address = answering(vec![vec![vec![cut]]]);
    let outcome = wait(async { get(&mut Connection::new(address), Sink::Count).await });
    assert!(matches!(outcome, Err(Failure::Connection { .. })), "{outcome:?}");
}

#[test]
fn the_answer_to_head_has_no_body() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n";
    let address = answering(vec![vec![vec![head], vec![head]]]);
    wait(async {
        let mut connection = Connection::new(address);
        for _ in 0..2 {
            let request = "HEAD / HTTP/1.1\r\n\r\n";
            let answer = connection
                .exchange(request, &mut Body::Bytes(b""), Sink::Count, Asked::HeadOnly)
                .await
                .unwrap();
            assert_eq!((answer.status, answer.len), (200, 0));
        }
    });
}

#[test]
fn a_refusal_before_the_body_s_end_is_read() {
    let refusal: &[u8] = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    let address = answering(vec![vec![vec![refusal]]]);
    wait(async {
        let mut payload = Payload::new(1 << 20);
        let mut body = Body::Stream { payload: &mut payload, len: 1 << 30, id: 1, offset: 0 };
        let mut connection = Connection::new(address);
        let outcome =
            connection.exchange("PUT / HTTP/1.1\r\n\r\n", &mut body, Sink::Count, Asked::Body).await;
        // The refusal, or the reset that threw it away: never a success, never a hang.
        assert!(!matches!(&outcome, Ok(answer) if answer.status != 403), "{outcome:?}");
    });
}

#[test]
fn wrong_bytes_are_noticed() {
    let answer: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nnot the right stamps";
    let address = answering(vec![vec![vec![answer]]]);
    let answer =
        wait(async { get(&mut Connection::new(address), Sink::Check(StampCheck::new(1, 0))).await.unwrap() });
    assert!(!answer.whole);
}
