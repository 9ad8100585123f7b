export { type iomem, readb, readl, readw, udelay, writeb, writel, writew } from '../io.ts';
