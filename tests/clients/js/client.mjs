// The AWS SDK for JavaScript v3 at work: prints one JSON document with what it saw, for the test to judge.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.DRYSTONE_NODE_MODULES}/`);
const s3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");

const MIB = 1024 * 1024;
const Bucket = "bucket";
const client = new s3.S3Client({ endpoint: process.env.ENDPOINT, forcePathStyle: true, maxAttempts: 1 });
const seen = {};

async function digestOf(Key) {
  const hash = createHash("sha256");
  const { Body } = await client.send(new s3.GetObjectCommand({ Bucket, Key }));
  for await (const piece of Body) hash.update(piece);
  return hash.digest("hex");
}

async function uploads() {
  const rows = [];
  for await (const page of pages()) rows.push(...(page.Uploads ?? []).map((upload) => upload.Key));
  return rows;
}

async function* pages() {
  let page = {};
  do {
    const markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    page = await client.send(new s3.ListMultipartUploadsCommand({ Bucket, MaxUploads: 2, ...markers }));
    yield page;
  } while (page.IsTruncated);
}

await client.send(new s3.CreateBucketCommand({ Bucket }));

await client.send(new s3.PutObjectCommand({ Bucket, Key: "small", Body: "stone", Metadata: { moss: "green" } }));
seen.small = await digestOf("small");
seen.metadata = (await client.send(new s3.HeadObjectCommand({ Bucket, Key: "small" }))).Metadata;

const Body = createReadStream(process.env.FILE);
await new Upload({ client, params: { Bucket, Key: "big", Body }, partSize: 8 * MIB, queueSize: 4 }).done();
seen.big = await digestOf("big");

// A transfer that its own program aborts half-way.
const source = createReadStream(process.env.FILE);
const transfer = new Upload({ client, params: { Bucket, Key: "half", Body: source }, partSize: 8 * MIB, queueSize: 2 });
transfer.on("httpUploadProgress", ({ part }) => part >= 3 && transfer.abort());
seen.aborted = await transfer.done().then(() => "finished", (error) => error.name);
seen.half = await client.send(new s3.HeadObjectCommand({ Bucket, Key: "half" })).then(() => "there", (error) => error.name);
// Its promise is rejected before its own abort is sent, so ask until the upload is gone; 2,000 answers take seconds.
for (let asked = 0; asked < 2000 && (await uploads()).length > 0; asked += 1);
seen.uploadsAfterTransfer = await uploads();

// Uploads that are left, listed and aborted.
const left = [];
for (const Key of ["c", "a", "b"]) {
  const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key }));
  await client.send(new s3.UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: Buffer.alloc(6 * MIB, Key) }));
  left.push({ Bucket, Key, UploadId });
}
seen.left = await uploads();
const { Parts } = await client.send(new s3.ListPartsCommand(left[0]));
seen.parts = Parts.map((part) => [part.PartNumber, part.Size]);
for (const upload of left) await client.send(new s3.AbortMultipartUploadCommand(upload));
seen.leftAfterAbort = await uploads();
seen.secondAbort = await client.send(new s3.AbortMultipartUploadCommand(left[0])).then(() => "accepted", (error) => error.name);

await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "small" }, { Key: "big" }] } }));
await client.send(new s3.DeleteBucketCommand({ Bucket }));
console.log(JSON.stringify(seen));
