//! Reading a body of 1 MiB from buffers as a socket fills them: plain, in chunks with a trailer, and
//! in signed chunks.

use std::future::poll_fn;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use drystone_bench::payload::Payload;
use drystone_core::checksum::crc64;
use drystone_server::s3::body::RequestBody;
use drystone_sim::wait::wait;

use crate::arriving::Arriving;
use crate::signed_request::{NOW, SignedRequest, authenticator};

const MIB: usize = 1 << 20;

/// What SDKs put into a chunk.
const CHUNK: usize = 64 * 1024;

pub(crate) fn bench(criterion: &mut Criterion) {
    let bytes = Payload::new(MIB).stamped(MIB as u64, 1, 0).to_vec();
    let len = bytes.len().to_string();
    let decoded = [("x-amz-decoded-content-length", len.as_str())];

    let plain = SignedRequest::new("PUT", "/bucket/key", "UNSIGNED-PAYLOAD", &[]);
    let announced = [decoded[0], ("x-amz-trailer", "x-amz-checksum-crc64nvme")];
    let trailer = SignedRequest::new("PUT", "/bucket/key", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", &announced);
    let signed = SignedRequest::new("PUT", "/bucket/key", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", &decoded);
    let signed_chunks = signed.signed_chunks(&bytes, CHUNK);

    let mut group = criterion.benchmark_group("body of 1 MiB");
    group.throughput(Throughput::Bytes(MIB as u64));
    let cases = [
        ("plain", &plain, bytes.clone()),
        ("chunks and a trailer", &trailer, unsigned_chunks(&bytes)),
        ("signed chunks", &signed, signed_chunks),
    ];
    for (name, request, encoded) in cases {
        let whole = Arriving::new(&Bytes::from(encoded));
        let authenticator = authenticator();
        group.bench_function(name, |bencher| {
            let open = || {
                let payload =
                    authenticator.authenticate(&request.parts, NOW).expect("the signature holds").payload;
                (whole.clone(), payload)
            };
            bencher.iter_batched(
                open,
                |(arriving, payload)| {
                    let mut body =
                        RequestBody::new(&request.parts, arriving, payload).expect("it is announced well");
                    wait(async {
                        while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
                            black_box(piece.expect("it keeps its promises"));
                        }
                    });
                    assert_eq!(body.received(), MIB as u64, "the body ends where it should");
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// `bytes` in chunks that nobody signed, and a trailer with their CRC64NVME, as SDKs send them.
fn unsigned_chunks(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len() * 2);
    for piece in bytes.chunks(CHUNK) {
        encoded.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        encoded.extend_from_slice(piece);
        encoded.extend_from_slice(b"\r\n");
    }
    let checksum = STANDARD.encode(crc64(bytes).to_be_bytes());
    encoded.extend_from_slice(format!("0\r\nx-amz-checksum-crc64nvme:{checksum}\r\n\r\n").as_bytes());
    encoded
}
