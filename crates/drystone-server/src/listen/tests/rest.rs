//! Connections that rest between two requests, and what must not be lost to it.

use super::super::rest::REST_AFTER;
use super::*;

/// Long enough for a connection to rest.
pub(super) async fn wait_for_rest() {
    deadline::pause(2 * REST_AFTER).await;
}

#[tokio::test]
async fn a_connection_that_has_rested_is_served_as_before() {
    let server = Server::start(echo);
    let mut client = server.connect().await;
    for number in 0..2 {
        client.send(&format!("GET /{number} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        assert_eq!(client.answer().await.1, format!("GET /{number} 0"));
        wait_for_rest().await;
        client.send("PUT /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhel").await;
        wait_for_rest().await;
        client.send("lo").await;
        assert_eq!(client.answer().await.1, "PUT /a 5");
        wait_for_rest().await;
    }
    assert_eq!(server.stop().await.aborted, 0);
    assert_eq!(client.rest().await, "", "who rests is closed without a word");
}

#[tokio::test]
async fn no_byte_is_lost_to_a_rest() {
    const FIRST: &str = "GET /first HTTP/1.1\r\nhost: x\r\n\r\n";
    const WHOLE: &str = "PUT /next HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc";
    let server = Server::start(echo);
    let mut clients = JoinSet::new();
    for at in 1..WHOLE.len() {
        let mut client = server.connect().await;
        let (beginning, end) = WHOLE.split_at(at);
        clients.spawn(async move {
            // The beginning of a request comes with the one before it; then after that one's answer.
            client.send(&format!("{FIRST}{beginning}")).await;
            assert_eq!(client.answer().await.1, "GET /first 0");
            wait_for_rest().await;
            client.send(end).await;
            assert_eq!(client.answer().await.1, "PUT /next 3", "cut at {at}");
            client.send(beginning).await;
            wait_for_rest().await;
            client.send(end).await;
            let (head, body) = client.answer().await;
            assert_eq!(body, "PUT /next 3", "cut at {at}");
            assert!(!head.contains("connection: close"), "{head}");
        });
    }
    while let Some(done) = clients.join_next().await {
        done.expect("no panic");
    }
}

#[tokio::test]
async fn an_answer_that_is_taken_late_is_whole() {
    const BYTES: usize = 32 * 1024 * 1024;
    let answer = Bytes::from(vec![b'a'; BYTES]);
    let server = Server::start(move |_, _| {
        let body = ResponseBody::from(answer.clone());
        async { Response::new(body) }
    });
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n").await;
        // hyper has the whole answer, and most of it has not left.
        wait_for_rest().await;
        assert_eq!(client.answer().await.1.len(), BYTES);
    }
}
