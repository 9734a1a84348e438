// One uncompressed DICOM slice. The tests hold it against pydicom.

export class FileProblem extends Error {}

const IMPLICIT = "1.2.840.10008.1.2";
const EXPLICIT = "1.2.840.10008.1.2.1";
const LONG = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);
const UNDEFINED = 0xffffffff;

export function isDicom(bytes) {
  return bytes.length > 132 && String.fromCharCode(...bytes.subarray(128, 132)) === "DICM";
}

// Walks through data elements, little-endian.
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.place = 132;
  }

  number(size) {
    const at = this.place;
    this.place += size;
    if (this.place > this.bytes.length) throw new FileProblem("The DICOM file is cut: it ends inside a data element.");
    return size === 2 ? this.view.getUint16(at, true) : this.view.getUint32(at, true);
  }

  // Tag and length of the next element; the place is then at its value.
  head(explicit) {
    const tag = this.number(2) * 65536 + this.number(2);
    if (!explicit || tag >= 0xfffe0000) return { tag, length: this.number(4) };
    const vr = String.fromCharCode(this.bytes[this.place], this.bytes[this.place + 1]);
    this.place += 2;
    if (!LONG.has(vr)) return { tag, length: this.number(2) };
    this.place += 2;
    return { tag, length: this.number(4), unknown: vr === "UN" };
  }

  // Over a value: sequences of undefined length are walked through.
  skip(length, explicit) {
    if (length !== UNDEFINED) {
      this.place += length;
      return;
    }
    for (;;) {
      const { tag, length: inner, unknown } = this.head(explicit);
      if (tag === 0xfffee0dd || tag === 0xfffee00d) return;
      this.skip(inner, explicit && !unknown);
    }
  }
}

function text(bytes) {
  return String.fromCharCode(...bytes).replace(/[\0 ]+$/, "").trim();
}

// { height, width, values: Float32Array } of a file, rescaled; bright is bright.
export function readDicom(bytes) {
  const reader = new Reader(bytes);
  const found = new Map();
  let syntax = EXPLICIT;
  let explicit = true;
  while (reader.place < bytes.length) {
    // The group 0002 is explicit in every file; what follows is what it says.
    const group = reader.number(2);
    reader.place -= 2;
    if (group > 2 && found.has(0x00020010)) {
      syntax = text(found.get(0x00020010));
      if (syntax !== IMPLICIT && syntax !== EXPLICIT) {
        throw new FileProblem(`This DICOM file has transfer syntax ${syntax}: compressed or big-endian. Uncompressed little-endian files can be read.`);
      }
      explicit = syntax === EXPLICIT;
    }
    const { tag, length, unknown } = reader.head(explicit);
    if (length !== UNDEFINED && reader.place + length > bytes.length) throw new FileProblem("The DICOM file is cut: it ends inside a data element.");
    if (tag === 0x7fe00010) {
      found.set(tag, bytes.subarray(reader.place, reader.place + length));
      break;
    }
    if (group === 2 || group === 0x28) found.set(tag, bytes.subarray(reader.place, reader.place + length));
    reader.skip(length, explicit && !unknown);
  }
  return pixels(found);
}

function pixels(found) {
  const short = (tag, otherwise) => {
    const value = found.get(tag);
    return value && value.length >= 2 ? value[0] + 256 * value[1] : otherwise;
  };
  const decimal = (tag, otherwise) => {
    const value = found.has(tag) ? Number.parseFloat(text(found.get(tag))) : Number.NaN;
    return Number.isFinite(value) ? value : otherwise;
  };
  const [height, width, bits] = [short(0x00280010), short(0x00280011), short(0x00280100)];
  const data = found.get(0x7fe00010);
  if (!height || !width || !data) throw new FileProblem("This DICOM file holds no picture (rows, columns or pixel data are missing).");
  const kind = text(found.get(0x00280004) ?? new Uint8Array());
  const frames = decimal(0x00280008, 1);
  if (short(0x00280002, 1) !== 1 || frames !== 1 || !kind.startsWith("MONOCHROME")) {
    throw new FileProblem(`One grey slice is expected; this DICOM file has ${frames} of kind ${kind || "unknown"}.`);
  }
  if (![8, 16, 32].includes(bits)) throw new FileProblem(`8, 16 or 32 bits for each pixel are expected; this DICOM file has ${bits}.`);
  const size = bits / 8;
  if (data.length < height * width * size) throw new FileProblem("The DICOM file is cut: some of its pixels are missing.");
  const stored = short(0x00280101, bits);
  const signed = short(0x00280103, 0) === 1;
  const shift = short(0x00280102, stored - 1) + 1 - stored;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const slope = decimal(0x00281053, 1);
  const intercept = decimal(0x00281052, 0);
  const read = { 1: (i) => view.getUint8(i), 2: (i) => view.getUint16(2 * i, true), 4: (i) => view.getUint32(4 * i, true) }[size];
  const range = 2 ** stored;
  const values = Float32Array.from({ length: height * width }, (_, i) => {
    let value = Math.floor(read(i) / 2 ** shift) % range;
    if (signed && value >= range / 2) value -= range;
    return value * slope + intercept;
  });
  if (kind === "MONOCHROME1") for (let i = 0; i < values.length; i += 1) values[i] = -values[i];
  return { height, width, values };
}
