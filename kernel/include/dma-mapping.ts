export {
  DMA_BIDIRECTIONAL,
  DMA_FROM_DEVICE,
  DMA_TO_DEVICE,
  type device,
  dma_alloc_coherent,
  dma_free_coherent,
  dma_map_single,
  dma_mapping_error,
  type dma_region,
  dma_sync_single_for_cpu,
  dma_unmap_single,
} from '../dma/mapping.ts';
