// The six operations with the AWS SDK for JavaScript, configured by nothing but the AWS_* variables.
//
//   node ebs.cjs version
//   node ebs.cjs upload IMAGE [PARENT-ID PARENT-IMAGE]     blocks that are not zeros, or that differ from the parent
//   node ebs.cjs download SNAPSHOT-ID FILE                 into a sparse file of the volume's size
//   node ebs.cjs changed FIRST-ID SECOND-ID                indexes of changed blocks
//   node ebs.cjs errors COMPLETED-ID                       what the SDK makes of refusals
//
// Each prints one line of JSON. Blocks at even indexes go as a Buffer, for which the SDK signs the real hash;
// the others as a stream, which it sends in chunks and signs as UNSIGNED-PAYLOAD.

"use strict";

const { createHash } = require("node:crypto");
const fs = require("node:fs/promises");
const { Readable } = require("node:stream");
const ebsPackage = require("@aws-sdk/client-ebs/package.json");
const {
  EBSClient,
  CompleteSnapshotCommand,
  GetSnapshotBlockCommand,
  ListChangedBlocksCommand,
  ListSnapshotBlocksCommand,
  PutSnapshotBlockCommand,
  StartSnapshotCommand,
} = require("@aws-sdk/client-ebs");

const GIB = 1024 ** 3;
const WORKERS = 8;

const ebs = new EBSClient({});

const sha256 = (data) => createHash("sha256").update(data).digest();

/** Run `work` over all items, a few at once; the first failure ends it. */
async function forEach(items, work) {
  const left = items[Symbol.iterator]();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

async function readBlock(file, index, blockBytes) {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(blockBytes), 0, blockBytes, index * blockBytes);
  return buffer.fill(0, bytesRead);
}

async function putBlock(snapshotId, index, data) {
  const digest = sha256(data);
  const pieces = [data.subarray(0, 100_000), data.subarray(100_000)];
  const answer = await ebs.send(
    new PutSnapshotBlockCommand({
      SnapshotId: snapshotId,
      BlockIndex: index,
      BlockData: index % 2 === 0 ? data : Readable.from(pieces),
      DataLength: data.length,
      Checksum: digest.toString("base64"),
      ChecksumAlgorithm: "SHA256",
    }),
  );
  if (answer.Checksum !== digest.toString("base64")) throw new Error(`block ${index}: ${answer.Checksum}`);
  return digest;
}

async function upload(image, parentId, parentImage) {
  const file = await fs.open(image);
  const parent = parentImage && (await fs.open(parentImage));
  const { size } = await file.stat();
  const started = await ebs.send(
    new StartSnapshotCommand({
      VolumeSize: Math.ceil(size / GIB),
      ParentSnapshotId: parentId,
      Description: "by the AWS SDK for JavaScript",
      Tags: [{ Key: "client", Value: "javascript" }],
    }),
  );
  const { SnapshotId: snapshotId, BlockSize: blockBytes } = started;
  const zeros = Buffer.alloc(blockBytes);
  const digests = [];
  await forEach(Array(Math.ceil(size / blockBytes)).keys(), async (index) => {
    const data = await readBlock(file, index, blockBytes);
    const before = parent ? await readBlock(parent, index, blockBytes) : zeros;
    if (!data.equals(before)) digests[index] = await putBlock(snapshotId, index, data);
  });
  const written = digests.filter(Boolean); // in order of index
  await ebs.send(
    new CompleteSnapshotCommand({
      SnapshotId: snapshotId,
      ChangedBlocksCount: written.length,
      Checksum: sha256(Buffer.concat(written)).toString("base64"),
      ChecksumAlgorithm: "SHA256",
      ChecksumAggregationMethod: "LINEAR",
    }),
  );
  return { snapshotId, blockCount: written.length };
}

/** Yield every page of a listing. */
async function* pages(Command, input) {
  let page = {};
  do {
    page = await ebs.send(new Command({ ...input, MaxResults: 100, NextToken: page.NextToken }));
    yield page;
  } while (page.NextToken);
}

async function download(snapshotId, path) {
  const file = await fs.open(path, "w");
  for await (const page of pages(ListSnapshotBlocksCommand, { SnapshotId: snapshotId })) {
    await file.truncate(page.VolumeSize * GIB);
    await forEach(page.Blocks, async (block) => {
      const answer = await ebs.send(new GetSnapshotBlockCommand({ SnapshotId: snapshotId, ...block }));
      const data = await answer.BlockData.transformToByteArray();
      if (sha256(data).toString("base64") !== answer.Checksum) throw new Error(`block ${block.BlockIndex}`);
      await file.write(data, 0, answer.DataLength, block.BlockIndex * page.BlockSize);
    });
  }
  await file.close();
  return { path };
}

async function changed(firstId, secondId) {
  const found = [];
  const input = { FirstSnapshotId: firstId, SecondSnapshotId: secondId };
  for await (const page of pages(ListChangedBlocksCommand, input)) {
    found.push(...page.ChangedBlocks.map((block) => block.BlockIndex));
  }
  return found;
}

async function errors(snapshotId) {
  const put = { SnapshotId: snapshotId, BlockIndex: 0, ChecksumAlgorithm: "SHA256", DataLength: 524288 };
  const data = Buffer.alloc(524288);
  const refused = {
    unknown: new ListSnapshotBlocksCommand({ SnapshotId: "snap-00000000000000000" }),
    sealed: new PutSnapshotBlockCommand({ ...put, BlockData: data, Checksum: sha256(data).toString("base64") }),
    mismatch: new PutSnapshotBlockCommand({ ...put, BlockData: data, Checksum: sha256("").toString("base64") }),
    token: new GetSnapshotBlockCommand({ SnapshotId: snapshotId, BlockIndex: 0, BlockToken: "forged" }),
    volume: new StartSnapshotCommand({ VolumeSize: 99999999999 }),
    results: new ListSnapshotBlocksCommand({ SnapshotId: snapshotId, MaxResults: 1 }),
  };
  const said = {};
  for (const [name, command] of Object.entries(refused)) {
    said[name] = await ebs.send(command).then(
      () => null,
      (error) => ({
        name: error.name,
        reason: error.Reason ?? null,
        status: error.$metadata.httpStatusCode,
        message: error.message,
        attempts: error.$metadata.attempts,
      }),
    );
  }
  return said;
}

const commands = { version: async () => ebsPackage.version, upload, download, changed, errors };

async function main([name, ...args]) {
  console.log(JSON.stringify(await commands[name](...args)));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
