export {
  disable_irq,
  enable_irq,
  free_irq,
  IRQ_HANDLED,
  IRQ_NONE,
  IRQF_SHARED,
  irq_set_affinity,
  type irqreturn_t,
  request_irq,
} from '../irq/manage.ts';
