export { HZ, timer_list } from '../time/timer.ts';
