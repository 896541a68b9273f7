// Writes an ONNX model of a single convolution with ReLU: just enough of the protobuf wire format for that.
import { writeFileSync } from 'node:fs';

const varint = value => {
  const bytes = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
};
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, value) => {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
};
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

const FLOAT = 1, INTS = 7;
const ints = (name, values) => message(5, bytes(1, name), ...values.map(value => number(8, value)), number(20, INTS));
const value = (field, name, dims) =>
  message(field, bytes(1, name), message(2, message(1, number(1, FLOAT), message(2, ...dims.map(size => message(1, number(1, size)))))));
const tensor = (name, dims, data) =>
  message(5, ...dims.map(size => number(1, size)), number(2, FLOAT), bytes(8, name), bytes(9, Buffer.from(data.buffer, data.byteOffset, data.byteLength)));

/** Writes y = relu(conv(x, w) + b) with square kernels, stride 1 and padding that keeps the size. */
export function writeConv(file, { inputs, outputs, size, kernel }, random) {
  const pad = (kernel - 1) / 2;
  const scale = Math.sqrt(3 / (inputs * kernel * kernel));
  const weights = random([outputs, inputs, kernel, kernel]).data.map(w => w * scale);
  const graph = message(7,
    message(1, bytes(1, 'x'), bytes(1, 'w'), bytes(1, 'b'), bytes(2, 'c'), bytes(3, 'conv'), bytes(4, 'Conv'),
      ints('kernel_shape', [kernel, kernel]), ints('pads', [pad, pad, pad, pad]), ints('strides', [1, 1])),
    message(1, bytes(1, 'c'), bytes(2, 'y'), bytes(3, 'relu'), bytes(4, 'Relu')),
    bytes(2, 'layer'),
    tensor('w', [outputs, inputs, kernel, kernel], weights),
    tensor('b', [outputs], random([outputs]).data),
    value(11, 'x', [1, inputs, size, size]),
    value(12, 'y', [1, outputs, size, size]));
  writeFileSync(file, Buffer.concat([number(1, 8), graph, message(8, number(2, 13))]));
}
