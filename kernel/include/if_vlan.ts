export { __vlan_hwaccel_put_tag } from '../net/8021q/vlan_core.ts';
export { ETH_P_8021Q } from '../net/ethernet/eth.ts';
