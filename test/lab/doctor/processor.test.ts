import { estimatePeak, flopPerCycleOf } from '../../../src/lab/doctor/peak.js';
import { findProcessor, parseCpuinfo, parseSysctl } from '../../../src/lab/doctor/processor.js';

/** Two sockets with two cores of two threads each. */
const twoSockets = Array.from(
  { length: 8 },
  (_, i) => `processor\t: ${i}
vendor_id\t: GenuineIntel
cpu family\t: 6
model name\t: Intel(R) Xeon(R) Gold
physical id\t: ${i >> 2}
core id\t\t: ${(i >> 1) & 1}
flags\t\t: fpu sse4_1 sse4_2 fma avx f16c avx2 avx512f avx512_vnni amx_bf16 amx_tile`,
).join('\n\n');

it('reads the instruction sets and the cores of an x86 Linux', () => {
  expect(parseCpuinfo(twoSockets)).toEqual({
    cores: 4,
    instructionSets: ['sse4.2', 'avx', 'avx2', 'fma', 'avx512f', 'avx512_vnni', 'amx'],
    halvesAvx512: false,
  });
  const zen4 = 'processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nflags\t\t: avx avx2 fma avx512f\n';
  expect(parseCpuinfo(zen4)).toMatchObject({ cores: 1, halvesAvx512: true });
});

it('reads those of an ARM Linux and of macOS', () => {
  const arm =
    'processor\t: 0\nFeatures\t: fp asimd crc32\n\nprocessor\t: 1\nFeatures\t: fp asimd crc32\n\nHardware\t: x\n';
  expect(parseCpuinfo(arm)).toEqual({ cores: 2, instructionSets: ['neon'], halvesAvx512: false });
  const apple = 'hw.physicalcpu: 8\nhw.optional.arm64: 1\nhw.optional.neon: 1\nmachdep.cpu.brand_string: Apple M1\n';
  expect(parseSysctl(apple)).toEqual({ cores: 8, instructionSets: ['neon'], halvesAvx512: false });
  const intel =
    'hw.physicalcpu: 4\nmachdep.cpu.features: FPU SSE4.2 AVX1.0 FMA\nmachdep.cpu.leaf7_features: AVX2 BMI1\n';
  expect(parseSysctl(intel)).toEqual({
    cores: 4,
    instructionSets: ['sse4.2', 'avx', 'avx2', 'fma'],
    halvesAvx512: false,
  });
});

it('counts two multiply-adds a cycle of the widest set', () => {
  const flop = (instructionSets: Parameters<typeof flopPerCycleOf>[0]['instructionSets'], model = 'x'): unknown =>
    flopPerCycleOf({ model, instructionSets, halvesAvx512: false })?.flopPerCycle;
  expect(flop(['avx', 'avx2', 'fma', 'avx512f'])).toBe(64);
  expect(flopPerCycleOf({ model: 'x', instructionSets: ['avx512f'], halvesAvx512: true })?.flopPerCycle).toBe(32);
  expect(flop(['avx', 'avx2', 'fma'])).toBe(32);
  expect(flop(['sse4.2', 'avx'])).toBe(16);
  expect(flop(['sse4.2'])).toBe(8);
  expect(flop(['neon'])).toBe(16);
  expect(flop(['neon'], 'Apple M1')).toBe(32);
  expect(flop([])).toBeUndefined();
});

it('multiplies cores, FLOP a cycle and clock; hardware threads of a core share its units', () => {
  const processor = { model: 'x', threads: 16, instructionSets: ['avx2', 'fma'], halvesAvx512: false } as const;
  const clock = { ghz: 2, clock: 'nominal' } as const;
  expect(estimatePeak({ ...processor, cores: 8, available: 16 }, clock)).toMatchObject({ gflops: 512, cores: 8 });
  expect(estimatePeak({ ...processor, cores: 8, available: 3 }, clock)).toMatchObject({ gflops: 192, cores: 3 });
  expect(estimatePeak({ ...processor, instructionSets: [], cores: 8, available: 16 }, clock)).toBeNull();
});

it('finds this machine to be one', () => {
  const processor = findProcessor();
  expect(processor.cores).toBeGreaterThan(0);
  expect(processor.threads).toBeGreaterThanOrEqual(processor.cores);
  const peak = estimatePeak(processor);
  if (process.arch === 'x64' && process.platform === 'linux') {
    expect(processor.instructionSets).not.toEqual([]);
    expect(peak?.clock).toBe('measured');
    expect(peak?.ghz).toBeGreaterThan(0.3); // other work may hold it up
    expect(peak?.ghz).toBeLessThan(8);
  }
});
