// A picture with JavaScript's fetch, in Node 18 or newer: node fetch.mjs "a corgi in a teacup"
import { writeFile } from "node:fs/promises";

const lab = process.env.LAB_URL ?? "http://localhost:8000";
const headers = process.env.LAB_TOKEN ? { Authorization: `Bearer ${process.env.LAB_TOKEN}` } : {};

async function generate(prompt) {
  const response = await fetch(`${lab}/api/generate`, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json", "Accept-Language": "en" },
    body: JSON.stringify({ prompt, settings: { aspect_ratio: "3:2" } }),
    // Above the service's own deadline; the picture is kept even when the connection breaks meanwhile.
    signal: AbortSignal.timeout(700_000),
  });
  const body = await response.json();
  if (!response.ok) {
    // Every error has a stable `code` and one sentence for people.
    throw new Error(`${body.code}: ${body.detail} (request ${body.request_id})`);
  }
  return body;
}

const { image, duration, usage } = await generate(process.argv[2] ?? "a corgi in a teacup");
const picture = await fetch(new URL(image.url, lab), { headers });
await writeFile(image.filename, Buffer.from(await picture.arrayBuffer()));
console.log(`${image.filename}: ${image.width}x${image.height} in ${duration} s for ${usage.cost_usd} USD`);

try {
  await generate("   ");
} catch (error) {
  console.log(error.message);
}
