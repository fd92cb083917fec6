import { describe, expect, it } from 'vitest';
import { parseNpy } from './npy.ts';

function npy(header: string, data: Uint8Array, version = 1): Uint8Array {
  const text = Buffer.from(header, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.from([version, 0]), length, text, data]);
}

const header = (descr: string, shape: string, order = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

describe('.npy', () => {
  it('is read with its type and shape', () => {
    for (const version of [1, 2, 3]) {
      const { dtype, shape, data } = parseNpy(npy(header('<f4', '(2, 3)'), floats, version));
      expect([dtype, shape, [...(data as Float32Array)]]).toEqual(['float32', [2, 3], [1, 2, 3, 4, 5, 6]]);
    }
    expect(parseNpy(npy(header('<f2', '(1,)'), Uint8Array.of(0, 0x3c)))).toMatchObject({
      dtype: 'float16',
      shape: [1],
    });
    expect(parseNpy(npy(header('<i8', '()'), new Uint8Array(8)))).toMatchObject({
      dtype: 'int64',
      shape: [],
    });
  });

  it.each([
    ['<f2', 'float16', Uint16Array.of(0x3c00, 0xc000)],
    ['<f4', 'float32', Float32Array.of(1.5, -2)],
    ['<f8', 'float64', Float64Array.of(0.1, -2)],
    ['<i4', 'int32', Int32Array.of(7, -2)],
    ['<i8', 'int64', BigInt64Array.of(2n ** 60n, -2n)],
    ['|u1', 'uint8', Uint8Array.of(7, 255)],
  ])('holds %s as %s', (descr, dtype, data) => {
    const bytes = npy(header(descr, '(2,)'), new Uint8Array(data.buffer));
    expect(parseNpy(bytes)).toEqual({ dtype, shape: [2], data });
  });

  it.each([
    ['npy/magic', Buffer.from('not an array at all')],
    ['npy/truncated', npy(header('<f4', '(2, 3)'), floats).subarray(0, 30)],
    ['npy/version', npy(header('<f4', '(2, 3)'), floats, 4)],
    ['npy/header', npy('{}\n', floats)],
    ['npy/header', npy(header('<f4', '(2 3)'), floats)],
    ['npy/type', npy(header('toString', '(2, 3)'), floats)],
    ['npy/type', npy(header('>f4', '(2, 3)'), floats)],
    ['npy/order', npy(header('<f4', '(2, 3)', 'True'), floats)],
    ['npy/length', npy(header('<f4', '(2, 4)'), floats)],
    ['npy/length', npy(header('<f4', '(2, 3)'), floats.subarray(0, 20))],
  ])('is refused with %s', (code, bytes) => {
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(expect.objectContaining({ code, exitCode: 3 }));
  });
});
