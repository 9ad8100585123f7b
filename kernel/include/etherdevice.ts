export {
  ETH_ALEN,
  ETH_FRAME_LEN,
  ETH_HLEN,
  ETH_ZLEN,
  eth_type_trans,
  ether_setup,
  is_valid_ether_addr,
} from '../net/ethernet/eth.ts';
