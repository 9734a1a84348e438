// A network in the page: ONNX Runtime Web in a worker of its own, so that the page stays awake while it computes.

// What the worker runs. It is handed over as text, so it may use nothing from outside.
function work() {
  let ort = null;
  let session = null;
  const answer = {
    async load({ runtime, wasm, graph, weights, name }) {
      ort = await import(runtime);
      Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: wasm });
      session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"], externalData: [{ path: name, data: weights }] });
      return {};
    },
    async run({ image, shape }) {
      const start = performance.now();
      const outputs = await session.run({ image: new ort.Tensor("float32", image, shape) });
      const milliseconds = performance.now() - start;
      return { milliseconds, values: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, tensor.data])) };
    },
  };
  onmessage = async ({ data: { number, task, content } }) => {
    try {
      postMessage({ number, result: await answer[task](content) });
    } catch (error) {
      postMessage({ number, problem: error.message ?? String(error) });
    }
  };
}

// Why a file did not come, for people.
export class LoadProblem extends Error {}

const scriptUrl = (parts) => URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));

async function fetched(url, arrived) {
  if (location.protocol === "file:") {
    throw new LoadProblem("This page was opened from a folder, where browsers let no page read other files. Serve the folder (python -m http.server) and open it from there.");
  }
  let reply;
  try {
    reply = await fetch(url);
  } catch (error) {
    throw new LoadProblem(`${url} cannot be reached (${error.message}).`);
  }
  if (!reply.ok) throw new LoadProblem(`${url} is missing: the server answered ${reply.status}. The network's files belong beside the page.`);
  const parts = [];
  const reader = reply.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    arrived(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// Jupyter passes on about 1 MB in a second from a kernel and drops what is more: small parts, and time between them.
const PART = 250e3;
const PAUSE = 330;

async function fromKernel(model, sizes, arrived) {
  const whole = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  for (let start = 0; start < whole.length; start += PART) {
    const asked = performance.now();
    const part = await new Promise((resolve, reject) => {
      const listen = (message, buffers) => {
        if (message.type !== "part" || message.start !== start) return;
        model.off("msg:custom", listen);
        if (message.problem) reject(new LoadProblem(message.problem));
        else resolve(buffers[0]);
      };
      model.on("msg:custom", listen);
      model.send({ type: "part", start, length: PART });
    });
    whole.set(new Uint8Array(part.buffer ?? part, part.byteOffset ?? 0, part.byteLength), start);
    arrived(part.byteLength);
    await new Promise((resolve) => { setTimeout(resolve, Math.max(0, PAUSE - (performance.now() - asked))); });
  }
  let end = 0;
  return sizes.map((size) => {
    end += size;
    return whole.slice(end - size, end);
  });
}

// From the kernel, where there is one; else from beside the page.
async function files(model, urls, sizes, arrived) {
  if (model.send) return fromKernel(model, sizes, arrived);
  return Promise.all(urls.map((url) => fetched(new URL(url, document.baseURI).href, arrived)));
}

// A server that unpacks .gz files on the way hands over the bytes themselves.
async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

export class Engine {
  constructor() {
    this.worker = null;
    this.number = 0;
    this.waiting = new Map();
  }

  // urls: of the runtime, its WebAssembly and the weights; sizes: their bytes. arrived(bytes): how many more have come.
  async load(model, { urls, sizes, graph, name, arrived }) {
    if (typeof WebAssembly === "undefined" || typeof Worker === "undefined" || typeof DecompressionStream === "undefined") {
      throw new LoadProblem("This browser cannot run the network: it has no WebAssembly, no workers, or is too old.");
    }
    const [script, wasm, weights] = await files(model, urls, sizes, arrived);
    const addresses = [scriptUrl([script]), scriptUrl([`(${work})();`])];
    this.worker = new Worker(addresses[1], { type: "module" });
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.number);
      this.waiting.delete(data.number);
      if (data.problem === undefined) resolve(data.result);
      else reject(new LoadProblem(`The network cannot be run: ${data.problem}`));
    };
    this.worker.onerror = (event) => {
      event.preventDefault();
      for (const { reject } of this.waiting.values()) reject(new LoadProblem(`The network cannot be started: ${event.message ?? "workers are blocked here"}.`));
      this.waiting.clear();
    };
    try {
      await this.ask("load", { runtime: addresses[0], wasm: await unpacked(wasm), graph, weights, name });
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      for (const address of addresses) URL.revokeObjectURL(address);
    }
  }

  ask(task, content) {
    this.number += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(this.number, { resolve, reject });
      this.worker.postMessage({ number: this.number, task, content });
    });
  }

  // image: Float32Array. Returns { milliseconds, values: { logits, "query.0", ... } }.
  run(image, shape) {
    return this.ask("run", { image, shape });
  }

  stop() {
    this.worker?.terminate();
    this.worker = null;
  }
}
