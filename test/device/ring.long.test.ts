import { test } from 'vitest';
import { byDma, byProgrammedIo, lengths } from './ring-matrix.ts';

const SIZES = [4096, 16384];

test.each(SIZES)('%i bytes of memory: every length from 14 to 1514 at every start page, programmed I/O', size => {
  byProgrammedIo(size, lengths(true), 1);
});

test.each(SIZES)('%i bytes of memory: every length from 14 to 1514 at every start page, DMA', size => {
  byDma(size, lengths(true), 1);
});
