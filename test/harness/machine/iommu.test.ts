import { describe, expect, it } from 'vitest';
import { DeviceIommu, IOVA_BASE } from '../../../harness/machine/iommu.ts';
import { DMA_BIDIRECTIONAL, DMA_FROM_DEVICE, DMA_TO_DEVICE } from '../../../kernel/arch.ts';

function newIommu(): { iommu: DeviceIommu; reports: string[] } {
  const reports: string[] = [];
  return { iommu: new DeviceIommu('card', (detector, message) => reports.push(`${detector}: ${message}`)), reports };
}

describe('the IOMMU', () => {
  it('a mapping, translated to the byte and not one further', () => {
    const { iommu, reports } = newIommu();
    const iova = iommu.map(0x5432, 100, DMA_FROM_DEVICE, false);
    expect(iommu.translate(iova, 100, true)).toBe(0x5432);
    expect(iommu.translate(iova + 99, 1, true)).toBe(0x5432 + 99);
    expect(reports).toEqual([]);
    expect(iommu.translate(iova + 99, 2, true)).toBe(-1);
    expect(iommu.translate(iova, 101, true)).toBe(-1);
    expect(reports[0]).toContain('beyond the end of the mapping');
  });

  it('a mapping over several I/O pages, in one piece', () => {
    const { iommu } = newIommu();
    const iova = iommu.map(0x8000, 10_000, DMA_BIDIRECTIONAL, true);
    expect(iommu.translate(iova + 5000, 5000, true)).toBe(0x8000 + 5000);
    expect(iommu.translate(iova + 5000, 5001, true)).toBe(-1);
    expect(iommu.unmap(iova, 10_000, DMA_BIDIRECTIONAL, true)).toBe(true);
    expect(iommu.translate(iova + 5000, 1, true)).toBe(-1);
  });

  it('a CPU address, null or beyond the table used as an I/O address, faults', () => {
    const { iommu, reports } = newIommu();
    iommu.map(0x5000, 100, DMA_FROM_DEVICE, false);
    for (const address of [0x5000, 0, 0xffffffff, IOVA_BASE - 1, IOVA_BASE + 0x7fffffff]) {
      expect(iommu.translate(address, 4, true)).toBe(-1);
    }
    expect(reports).toHaveLength(5);
  });

  it('an access against the direction, faults', () => {
    const { iommu, reports } = newIommu();
    const iova = iommu.map(0x5000, 100, DMA_TO_DEVICE, false);
    expect(iommu.translate(iova, 4, false)).toBe(0x5000);
    expect(iommu.translate(iova, 4, true)).toBe(-1);
    expect(reports[0]).toContain('mapped DMA_TO_DEVICE');
  });

  it('a stale address after the unmap, faults while other buffers are mapped', () => {
    const { iommu } = newIommu();
    const stale = iommu.map(0x5000, 100, DMA_FROM_DEVICE, false);
    iommu.unmap(stale, 100, DMA_FROM_DEVICE, false);
    for (let i = 0; i < 1000; i++) iommu.map(0x6000, 100, DMA_FROM_DEVICE, false);
    expect(iommu.translate(stale, 4, true)).toBe(-1);
  });

  it('a freed page, used again only when 256 others were freed after it', () => {
    const { iommu } = newIommu();
    const first = iommu.map(0x1000, 64, 1, false);
    iommu.unmap(first, 64, 1, false);
    for (let i = 0; i < 256; i++) {
      const iova = iommu.map(0x2000, 64, 1, false);
      expect(iova).not.toBe(first);
      iommu.unmap(iova, 64, 1, false);
    }
    expect(iommu.map(0x3000, 64, 1, false)).toBe(first);
  });

  it('an unmap with another size, another direction, twice, or of nothing, reported', () => {
    const { iommu, reports } = newIommu();
    const first = iommu.map(0x5000, 100, DMA_FROM_DEVICE, false);
    iommu.unmap(first, 99, DMA_FROM_DEVICE, false);
    expect(reports.pop()).toContain('different size [map 100, unmap 99]');
    const second = iommu.map(0x5000, 100, DMA_FROM_DEVICE, false);
    iommu.unmap(second, 100, DMA_TO_DEVICE, false);
    expect(reports.pop()).toContain('different direction');
    expect(iommu.unmap(second, 100, DMA_FROM_DEVICE, false)).toBe(false);
    expect(reports.pop()).toContain('has not allocated');
    expect(iommu.streaming).toBe(0);
  });

  it('the table full, map gives 0 and works again after an unmap', () => {
    const { iommu } = newIommu();
    const taken: number[] = [];
    for (
      let iova = iommu.map(0x5000, 64, DMA_FROM_DEVICE, false);
      iova !== 0;
      iova = iommu.map(0x5000, 64, DMA_FROM_DEVICE, false)
    ) {
      taken.push(iova);
    }
    expect(new Set(taken).size).toBe(taken.length);
    iommu.unmap(taken[7] as number, 64, DMA_FROM_DEVICE, false);
    expect(iommu.map(0x5000, 64, DMA_FROM_DEVICE, false)).toBe(taken[7]);
  });

  it('several pages freed, used again only when everything else has been', () => {
    const { iommu } = newIommu();
    const first = iommu.map(0x8000, 8192, DMA_TO_DEVICE, false);
    iommu.unmap(first, 8192, DMA_TO_DEVICE, false);
    let others = 0;
    for (let iova = 0; iova !== first; others++) {
      iova = iommu.map(0x8000, 8192, DMA_TO_DEVICE, false);
      expect(iova).not.toBe(0);
      if (iova !== first) iommu.unmap(iova, 8192, DMA_TO_DEVICE, false);
    }
    expect(others).toBe(512);
  });

  it('a free run across the place where the search goes on, found', () => {
    const { iommu } = newIommu();
    const map = (pages: number): number => iommu.map(0x8000, pages * 4096, DMA_TO_DEVICE, false);
    const a = map(500);
    const b = map(500);
    iommu.unmap(a, 500 * 4096, DMA_TO_DEVICE, false);
    iommu.unmap(b, 500 * 4096, DMA_TO_DEVICE, false);
    // Free from the beginning on; the search stands behind page 1000.
    expect(map(900)).toBe(a);
    expect(map(900)).toBe(0);
  });
});
