// The network of the live widget: fetched once, then one answer at a time.

import { bytes } from "./arrays.js";
import { Engine } from "./engine.js";

// `page` is told of everything, and knows which answer is looked at:
//   present()         the Answer to be computed next
//   loading(yes), arrived(share), busy(yes)
//   failed(error)
//   answered()        there is a new answer; settled(): and no other is on its way
export class Runner {
  constructor(model, page) {
    Object.assign(this, { model, page, data: model.get("data"), engine: new Engine() });
    Object.assign(this, { ready: false, fetching: false, computing: false, again: false, gone: false });
    Object.assign(this, { bytes: 0, answers: 0, milliseconds: null });
    this.total = this.data.bytes.reduce((sum, count) => sum + count, 0);
  }

  arrived(count) {
    this.bytes += count;
    this.page.arrived(this.bytes / this.total);
  }

  async load() {
    const { runtime, weights } = this.model.get("urls");
    const urls = [`${runtime}ort.wasm.bundle.min.mjs`, `${runtime}ort-wasm-simd-threaded.wasm.gz`, weights];
    const { bytes: sizes, graph, weights: name } = this.data;
    Object.assign(this, { fetching: true, bytes: 0 });
    this.page.loading(true);
    try {
      await this.engine.load(this.model, { urls, sizes, graph: bytes(graph), name, arrived: (count) => this.arrived(count) });
      this.ready = true;
    } catch (error) {
      this.page.failed(error);
    } finally {
      this.fetching = false;
      this.page.loading(false);
    }
  }

  // While it computes, further changes wait; the last of them is computed next.
  async run() {
    this.again = this.computing;
    if (!this.ready || this.computing) return;
    this.computing = true;
    this.page.busy(true);
    const asked = this.page.present();
    try {
      const { values, milliseconds } = await this.engine.run(asked.sheet.values.slice(), [1, 1, ...this.data.size]);
      asked.take(values);
      this.milliseconds = milliseconds;
      this.answers += 1;
    } catch (error) {
      this.page.failed(error);
    } finally {
      this.computing = false;
      this.page.busy(false);
    }
    if (this.gone) return;
    this.page.answered();
    if (this.again) await this.run();
    else this.page.settled();
  }

  stop() {
    this.gone = true;
    this.engine.stop();
  }
}
