// Arrays as Python packs them: { dtype, shape, data }, data a DataView both from a kernel and from a page.

let halves = null;

// Every half-precision number, decoded once: 65536 float32.
function halfTable() {
  if (halves) return halves;
  halves = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits += 1) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) halves[bits] = fraction ? NaN : sign * Infinity;
    else halves[bits] = sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  }
  return halves;
}

// The bytes by themselves, so that they start at a multiple of what they hold.
function buffer(packed) {
  const view = packed.data;
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}

// Numbers of any packed array, row by row.
export function floats(packed) {
  if (packed.dtype === "float32") return new Float32Array(buffer(packed));
  if (packed.dtype === "uint8") return Float32Array.from(bytes(packed));
  if (packed.dtype === "int16") {
    const columns = packed.shape[1]; // fixed point: each row has a step of its own
    return Float64Array.from(new Int16Array(buffer(packed)), (value, i) => value * packed.steps[Math.floor(i / columns)]);
  }
  const table = halfTable();
  return Float32Array.from(new Uint16Array(buffer(packed)), (bits) => table[bits]);
}

// Classes or grey values of a packed uint8 array.
export function bytes(packed) {
  const values = new Uint8Array(buffer(packed));
  if (!packed.differences) return values;
  const [rows, columns] = packed.shape.slice(-2);
  for (let i = 0; i < values.length; i += 1) {
    const inRow = i % columns;
    const above = Math.floor(i / columns) % rows ? values[i - columns] : 0;
    const left = inRow ? values[i - 1] : 0;
    const between = inRow && Math.floor(i / columns) % rows ? values[i - columns - 1] : 0;
    values[i] += above + left - between; // modulo 256, as it was packed
  }
  return values;
}

// What is worked out once for each key: once(key, make).
export function keeper() {
  const kept = new Map();
  return (key, make) => {
    if (!kept.has(key)) kept.set(key, make());
    return kept.get(key);
  };
}
